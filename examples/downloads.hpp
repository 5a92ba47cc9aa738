// SPDX-License-Identifier: MIT
// What download and download_threads have in common: one page by libcurl, the URLs, the report.
#pragma once

#include "arguments.hpp"
#include "sha256.hpp"

#include <parmap/parmap.hpp>

#include <curl/curl.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace example {

// One page that is being read: its digest grows as its bytes come in.
class page {
 public:
  explicit page(const std::string& url) {
    if (!handle_) throw std::runtime_error("libcurl has no handle");
    set(CURLOPT_URL, url.c_str());
    set(CURLOPT_NOSIGNAL, 1L);  // libcurl sets no handlers of its own: there are threads
    set(CURLOPT_FOLLOWLOCATION, 1L);
    set(CURLOPT_FAILONERROR, 1L);  // 404 is an error
    set(CURLOPT_NOPROXY, "127.0.0.1");
    set(CURLOPT_ERRORBUFFER, error_.get());
    set(CURLOPT_WRITEDATA, this);
    set(
        CURLOPT_WRITEFUNCTION, +[](char* bytes, std::size_t, std::size_t size, void* self) {
          static_cast<page*>(self)->hash_.add(bytes, size);
          return size;
        });
  }
  page(const page&) = delete;
  page& operator=(const page&) = delete;
  ~page() = default;

  [[nodiscard]] CURL* handle() const { return handle_.get(); }
  template <class Value>
  void set(CURLoption option, Value value) {
    if (curl_easy_setopt(handle(), option, value) != CURLE_OK) throw std::runtime_error("libcurl is too old");
  }
  // When the transfer has ended: its digest. Throws what went wrong.
  [[nodiscard]] std::string digest(CURLcode ended) {
    if (ended != CURLE_OK) throw std::runtime_error(error_[0] != '\0' ? error_.get() : curl_easy_strerror(ended));
    return hash_.digest();
  }

 private:
  std::unique_ptr<char[]> error_{std::make_unique<char[]>(CURL_ERROR_SIZE)};
  sha256 hash_;
  std::unique_ptr<CURL, void (*)(CURL*)> handle_{curl_easy_init(), curl_easy_cleanup};
};

// Reads URLs from the standard input, one a line, maps them to digests, and writes those as sha256sum does to
// --output. A page may take --patience seconds. Returns main's status.
template <class Map>
int download_all(int argc, char** argv, Map map) {
  return run(argc, argv, "[--workers N] [--patience N] [--output FILE] <URLS", [&](const arguments& chosen) {
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) throw std::runtime_error("libcurl does not start");
    std::vector<std::string> urls;
    for (std::string line; std::getline(std::cin, line);) urls.push_back(line);

    const auto start = std::chrono::steady_clock::now();
    const parmap::results<std::string> digests = map(urls, {.timeout = std::chrono::seconds(chosen.patience),
                                                            .workers = chosen.workers != 0 ? chosen.workers : 100});
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;

    std::ofstream lines(chosen.output);
    for (std::size_t i = 0; i < urls.size(); ++i)
      if (const std::string* digest = digests.get_if(i)) lines << *digest << "  " << urls[i] << '\n';
    if (!lines.flush()) throw std::runtime_error("cannot write " + chosen.output);

    std::cout << urls.size() - digests.failures().size() << " of " << urls.size() << " pages in " << std::fixed
              << std::setprecision(1) << seconds.count() << " s\n";
    for (const parmap::failure& why : digests.failures()) std::cout << urls[why.index] << ": " << why << '\n';
    curl_global_cleanup();
    return 0;
  });
}

}  // namespace example
