// SPDX-License-Identifier: MIT
// Many pages at once by libcurl's easy interface, each in a thread: SHA-256 of each, a page that fails costs itself.
//
//     download_threads [--workers N] [--output FILE] <URLS
#include "downloads.hpp"

#include <parmap/parmap.hpp>

#include <curl/curl.h>

#include <string>
#include <vector>

// The task. A thread cannot be killed, so libcurl asks now and then whether to go on.
std::string download(parmap::context& self, const std::string& url) {
  example::page page(url);
  page.set(CURLOPT_NOPROGRESS, 0L);
  page.set(CURLOPT_XFERINFODATA, &self);
  page.set(
      CURLOPT_XFERINFOFUNCTION, +[](void* task, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
        return static_cast<parmap::context*>(task)->stop_token().stop_requested() ? 1 : 0;
      });
  return page.digest(curl_easy_perform(page.handle()));
}

int main(int argc, char** argv) {
  return example::download_all(argc, argv, [](const std::vector<std::string>& urls, const parmap::options& chosen) {
    return parmap::map(parmap::threads, download, urls, chosen);
  });
}
