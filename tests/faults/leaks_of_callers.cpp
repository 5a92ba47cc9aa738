// SPDX-License-Identifier: MIT
// Linked into the programs of faults/ under ASan: only the program itself looks for leaks when it ends, and not each
// worker that leaves. Here thousands of workers leave, at the cost of several forks each; tests of the other folder
// look for leaks of workers.
#include <unistd.h>

namespace {
const pid_t program = ::getpid();
}

// LeakSanitizer asks this before it looks.
extern "C" int __lsan_is_turned_off();
extern "C" int __lsan_is_turned_off() { return ::getpid() == program ? 0 : 1; }
