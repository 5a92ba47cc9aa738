// SPDX-License-Identifier: MIT
#include "large_buffer_file.hpp"

#include <parmap/detail/system/page_size.hpp>
#include <parmap/encoding.hpp>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <iterator>
#include <new>

namespace parmap::python {

namespace {

using detail::page_size;
using detail::round_up_to_page;

std::byte* map_file(int file, std::uint64_t begin, std::size_t size, int sharing) noexcept {
  void* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, sharing, file, static_cast<off_t>(begin));
  return at == MAP_FAILED ? nullptr : static_cast<std::byte*>(at);
}

std::atomic<int> regions_of_streams{0};

[[noreturn]] void throw_no_such_bytes() { throw bad_encoding("a result refers to bytes that no worker wrote"); }

}  // namespace

mapped_region::mapped_region(int file, std::uint64_t begin, std::size_t size, std::shared_ptr<live_buffers> live)
    : data_(map_file(file, begin, size, MAP_PRIVATE | MAP_NORESERVE)),
      alias_(data_ == nullptr ? nullptr : map_file(file, begin, size, MAP_SHARED)),
      size_(size),
      begin_(begin),
      live_(std::move(live)) {
  if (alias_ != nullptr && ::madvise(alias_, size_, MADV_DONTFORK) == 0 &&
      ::madvise(alias_, size_, MADV_DONTDUMP) == 0) {
    if (live_ == nullptr) return;
    regions_of_streams.fetch_add(1);
    const std::scoped_lock lock(live_->mutex);
    live_->sizes.emplace(begin_, size_);
    return;
  }
  if (alias_ != nullptr) ::munmap(alias_, size_);
  if (data_ != nullptr) ::munmap(data_, size_);
  throw std::bad_alloc();
}

mapped_region::~mapped_region() {
  if (live_ != nullptr) {
    regions_of_streams.fetch_sub(1);
    const std::scoped_lock lock(live_->mutex);
    if (is_released_) live_->sizes.erase(begin_);  // else another process may read it, also when the stream has ended
  }
  if (generation_ == detail::fork_generation()) ::munmap(alias_, size_);  // a forked process has not inherited it
  ::munmap(data_, size_);
}

void mapped_region::discard(std::size_t at, std::size_t size) {
  ::madvise(data_ + at, round_up_to_page(size), MADV_DONTNEED);  // private copies of pages that were written to
  {
    const std::scoped_lock lock(mutex_);
    discarded_.emplace_back(at, round_up_to_page(size));
  }
  settle();
}

bool mapped_region::settle() noexcept {
  const std::scoped_lock lock(mutex_);
  return fork_counter::unless_inherited(forks_, since_, [this] {
           for (const auto& [at, size] : discarded_) ::madvise(alias_ + at, size, MADV_REMOVE);
           discarded_.clear();
           is_released_ = true;
         }) == fork_counter::answer::later;
}

namespace {

// Regions of streams that cannot be released yet, as workers of another map may read what they inherited.
class waiting_regions {
 public:
  static void settle(std::shared_ptr<mapped_region> also) {
    std::vector<std::shared_ptr<mapped_region>> all;
    {
      const std::scoped_lock lock(mutex_);
      all.swap(all_);
    }
    if (also != nullptr) all.push_back(std::move(also));
    std::erase_if(all, [](const auto& each) { return !each->settle(); });
    if (all.empty()) return;
    const std::scoped_lock lock(mutex_);
    all_.insert(all_.end(), std::make_move_iterator(all.begin()), std::make_move_iterator(all.end()));
  }

 private:
  static inline std::mutex mutex_;
  static inline std::vector<std::shared_ptr<mapped_region>> all_;
};

}  // namespace

void give_back(slice&& bytes) {
  bytes.region->discard(bytes.at, bytes.size);
  if (bytes.region->is_of_stream()) waiting_regions::settle(std::move(bytes.region));
}

large_buffer_file::large_buffer_file(owner of)
    : large_buffer_file(of == owner::nobody ? -1 : ::memfd_create("parmap results", MFD_CLOEXEC | MFD_ALLOW_SEALING),
                        0) {
  if (of == owner::map) running_.emplace();
  if (of == owner::stream) live_ = std::make_shared<live_buffers>();
  // The seal keeps a task from truncating what is mapped here.
  if (file_ >= 0 && ::fcntl(file_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_SEAL) != 0) ::close(std::exchange(file_, -1));
}

large_buffer_file::large_buffer_file(int file, std::uint64_t worker) noexcept : file_(file), worker_(worker) {
  struct stat now{};
  if (file_ < 0 || ::fstat(file_, &now) != 0) return;  // then is_open() is always false
  device_ = now.st_dev;
  inode_ = now.st_ino;
}

large_buffer_file::~large_buffer_file() {
  if (file_ < 0) return;
  std::uint64_t end_of_last = 0;
  for (const auto& [begin, it] : regions_) {
    if (it.mapped == nullptr) continue;
    for (const auto& [at, size] : it.slices) {
      punch(end_of_last, begin + at);
      end_of_last = begin + at + round_up_to_page(size);
    }
  }
  if (live_ != nullptr) {
    const std::scoped_lock lock(live_->mutex);
    for (const auto& [begin, size] : live_->sizes) {
      punch(end_of_last, begin);
      end_of_last = begin + size;
    }
  }
  punch(end_of_last, most_workers * region_size);
  ::close(file_);
  running_.reset();
  for (const auto& [begin, it] : regions_)
    if (it.mapped != nullptr) it.mapped->settle();
}

std::optional<large_buffer_file::place> large_buffer_file::append(const void* from, std::size_t size) noexcept {
  if (size < smallest || worker_ >= most_workers || size > region_size - used_ || !is_open()) return std::nullopt;
  const std::uint64_t offset = worker_ * region_size + used_;
  // A write past this limit raises a signal and not only an error.
  rlimit longest{};
  if (::getrlimit(RLIMIT_FSIZE, &longest) != 0 || offset + size > longest.rlim_cur) return std::nullopt;
  for (std::size_t done = 0; done < size;) {
    const ssize_t count =
        ::pwrite(file_, static_cast<const std::byte*>(from) + done, size - done, static_cast<off_t>(offset + done));
    if (count > 0) done += static_cast<std::size_t>(count);
    else if (errno != EINTR) return std::nullopt;
  }
  used_ += round_up_to_page(size);
  return place{offset, size};
}

// Each buffer has a mapping of its own, so that its memory can be given back while workers write others.
std::optional<slice> large_buffer_file::map_of_stream(const place& where) {
  // Mappings of a process are limited (vm.max_map_count, usually 65530), and each buffer has two.
  constexpr int most = 10'000;
  struct stat now{};
  const std::size_t size = round_up_to_page(where.size);
  if (file_ < 0 || where.offset % page_size() != 0 || where.size < smallest || ::fstat(file_, &now) != 0 ||
      where.offset >= static_cast<std::uint64_t>(now.st_size) ||
      where.size > static_cast<std::uint64_t>(now.st_size) - where.offset)
    throw_no_such_bytes();
  mapped_ += where.size;
  if (regions_of_streams.load() >= most) return std::nullopt;
  try {
    return slice{std::make_shared<mapped_region>(file_, where.offset, size, live_), 0, where.size};
  } catch (const std::bad_alloc&) {
    return std::nullopt;
  }
}

std::optional<slice> large_buffer_file::map(const place& where) {
  if (live_ != nullptr) return map_of_stream(where);
  const std::uint64_t begin = where.offset / region_size * region_size;
  const std::uint64_t at = where.offset - begin;
  if (file_ < 0 || at % page_size() != 0 || where.size < smallest) throw_no_such_bytes();
  auto found = regions_.find(begin);
  if (found == regions_.end()) {
    region made{nullptr, {}, static_cast<std::size_t>(end_of_data(begin) - begin)};
    try {
      made.mapped = std::make_shared<mapped_region>(file_, begin, made.size);
    } catch (const std::bad_alloc&) {  // no address space is left (RLIMIT_AS): the buffers will be copied
    }
    found = regions_.emplace(begin, std::move(made)).first;
  }
  region& it = found->second;
  if (at > it.size || where.size > it.size - at) throw_no_such_bytes();
  const auto next = it.slices.lower_bound(at);
  if ((next != it.slices.end() && next->first - at < where.size) ||
      (next != it.slices.begin() && at - std::prev(next)->first < std::prev(next)->second))
    throw_no_such_bytes();  // the bytes belong to another buffer
  it.slices.emplace_hint(next, at, where.size);
  if (it.mapped == nullptr) return std::nullopt;
  return slice{it.mapped, at, where.size};
}

bool large_buffer_file::read(const place& where, void* into) const noexcept {
  for (std::size_t done = 0; done < where.size;) {
    const ssize_t count = ::pread(file_, static_cast<std::byte*>(into) + done, where.size - done,
                                  static_cast<off_t>(where.offset + done));
    if (count > 0) done += static_cast<std::size_t>(count);
    else if (count == 0 || errno != EINTR) return false;
  }
  if (live_ != nullptr) punch(where.offset, where.offset + round_up_to_page(where.size));
  return true;
}

// A task may have closed every descriptor and then opened its own file under that number.
bool large_buffer_file::is_open() const noexcept {
  struct stat now{};
  return file_ >= 0 && ::fstat(file_, &now) == 0 && now.st_dev == device_ && now.st_ino == inode_;
}

void large_buffer_file::punch(std::uint64_t begin, std::uint64_t end) const noexcept {
  if (begin < end)
    ::fallocate(file_, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, static_cast<off_t>(begin),
                static_cast<off_t>(end - begin));
}

std::uint64_t large_buffer_file::end_of_data(std::uint64_t begin) const {
  if (begin >= most_workers * region_size) throw_no_such_bytes();
  const off_t end = ::lseek(file_, static_cast<off_t>(begin), SEEK_HOLE);
  if (end <= static_cast<off_t>(begin)) throw_no_such_bytes();
  return round_up_to_page(static_cast<std::uint64_t>(end));
}

}  // namespace parmap::python
