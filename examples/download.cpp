// SPDX-License-Identifier: MIT
// Many pages at once on one thread, by the engine async: libcurl's multi interface, driven by Asio. SHA-256 of each; a
// page that fails costs itself.
//
//     download [--workers N] [--output FILE] <URLS
#include "downloads.hpp"

#include <parmap/async.hpp>
#include <parmap/parmap.hpp>

#include <asio/awaitable.hpp>
#include <asio/error.hpp>
#include <asio/execution/context.hpp>
#include <asio/execution_context.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/query.hpp>
#include <asio/redirect_error.hpp>
#include <asio/steady_timer.hpp>
#include <asio/system_error.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>

#include <curl/curl.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <vector>

// One transfer, until it is destroyed: in the hands of libcurl, which says when it has ended.
struct transfer {
  CURL* handle;
  asio::steady_timer* ended;  // cancelled then
  std::optional<CURLcode> result{};
};

// All transfers of an io_context: libcurl says which sockets and times it waits for, and Asio waits for them. One for
// each context, made by the first who asks.
class transfers : public asio::execution_context::service {
 public:
  using key_type = transfers;
  static inline asio::execution_context::id id;

  explicit transfers(asio::execution_context& context)
      : service(context),
        executor_(static_cast<asio::io_context&>(context).get_executor()),
        timer_(executor_) {
    if (!multi_) throw std::runtime_error("libcurl has no multi handle");
    curl_multi_setopt(multi_.get(), CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_.get(), CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(
        multi_.get(), CURLMOPT_SOCKETFUNCTION, +[](CURL*, curl_socket_t socket, int wanted, void* self, void*) {
          static_cast<transfers*>(self)->wait_for_socket(socket, wanted);
          return 0;
        });
    curl_multi_setopt(
        multi_.get(), CURLMOPT_TIMERFUNCTION, +[](CURLM*, long milliseconds, void* self) {
          static_cast<transfers*>(self)->wait_for_time(milliseconds);
          return 0;
        });
  }

  void add(transfer& it) {
    curl_easy_setopt(it.handle, CURLOPT_PRIVATE, &it);
    if (curl_multi_add_handle(multi_.get(), it.handle) != CURLM_OK)
      throw std::runtime_error("libcurl cannot begin a download");
  }
  void remove(const transfer& it) { curl_multi_remove_handle(multi_.get(), it.handle); }

 private:
  struct watched {
    watched(const asio::io_context::executor_type& executor, curl_socket_t which) : socket(executor, which) {}
    watched(const watched&) = delete;
    watched& operator=(const watched&) = delete;
    ~watched() { let_go(); }
    // It is libcurl's, which may close it at once and get the same number again.
    void let_go() {
      if (socket.is_open()) socket.release();
    }

    asio::posix::stream_descriptor socket;
    int wanted{};
    bool waiting[2]{};
  };

  void shutdown() noexcept override {}  // tasks that were left behind still remove theirs

  void wait_for_socket(curl_socket_t which, int wanted) {
    if (wanted == CURL_POLL_REMOVE) {
      if (const auto it = sockets_.extract(which)) it.mapped()->let_go();
      return;
    }
    auto& it = sockets_[which];
    if (!it) it = std::make_shared<watched>(executor_, which);
    it->wanted = wanted;
    wait(it, CURL_POLL_IN);
    wait(it, CURL_POLL_OUT);
  }
  void wait(const std::shared_ptr<watched>& it, int direction) {
    const bool writes = direction == CURL_POLL_OUT;
    if ((it->wanted & direction) == 0 || it->waiting[writes]) return;
    it->waiting[writes] = true;
    it->socket.async_wait(writes ? asio::posix::descriptor_base::wait_write : asio::posix::descriptor_base::wait_read,
                          [this, direction, weak = std::weak_ptr(it)](const asio::error_code& error) {
                            const auto same = weak.lock();
                            if (!same || error == asio::error::operation_aborted) return;
                            same->waiting[direction == CURL_POLL_OUT] = false;
                            go_on(same->socket.native_handle(),
                                  direction == CURL_POLL_OUT ? CURL_CSELECT_OUT : CURL_CSELECT_IN);
                            if (same->socket.is_open()) wait(same, direction);
                          });
  }
  void wait_for_time(long milliseconds) {
    timer_.cancel();
    if (milliseconds < 0) return;
    timer_.expires_after(std::chrono::milliseconds(milliseconds));
    timer_.async_wait([this](const asio::error_code& error) {
      if (!error) go_on(CURL_SOCKET_TIMEOUT, 0);
    });
  }
  void go_on(curl_socket_t which, int events) {
    int running = 0;
    curl_multi_socket_action(multi_.get(), which, events, &running);
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      transfer* it = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &it);
      it->result = message->data.result;
      it->ended->cancel();
    }
  }

  asio::io_context::executor_type executor_;
  asio::steady_timer timer_;
  std::unordered_map<curl_socket_t, std::shared_ptr<watched>> sockets_;
  std::unique_ptr<CURLM, CURLMcode (*)(CURLM*)> multi_{curl_multi_init(), curl_multi_cleanup};
};

// The task.
asio::awaitable<std::string> download(const std::string& url) {
  const asio::any_io_executor executor = co_await asio::this_coro::executor;
  auto& all = asio::use_service<transfers>(asio::query(executor, asio::execution::context));
  example::page page(url);
  asio::steady_timer ended(executor, asio::steady_timer::time_point::max());
  transfer it{page.handle(), &ended};
  all.add(it);
  const auto gone = [&all](const transfer* mine) { all.remove(*mine); };
  const std::unique_ptr<const transfer, decltype(gone)> until_here(&it, gone);  // also when it is cancelled

  asio::error_code why;
  co_await ended.async_wait(asio::redirect_error(asio::use_awaitable, why));
  if (!it.result) throw asio::system_error(why);  // parmap has cancelled it
  co_return page.digest(*it.result);
}

int main(int argc, char** argv) {
  return example::download_all(argc, argv, [](const std::vector<std::string>& urls, const parmap::options& chosen) {
    return parmap::map(parmap::async, download, urls, chosen);
  });
}
