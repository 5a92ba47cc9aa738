// SPDX-License-Identifier: MIT
// A shared library that loaded_code_test opens, in two versions that PARMAP_OPENED tells apart.
extern "C" int opened();
extern "C" int opened() { return PARMAP_OPENED; }
