// SPDX-License-Identifier: MIT
// The settings of the sanitizers, linked into every instrumented program. The variables
// ASAN_OPTIONS, UBSAN_OPTIONS and TSAN_OPTIONS still override them.

extern "C" {

const char* __asan_default_options();
const char* __ubsan_default_options();
const char* __tsan_default_options();

// A task's segfault or abort has to stay a death by signal: the tests ask for its name.
const char* __asan_default_options() {
  return "handle_segv=0:handle_sigbus=0:handle_sigill=0:handle_sigfpe=0:handle_abort=0:"
         "use_sigaltstack=0:detect_stack_use_after_return=0:strict_string_checks=1";
}

const char* __ubsan_default_options() { return "print_stacktrace=1"; }

const char* __tsan_default_options() { return "halt_on_error=1:second_deadlock_stack=1"; }
}
