// SPDX-License-Identifier: MIT
// Depth-first search over every state that a small map can reach, in every order of its steps and with a death at each
// step.
#pragma once

#include "invariants.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <memory>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace interleavings {

// A hash of a state, 128 bits. The lowest bit tells whether the state is on the current path.
struct fingerprint {
  std::uint64_t low{};
  std::uint64_t high{};
  friend bool operator==(const fingerprint&, const fingerprint&) = default;

  void add(std::uint64_t word) noexcept {
    low = std::rotl((low ^ word) * 0x9e37'79b9'7f4a'7c15, 29);
    high = std::rotl((high + word) * 0xc2b2'ae3d'27d4'eb4f, 31) ^ word;
  }
  void add(const void* from, std::size_t size) noexcept {
    const auto* at = static_cast<const std::byte*>(from);
    for (std::uint64_t word = 0; size >= sizeof word; size -= sizeof word, at += sizeof word) {
      std::memcpy(&word, at, sizeof word);
      add(word);
    }
    if (size > 0) {
      std::uint64_t word = 0;
      std::memcpy(&word, at, size);
      add(word);
    }
  }
  void mix() noexcept {
    for (auto* half : {&low, &high}) {
      *half ^= *half >> 32;
      *half *= 0xd6e8'feb8'6659'fd93;
      *half ^= *half >> 29;
    }
  }
};

// A hash table of the states met so far.
class visited {
 public:
  enum class met { fresh, before, on_path };

  met enter(fingerprint key) {
    if (++size_ * 5 > table_.size() * 3) grow();
    fingerprint& at = find(key);
    if (at.low != 0) {
      --size_;
      return (at.low & 1) != 0 ? met::on_path : met::before;
    }
    at = key;
    at.low |= 1;
    return met::fresh;
  }
  void leave_path(fingerprint key) noexcept { find(key).low &= ~std::uint64_t{1}; }
  [[nodiscard]] std::uint64_t size() const noexcept { return size_; }

 private:
  // Keys have the lowest bit cleared and are never 0.
  fingerprint& find(fingerprint key) noexcept {
    for (std::size_t k = key.high;; ++k) {
      fingerprint& at = table_[k & (table_.size() - 1)];
      if (at.low == 0 || ((at.low & ~std::uint64_t{1}) == key.low && at.high == key.high)) return at;
    }
  }
  void grow() {
    std::vector<fingerprint> old(table_.size() * 2);
    old.swap(table_);
    for (const fingerprint& each : old)
      if (each.low != 0) find({each.low & ~std::uint64_t{1}, each.high}) = each;
  }

  std::vector<fingerprint> table_ = std::vector<fingerprint>(1 << 16);
  std::uint64_t size_{};
};

// There are no processes here, so none leaves by the handlers of this one.
struct no_exit_handlers final : language_runtime {
  [[nodiscard]] bool runs_exit_handlers() const noexcept override { return false; }
};

class search {
 public:
  struct outcome {
    std::uint64_t states{}, transitions{}, ends{};
    unsigned sighted{};
    std::string bad{};  // the violation and the steps that lead to it
  };

  explicit search(const plan& chosen) {
    now_planned = chosen;
    bad = nullptr;
    sighted = 0;
    now = {};
    now.owner = now.recovering = nobody;
    now.deaths = chosen.deaths;
    now.refusals = chosen.refusals;
    now.halt_left = chosen.halt;
    now.looks_left = chosen.looks;
    now.to_blame = none;
    now.inside.fill(none);
    if (chosen.window != 0 && chosen.encoded != 0) map_ = std::make_unique<stream_of<std::string>>(chosen);
    else if (chosen.window != 0) map_ = std::make_unique<stream_of<std::uint64_t>>(chosen);
    else if (chosen.encoded != 0) map_ = std::make_unique<map_of<std::string>>(chosen);
    else map_ = std::make_unique<map_of<std::uint64_t>>(chosen);
    shared_ = map_->shared();
    worker_identity::pid = ::getpid();
    static no_exit_handlers runtime;
    language_runtime::install(runtime);
    the_map_ = map_.get();
    for (unsigned p = 0; p < processes; ++p) end(p);
  }

  outcome run() {
    start(supervisor, [] {
      try {
        the_map_->supervise();
        the_map_->finish();
      } catch (const std::exception&) {
        require(false, "the supervisor takes the words for damaged");
      }
      now.over = 1;
      give_way("end");
    });
    go_on(supervisor);
    if (now_planned.window != 0) {
      start(caller, [] {
        the_map_->read();
        now.read = 1;
        give_way("end");
      });
      go_on(caller);
    }
    (void)arrived();
    while (!path_.empty() && bad == nullptr) {
      if (path_.back().next == path_.back().choices.size()) {
        leave();
        continue;
      }
      restore(path_.back());
      node& here = path_.back();
      const choice taken = here.choices[here.next++];
      const unsigned holder = now.owner;
      act(taken);
      ++result_.transitions;
      const words after = look_at(*map_);
      if (taken.what == choice::step) check_step(*map_, taken.p, holder, here.seen, after);
      if (bad != nullptr || !arrived()) break;
    }
    if (bad != nullptr) result_.bad = trace();
    result_.states = states_.size();
    result_.sighted = sighted;
    return std::move(result_);
  }

 private:
  struct choice {
    enum kind : unsigned char { step, death, halt } what;
    unsigned p;
    unsigned answer;
  };
  struct copy {
    std::size_t at{};
    std::size_t size{};
    fingerprint print{};
  };
  struct node {
    fingerprint key;
    std::size_t mark;  // where its copies begin in copies_
    copy shared;
    std::array<copy, processes> fiber;
    words seen;
    std::array<const char*, processes> at;
    std::vector<choice> choices;
    std::size_t next;
  };

  void go_on(unsigned p) {
    if (p < supervisor) worker_identity::words = &map_->book().of(p);
    resume(p);
    if (std::strcmp(fibers[p].head.at, "end") == 0) end(p);
    touched_[p] = true;
  }

  void act(const choice& taken) {
    const unsigned p = taken.p;
    if (taken.what == choice::halt) {
      map_->book().halt(halt_reason::stop_requested);
      now.news = now_planned.postpones + now_planned.window != 0 ? 1 : 0;
      now.halt_left = 0;
    } else if (taken.what == choice::death) {
      end(p);
      touched_[p] = true;
      now.heard &= ~(1U << p);
      now.asleep[p] = 0;
      --now.deaths;
      if (now.owner == p) {
        now.owner = nobody;
        now.owner_died = p + 1;
      }
    } else {
      answer = taken.answer;
      if (std::strcmp(fibers[p].head.at, "fork") == 0) {
        if (answer != 0) {
          --now.refusals;
        } else {
          start(now.hiring, [] { the_map_->work(running); });
          go_on(now.hiring);
        }
      }
      answer = taken.answer;
      go_on(p);
      answer = 0;
    }
  }

  // Whether no other living process can tell, nor hinder, what p does next: then nothing else has to be tried before p
  // goes on or dies. For streams only, which have more steps than maps.
  [[nodiscard]] static bool is_its_own_affair(unsigned p) {
    const fiber_head& head = fibers[p].head;
    if (!head.alive || p == caller || now_planned.window == 0) return false;
    const auto is_at = [&head](const auto*... names) { return (... || (std::strcmp(head.at, names) == 0)); };
    if (now.owner == p && is_at("range", "left_over", "left_attempts", "claim", "cur", "base", "finished")) return true;
    if (is_at("unlock")) return true;  // before it nobody can take the lock
    if (is_at("waiting")) return now_planned.room == 0;
    if (p == supervisor) return is_at("farewell", "go", "cell", "fork");
    return is_at("cur", "base", "finished", "top", "cell", "body", "farewell");
  }
  [[nodiscard]] std::vector<choice> choices() const {
    std::vector<choice> all;
    unsigned only = nobody;
    for (unsigned p = 0; p < processes && only == nobody; ++p)
      if (is_its_own_affair(p)) only = p;
    unsigned dead = 0;
    for (unsigned w = 0; w < now_planned.workers; ++w) dead |= fibers[w].head.alive ? 0 : 1U << w;
    for (unsigned p = 0; p < processes; ++p) {
      const fiber_head& head = fibers[p].head;
      if (!head.alive || (only != nobody && p != only)) continue;
      const auto stands_before = [&head](const char* name) { return std::strcmp(head.at, name) == 0; };
      const bool waits = (stands_before("lock") && (now.owner != nobody || (now.owner_died != 0 && p != supervisor))) ||
                         (stands_before("poll") && (dead & now.employed) == 0 && now.looks_left == 0 && now.news == 0 &&
                          (now.list == 0 || now.no_place != 0 || map_->book().halted())) ||
                         (stands_before("sleep") && now.event == 0 && now.over == 0) ||
                         (stands_before("wait") && (now.heard >> p & 1) != 0);
      if (!waits) all.push_back({choice::step, p, 0});
      if ((stands_before("fork") && now.refusals > 0) || (stands_before("due") && now.timer == 0) ||
          (stands_before("body") && (now_planned.throwing >> now.inside[p] & 1) != 0))
        all.push_back({choice::step, p, 1});
      if (p < supervisor && now.deaths > 0) all.push_back({choice::death, p, 0});
    }
    if (only == nobody && now.halt_left != 0 && fibers[supervisor].head.alive) all.push_back({choice::halt, nobody, 0});
    return all;
  }

  // Checks the state that has been reached. A new state joins the path. Returns false after a violation, for example if
  // the state is already on the path.
  bool arrived() {
    node fresh{};
    fresh.seen = look_at(*map_);
    check_state(*map_, fresh.seen);
    if (bad != nullptr) return false;
    fingerprint whole{};
    for (const auto& [at, size] : shared_) whole.add(at, size);
    fresh.mark = copies_.size();
    for (unsigned p = 0; p < processes; ++p) {
      fresh.at[p] = fibers[p].head.alive ? fibers[p].head.at : nullptr;
      if (!path_.empty() && !touched_[p]) {
        fresh.fiber[p] = path_.back().fiber[p];
      } else {
        copy& mine = fresh.fiber[p];
        mine.size = static_cast<std::size_t>(fibers[p].end() - fibers[p].head.sp);
        mine.print.add(mine.size);
        mine.print.add(fibers[p].head.sp, mine.size);
      }
      whole.add(fresh.fiber[p].print.low);
      whole.add(fresh.fiber[p].print.high);
    }
    whole.mix();
    whole.low = (whole.low | 2) & ~std::uint64_t{1};
    fresh.key = whole;
    const auto met = states_.enter(whole);
    if (met == visited::met::on_path) bad = "steps go round in a circle";
    if (met != visited::met::fresh) return bad == nullptr;

    fresh.shared.at = copies_.size();
    for (const auto& [at, size] : shared_) keep(at, size);
    for (unsigned p = 0; p < processes; ++p) {
      if (!path_.empty() && !touched_[p]) continue;
      fresh.fiber[p].at = copies_.size();
      keep(fibers[p].head.sp, fresh.fiber[p].size);
      touched_[p] = false;
    }
    fresh.choices = choices();
    const bool last = std::ranges::none_of(fresh.choices, [](const choice& each) { return each.what == choice::step; });
    path_.push_back(std::move(fresh));
    if (last) {
      ++result_.ends;
      check_end(*map_);
    }
    return bad == nullptr;
  }
  void keep(const void* from, std::size_t size) {
    const auto* bytes = static_cast<const std::byte*>(from);
    copies_.insert(copies_.end(), bytes, bytes + size);
  }

  void leave() {
    node& last = path_.back();
    states_.leave_path(last.key);
    copies_.resize(last.mark);
    const auto kept = last.fiber;
    path_.pop_back();
    if (path_.empty()) return;
    for (unsigned p = 0; p < processes; ++p)
      if (kept[p].at != path_.back().fiber[p].at) touched_[p] = true;
  }

  void restore(const node& to) {
    const std::byte* from = copies_.data() + to.shared.at;
    for (const auto& [at, size] : shared_) {
      std::memcpy(at, from, size);
      from += size;
    }
    for (unsigned p = 0; p < processes; ++p) {
      if (!touched_[p]) continue;
      std::memcpy(fibers[p].end() - to.fiber[p].size, copies_.data() + to.fiber[p].at, to.fiber[p].size);
      touched_[p] = false;
    }
  }

  [[nodiscard]] std::string trace() const {
    std::ostringstream out;
    out << "violation: " << bad << '\n';
    const auto name = [](unsigned p) {
      if (p >= supervisor) return std::string(p == caller ? "caller" : "supervisor");
      return "worker " + std::to_string(p);
    };
    for (std::size_t k = 0; k < path_.size(); ++k) {
      const node& here = path_[k];
      if (here.next == 0) continue;
      const choice& taken = here.choices[here.next - 1];
      if (taken.what == choice::halt) out << "halt";
      else if (taken.what == choice::death) out << name(taken.p) << " dies before " << here.at[taken.p];
      else out << name(taken.p) << ": " << here.at[taken.p] << (taken.answer != 0 ? ", in vain" : "");
      show_changes(out, here.seen, k + 1 < path_.size() ? path_[k + 1].seen : look_at(*map_));
      out << '\n';
    }
    return out.str();
  }
  static void show_changes(std::ostream& out, const words& was, const words& is) {
    const auto pair = [](std::uint64_t word) {
      return '(' + std::to_string(unpack(word).b) + ", " + std::to_string(unpack(word).e) + ')';
    };
    const auto place = [](std::uint64_t word) {
      const position at = unpack_position(word);
      return '(' + std::to_string(at.task) + ", " + std::to_string(at.attempts) + (at.running ? ", running)" : ")");
    };
    const auto plain = [](std::uint64_t word) { return std::to_string(word); };
    const auto show = [&out](const char* name, unsigned w, std::uint64_t old, std::uint64_t fresh, const auto& form) {
      if (old == fresh) return;
      out << " · " << name;
      if (w != nobody) out << '[' << w << ']';
      out << " = " << form(fresh);
    };
    show("range", nobody, was.range, is.range, pair);
    show("halt", nobody, was.halt, is.halt, plain);
    show("failures", nobody, was.failures, is.failures, plain);
    show("limit", nobody, was.limit, is.limit, plain);
    show("asleep", nobody, was.asleep, is.asleep, plain);
    show("state", nobody, was.state, is.state, plain);
    show("tail", supervisor, was.own_tail, is.own_tail, plain);
    for (unsigned w = 0; w < most_workers; ++w) {
      show("tail", w, was.of[w].tail, is.of[w].tail, plain);
      show("taken", w, was.taken[w], is.taken[w], plain);
      show("told", w, was.told[w], is.told[w], plain);
      show("left_over", w, was.left[w], is.left[w], pair);
      show("left_attempts", w, was.left_attempts[w], is.left_attempts[w], plain);
      show("claim", w, was.of[w].claim, is.of[w].claim, pair);
      show("cur", w, was.of[w].cur, is.of[w].cur, place);
      show("base", w, was.of[w].base, is.of[w].base, plain);
      show("finished", w, was.of[w].finished, is.of[w].finished, plain);
      show("top", w, was.of[w].top, is.of[w].top, plain);
      show("head", w, was.of[w].head, is.of[w].head, plain);
    }
  }

  static inline any_map* the_map_ = nullptr;

  std::unique_ptr<any_map> map_;
  std::vector<any_map::area> shared_;
  std::vector<node> path_;
  std::vector<std::byte> copies_;
  std::array<bool, processes> touched_{true, true, true, true,
                                       true};  // differs from its copy in the last node of the path
  visited states_;
  outcome result_;
};

}  // namespace interleavings
