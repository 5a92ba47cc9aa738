// SPDX-License-Identifier: MIT
// part_path: the name of the file in which a part of a map keeps its outcomes.
#pragma once

#include <parmap/detail/config.hpp>
#include <parmap/part.hpp>

#include <algorithm>
#include <cstddef>
#include <string>

namespace parmap::inline PARMAP_ABI::detail {

// "sweep.db" as "sweep.part03.db" for part 3 of 16: the number has as many digits as that of the last part. A name that
// has that already stays.
inline std::string part_path(const std::string& path, const part& which) {
  if (which.is_whole()) return path;
  const std::string last = std::to_string(which.count() - 1);
  std::string number = std::to_string(which.index());
  number.insert(0, last.size() - std::min(last.size(), number.size()), '0');
  const std::string mark = ".part" + number;
  const std::size_t slash = path.rfind('/');
  const std::size_t name = slash == path.npos ? 0 : slash + 1;
  const std::size_t dot = path.rfind('.');
  const std::size_t end = dot == path.npos || dot <= name ? path.size() : dot;  // ".db" is a name, and no suffix
  if (path.substr(name, end - name).ends_with(mark)) return path;
  return path.substr(0, end) + mark + path.substr(end);
}

}  // namespace parmap::inline PARMAP_ABI::detail
