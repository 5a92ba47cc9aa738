// SPDX-License-Identifier: MIT
// Compiles the folder streams of libparmap: the caller's end of a stream.
#include <parmap/detail/streams/stream_tally.inl.hpp>
