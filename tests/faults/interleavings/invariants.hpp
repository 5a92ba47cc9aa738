// SPDX-License-Identifier: MIT
// What must hold: after each step, which words the process may have written; in each state, the invariants of
// detail/processes/PROTOCOL.md; and at the end, a complete account of all tasks.
#pragma once

#include "stream_model.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace interleavings {

inline words look_at(any_map& map) {
  words seen = look(map.book());
  if (now_planned.window != 0) map.look_at_stream(seen);
  return seen;
}

// The table "Recovery" of detail/processes/PROTOCOL.md, for a worker that died with these words.
struct recovery {
  unsigned finished;
  unsigned blamed;  // or none
  interval rest;
  unsigned attempts;
  unsigned postponed;  // or none
};
inline recovery page_says(any_map& map, unsigned w, const words::of_worker& dead) {
  const interval open = unpack(dead.claim);
  const auto [task, attempts, is_running] = unpack_position(dead.cur);
  const unsigned done = task - open.b;
  if (!is_running) return {done, none, {task, open.e}, attempts, none};
  if (map.is_published(w, task, attempts)) return {done + 1, none, {task + 1, open.e}, 0, none};
  if (attempts <= now_planned.retries && now_planned.postpones != 0) return {done, none, {task + 1, open.e}, 0, task};
  if (attempts <= now_planned.retries) return {done, none, {task, open.e}, attempts, none};
  return {done, task, {task + 1, open.e}, 0, none};
}

// A step of process p from `before` to `after`. `holder` had the lock before the step.
class check_step {
 public:
  check_step(any_map& map, unsigned p, unsigned holder, const words& before, const words& after)
      : map_(map),
        p_(p),
        holder_(holder),
        before_(before),
        after_(after) {
    require(before.halt <= after.halt, "halt is taken back");
    for (unsigned j = 0; j < left_overs(); ++j) {
      under_lock(before.left[j], after.left[j]);
      under_lock(before.left_attempts[j], after.left_attempts[j]);
      require(after.left[j] == 0 || after.left[j] == before.left[j] || p == supervisor, "a worker hands back");
      if (j >= now_planned.workers && after.left[j] != 0 && after.left[j] != before.left[j])
        put(unpack(after.left[j]), after.left_attempts[j]);
    }
    for (unsigned w = 0; w < now_planned.workers; ++w) {
      writers(w);
      if (p == w) by_worker(w, before.of[w], after.of[w]);
      else by_supervisor(w, before.of[w], after.of[w]);
    }
    under_lock(before.range, after.range);
  }

 private:
  static void put(interval one, std::uint64_t attempts) noexcept {
    require(one.size() == 1 && (now.pending >> one.b & 1) != 0, "what is put was not postponed");
    require(attempts == now.begun[one.b], "a postponed task forgets attempts");
    now.pending &= ~(1U << one.b);
  }

  // A step may end with the lock just taken, or begin with the lock and release it.
  void under_lock(std::uint64_t was, std::uint64_t is) const noexcept {
    require(was == is || holder_ == p_ || now.owner == p_, "a word of the lock is written without it");
  }
  void writers(unsigned w) const noexcept {
    const auto &was = before_.of[w], &is = after_.of[w];
    if (was == is || p_ == w) return;
    require(p_ == supervisor && !fibers[w].head.alive, "another writes a living worker's words");
    require(was.top == is.top && was.head == is.head && was.base == is.base && was.farewell >= is.farewell &&
                was.tail == is.tail,
            "the supervisor writes what is the worker's");
    under_lock(was.claim, is.claim);
    under_lock(was.cur, is.cur);
    under_lock(was.finished, is.finished);
  }

  void by_worker(unsigned w, const words::of_worker& was, const words::of_worker& is) const {
    const position at = unpack_position(was.cur);
    const position next = unpack_position(is.cur);
    const interval open = unpack(was.claim);
    if (is.claim != was.claim && is.claim != 0) {
      under_lock(was.claim, is.claim);
      require(open.empty(), "a claim replaces another");
      require(next.attempts == now.begun[next.task], "a claim forgets attempts");
    }
    if (is.head != was.head) {
      require(map_.arenas().newest_is(w, at.task, at.attempts) && at.running && now.inside[w] == at.task,
              "a failure is published that did not happen");
      const bool last = at.attempts > now_planned.retries;
      require(last || now_planned.postpones != 0, "a failure is published though a retry is left");
      over(last ? now.failed : now.pending, at.task);
      now.records += last ? 0 : 1;
      sighted |= last ? published : postponed;
    }
    if (is.tail != was.tail) {
      require(is.tail == was.tail + 1 && at.running && now.inside[w] == at.task && map_.has_sent(w, at.task),
              "an outcome is published that is not the task's");
      require(map_.right(w, at.task), "an outcome is not what the task returned");
      over(now.done, at.task);
    }
    if (is.cur == was.cur || open.empty()) return;
    if (next.task == at.task && next.attempts == at.attempts && at.running) return;  // attempt given back
    if (next.running) {
      require(next.task == at.task && next.attempts == at.attempts + 1, "cur does not go on by one attempt");
      return;
    }
    require(at.running && next.task == at.task + 1 && next.attempts == 0, "cur does not go on by one task");
    require(now.inside[w] == at.task, "cur calls a task finished that has not run");
    now.inside[w] = none;
    if (map_.arenas().newest_is(w, at.task, at.attempts)) return;
    if (now_planned.window != 0) {
      require((now.done >> at.task & 1) != 0, "cur calls a task finished, its outcome is not published");
      return;
    }
    require(map_.right(w, at.task), "cur calls a task finished, its slot is not written");
    over(now.done, at.task);
  }

  void by_supervisor(unsigned w, const words::of_worker& was, const words::of_worker& is) const {
    if (p_ != supervisor || was.claim == is.claim) return;
    require(is.claim == 0 && now.recovering == w, "the supervisor claims");
    const recovery page = page_says(map_, w, was);
    if ((was.cur & 1) != 0 && map_.has_sent(w, unpack_position(was.cur).task)) sighted |= sent_and_died;
    require(is.finished == is.base + page.finished, "recovery does not count what is finished");
    if (!page.rest.empty()) {
      bool found = false;
      for (unsigned j = 0; j < now_planned.workers; ++j)
        found |= after_.left[j] == pack(page.rest) && after_.left_attempts[j] == page.attempts;
      require(found, "recovery does not hand back the rest");
      require(page.attempts == now.begun[page.rest.b], "recovery forgets attempts");
      sighted |= handed_back;
    }
    if (page.blamed != none) {
      require(now.inside[w] == page.blamed, "a task is blamed, its worker did not die in it");
      now.to_blame = page.blamed;
      now.to_blame_after = now.begun[page.blamed];
      over(now.blamed, page.blamed);
      sighted |= blame;
    }
    if (page.postponed != none) {
      require(now.inside[w] == page.postponed, "a task is postponed, its worker did not die in it");
      now.to_blame = page.postponed;
      now.to_blame_after = now.begun[page.postponed];
      over(now.pending, page.postponed);
      sighted |= postponed;
    }
    now.inside[w] = none;
  }

  static void over(unsigned& how, unsigned task) noexcept {
    require(((now.done | now.failed | now.blamed | now.pending) >> task & 1) == 0, "a task is over twice");
    how |= 1U << task;
  }

  any_map& map_;
  unsigned p_;
  unsigned holder_;
  const words& before_;
  const words& after_;
};

// Those of a stream. Returns false once what is left has been drained.
inline bool check_stream(any_map& map, const words& seen) {
  bool twice = false;
  const unsigned unread = map.unread(twice);
  require(!twice && (unread & now.arrived) == 0, "6: a task has two outcomes");
  require(((unread | now.arrived) & ~(now.done | now.failed | now.blamed | now.stopped)) == 0,
          "an outcome of a task that has not ended");
  if (now.drained != 0) return false;
  unsigned claimed = unpack(seen.range).b;
  for (unsigned w = 0; w < now_planned.workers; ++w) claimed = std::max(claimed, unpack(seen.of[w].claim).e);
  const auto given =
      static_cast<unsigned>(now_planned.ordered != 0 ? std::countr_one(now.arrived) : std::popcount(now.arrived));
  require(claimed <= given + now_planned.window, "6: more is claimed than the window permits");
  return true;
}

// Checks the invariants on the words of one state.
inline void check_state(any_map& map, const words& seen) {
  const unsigned everything = (1U << now_planned.tasks) - 1;
  const unsigned over = now.done | now.failed | now.blamed | now.pending;
  unsigned claimed = 0, sources = set_of(unpack(seen.range)), counted = 0, open_claims = 0, lefts = 0;
  for (unsigned j = 0; j < left_overs(); ++j) {
    const unsigned left = set_of(unpack(seen.left[j]));
    require((sources & left) == 0, "1: an index is in two sources");
    sources |= left;
    lefts += left != 0 && j < now_planned.workers ? 1 : 0;
  }
  for (unsigned w = 0; w < now_planned.workers; ++w) {
    require(map.arena_suffices(w), "the test's arenas are too small");
    const auto& one = seen.of[w];
    const interval open = unpack(one.claim);
    if (open.empty()) {
      counted += static_cast<unsigned>(one.finished);
      continue;
    }
    position at = unpack_position(one.cur);
    require(open.b <= at.task && at.task <= open.e && open.e <= now_planned.tasks && (!at.running || at.task < open.e),
            "claim and cur disagree");
    if (bad != nullptr) return;
    if (at.running && map.is_published(w, at.task, at.attempts)) ++at.task;
    const unsigned mine = set_of({at.task, open.e});
    require((claimed & mine) == 0, "1: an index is in two claims");
    claimed |= mine;
    counted += static_cast<unsigned>(one.base) + at.task - open.b;
    ++open_claims;
  }
  if (now_planned.window != 0 && !check_stream(map, seen)) return;
  require(((claimed | sources | over) & everything) == everything, "1: an index is nowhere");
  require(((claimed | sources) & over) == 0, "1: an index is over and yet to be run");
  require(counted == static_cast<unsigned>(std::popcount(now.done | now.failed)) + now.records,
          "4: finished and base do not count what is finished");

  const unsigned shared = claimed & sources;
  bool known = shared == 0;
  for (unsigned w = 0; w < now_planned.workers; ++w) {
    const unsigned claim = set_of(unpack(seen.of[w].claim));
    if (now.owner_died == w + 1) known |= claim == shared;
    else if (now.owner == w) known |= claim == shared;
    else if (now.owner == supervisor && now.recovering == w) known |= (claim & shared) == shared;
    lefts -= (set_of(unpack(seen.left[w])) & shared) != 0 ? 1 : 0;
  }
  require(known, "1: in a claim and in its source, and nobody knows");
  require(lefts + open_claims <= now_planned.workers, "2: more left-overs and open claims than workers");
}

// The caller must have every outcome; of a halted endless stream those of all that was claimed, and of all before.
inline void check_end_of_stream(any_map& map) {
  require(now.read != 0, "stuck: the caller waits");
  const unsigned everything = (1U << now_planned.tasks) - 1;
  const unsigned ended = now.done | now.failed | now.blamed;
  if (now_planned.endless != 0 && map.book().halted()) {
    require((now.arrived & (now.arrived + 1)) == 0 && (ended & ~now.arrived) == 0,
            "an outcome of a halted stream is missing");
  } else {
    require(now.arrived == everything, "an outcome is missing");
  }
  require((now.stopped & ended) == 0, "a task is stopped and has ended");
  require(now.stopped == 0 || map.book().halted(), "stopped, though nobody halted");
  if (now.stopped != 0) sighted |= unclaimed;
  require(map.book().finished() + static_cast<unsigned>(std::popcount(now.blamed)) ==
              static_cast<unsigned>(std::popcount(ended)),
          "4: the sum is not n");
}

// Checks a state from which no step is possible: the map must have ended and account for every task, as multi_run does.
inline void check_end(any_map& map) {
  require(now.over != 0, "stuck: nobody can go on");
  if (now.thrown != 0) require((now.done | now.failed | now.blamed) == 0, "what is done is thrown away");
  if (bad != nullptr || now.thrown != 0) return;
  for (unsigned w = 0; w < now_planned.workers; ++w)
    require(!fibers[w].head.alive && (now.employed >> w & 1) == 0, "a worker is left behind");
  if (now_planned.window != 0) return check_end_of_stream(map);
  claim_ledger& book = map.book();
  const bool halted = book.halted();
  const truth kept = now;  // drain() takes the lock
  unsigned rest = 0;
  for (const auto& [all, attempts] : book.drain()) {
    rest |= set_of(all);
    for (unsigned i = all.b; i < all.e; ++i)
      require(now.begun[i] == (i == all.b ? attempts : 0), "what is unclaimed tells wrong attempts");
  }
  now = kept;
  if (rest != 0) sighted |= unclaimed;
  require(rest == 0 || halted, "unclaimed at the end, though nobody halted");
  require(now.pending == 0 || halted, "postponed at the end, though nobody halted");
  require(now.pending == now.list, "the supervisor has postponed others");
  std::vector<std::pair<parmap::failure, std::uint64_t>> failures;
  for (unsigned w = 0; w < now_planned.workers; ++w)
    map.arenas().for_each_failure(w, [&](parmap::failure&& why) {
      if (now_planned.postpones == 0 || why.attempts > now_planned.retries) failures.emplace_back(std::move(why), 1);
    });
  unsigned failed = 0;
  for (const auto& [why, count] : failures) {
    require((failed >> why.index & 1) == 0, "a task failed twice");
    failed |= 1U << why.index;
    const bool worn = now_planned.worn != 0;
    require(why.kind == (worn ? parmap::failure_kind::out_of_memory : parmap::failure_kind::threw) &&
                why.message.starts_with(worn ? "std::bad_alloc: " : "int: " + std::to_string(why.index)) &&
                why.attempts == now.begun[why.index] && why.attempts == now_planned.retries + 1,
            "a failure is not as it was published");
  }
  const auto size = [](unsigned tasks) { return static_cast<unsigned>(std::popcount(tasks)); };
  require(failed == now.failed, "the failures published are not those that happened");
  require(book.failures() <= size(failed | now.blamed), "more failures are counted than there are");
  require(book.finished() - now.records + size(now.blamed) + size(now.pending) + size(rest) == now_planned.tasks,
          "4: the sum is not n");
  for (unsigned i = 0; i < now_planned.tasks; ++i) {
    const bool is_done = ((failed | now.blamed | now.pending | rest) >> i & 1) == 0;
    require(is_done == ((now.done >> i & 1) != 0), "a task is not in exactly one place");
    require(!is_done || map.right(0, i), "a result is not what the task returned");
  }
}

}  // namespace interleavings
