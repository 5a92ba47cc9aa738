// SPDX-License-Identifier: MIT
// Includes every public header that needs only the standard library and this system.
#pragma once

#include <parmap/axis.hpp>
#include <parmap/codec.hpp>
#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/engine/default.hpp>
#include <parmap/engine/engine.hpp>
#include <parmap/engine/named.hpp>
#include <parmap/engine/serial.hpp>
#include <parmap/engine/threads.hpp>
#include <parmap/failure.hpp>
#include <parmap/fargs.hpp>
#include <parmap/map.hpp>
#include <parmap/map_into.hpp>
#include <parmap/map_reduce.hpp>
#include <parmap/options.hpp>
#include <parmap/outcome.hpp>
#include <parmap/philox.hpp>
#include <parmap/product.hpp>
#include <parmap/progress.hpp>
#include <parmap/reduction.hpp>
#include <parmap/results.hpp>
#include <parmap/store.hpp>
#include <parmap/stream.hpp>
#include <parmap/summary.hpp>
#include <parmap/version.hpp>

#if PARMAP_LINUX
#include <parmap/engine/pool.hpp>
#include <parmap/future.hpp>
#endif
