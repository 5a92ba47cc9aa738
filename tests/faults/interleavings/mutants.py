# SPDX-License-Identifier: MIT
"""Mutation test of the protocol's code: breaks it in many ways, each of which the search must find.

    python3 mutants.py INCLUDE_DIR COMPILER            all of them, some minutes on two cores; exit 1 if one survives; ./test --soak
    python3 mutants.py INCLUDE_DIR COMPILER --some     every sixth, for ./test
    python3 mutants.py INCLUDE_DIR COMPILER -k WORD    those with WORD in their name

Each mutant is a copy of the library's headers with one textual edit, which must apply. Its plan must pass without the edit.
"""
import concurrent.futures
import pathlib
import shutil
import subprocess
import sys
import tempfile
from typing import NamedTuple

HERE = pathlib.Path(__file__).resolve().parent
SECONDS = 100  # limit for one mutant, which normally takes a few; without an edit all plans run
STANDARD = "standard.hpp"


class Mutant(NamedTuple):
    name: str
    plan: str
    file: str
    old: str
    new: str


TWO = "tasks=3 workers=2 deaths=1"
POSTPONED = "tasks=1 workers=1 retries=1 throwing=1 postpones=1"
NARROW = "tasks=2 workers=1 window=1"
SENT = "tasks=2 workers=1 deaths=1 window=2"
ROOM = "tasks=3 workers=1 encoded=1 window=3 endless=1 room=1"
MUTANTS = (
    Mutant("claim before cur", TWO, "claim_ledger.hpp", """\
    mine.cur.set(pack(position{chunk.b, attempts, false}));
    mine.claim.set(pack(chunk));
""", """\
    mine.claim.set(pack(chunk));
    mine.cur.set(pack(position{chunk.b, attempts, false}));
"""),
    Mutant("claim before base", TWO, "claim_ledger.hpp", """\
    mine.base.set(mine.finished.get());
    mine.cur.set(pack(position{chunk.b, attempts, false}));
    mine.claim.set(pack(chunk));
""", """\
    mine.cur.set(pack(position{chunk.b, attempts, false}));
    mine.claim.set(pack(chunk));
    mine.base.set(mine.finished.get());
"""),
    Mutant("the range shrinks before the claim", TWO, "claim_ledger.hpp", """\
      announce(mine, chunk, 0);
      common_->range.set(pack(without(all, chunk)));
""", """\
      common_->range.set(pack(without(all, chunk)));
      announce(mine, chunk, 0);
"""),
    Mutant("a left_over is cleared before the claim", "tasks=2 workers=2 deaths=2", "claim_ledger.hpp", """\
      announce(mine, all, static_cast<unsigned>(left.attempts.get()));
      left.span.set(0);
""", """\
      const auto attempts = static_cast<unsigned>(left.attempts.get());
      left.span.set(0);
      announce(mine, all, attempts);
"""),
    Mutant("the range before left_overs", "tasks=5 workers=2 deaths=1", "claim_ledger.hpp", """\
      if (all.empty()) continue;
      announce(""", """\
      if (all.empty() || !unpack(common_->range.get()).empty()) continue;
      announce("""),
    Mutant("halt looked at after cur", "tasks=2 workers=1 halt=1", "worker_chunk.hpp", """\
    if (place_.halt.get() != 0) leave_halted_map();
""", """\
    place_.words.begin(at_, attempt_, place_.timed);
    if (place_.halt.get() != 0) leave_halted_map();
"""),
    Mutant("no repair", TWO, "claim_ledger.hpp", "book.repair(owner - 1);", "static_cast<void>(owner);"),
    Mutant("repair forgets left_overs", "tasks=2 workers=2 deaths=2", "claim_ledger.hpp", """\
    for (left_over_words& left : left_overs())
      if (unpack(left.span.get()) == claimed) left.span.set(0);
""", ""),
    Mutant("repair looks at the front only", TWO, "claim_ledger.hpp", " || (claimed.e == all.e && claimed.b >= all.b)", ""),
    Mutant("claim cleared before finished", TWO, "claim_ledger.hpp", """\
    mine.finished.set(mine.base.get() + unpack(mine.claim.get()).size());
    mine.claim.set(0);
""", """\
    const std::uint64_t all = mine.base.get() + unpack(mine.claim.get()).size();
    mine.claim.set(0);
    mine.finished.set(all);
"""),
    Mutant("finished added to finished, not to base", TWO, "claim_ledger.hpp", "mine.finished.set(mine.base.get() + unpack(",
           "mine.finished.set(mine.finished.get() + mine.base.get() + unpack("),
    Mutant("recovery adds to finished, not to base", TWO, "claim_ledger.hpp", "dead.finished.set(dead.base.get() +",
           "dead.finished.set(dead.finished.get() +"),
    Mutant("recovery blames who was not running", TWO, "claim_ledger.hpp", """\
    } else if (at.running) {
      what = {true, at.task, at.attempts, at.attempts > retries_};
""", """\
    } else {
      what = {true, at.task, at.attempts, !at.running || at.attempts > retries_};
"""),
    Mutant("recovery blames the task behind", TWO, "claim_ledger.hpp", "what = {true, at.task, at.attempts,",
           "what = {true, at.task + 1, at.attempts,"),
    Mutant("recovery blames though a retry is left", "tasks=2 workers=1 deaths=1 retries=1", "claim_ledger.hpp",
           "at.attempts > retries_};", "at.attempts >= retries_};"),
    Mutant("recovery ignores a published failure", "tasks=2 workers=1 deaths=1 throwing=1", "claim_ledger.hpp",
           "if (at.running && published(at.task, at.attempts)) {", "if (at.running && published(at.task, at.attempts) && false) {"),
    Mutant("recovery forgets attempts", "tasks=2 workers=1 deaths=2 retries=1", "claim_ledger.hpp", "hand_back(rest, gone ? 0 : at.attempts)",
           "hand_back(rest, 0)"),
    Mutant("recovery clears the claim before it hands back", TWO, "claim_ledger.hpp",
           "    if (!rest.empty()) hand_back(rest, gone ? 0 : at.attempts);\n    dead.claim.set(0);\n",
           "    dead.claim.set(0);\n    if (!rest.empty()) hand_back(rest, gone ? 0 : at.attempts);\n"),
    Mutant("recovery without the lock", TWO, "claim_ledger.hpp", "published) const {\n    const holder lock(*this);",
           "published) const {"),
    Mutant("a left_over goes to the first place, free or not", "tasks=4 workers=2 deaths=2", "claim_ledger.hpp",
           "const auto free = std::ranges::find_if(places, is_free);", "const auto free = places.begin();"),
    Mutant("drain forgets left_overs", "tasks=2 workers=1 deaths=1 halt=1", "claim_ledger.hpp", "for (left_over_words& left : left_overs()) take_all(",
           "for (left_over_words& left : left_overs().subspan(1)) take_all("),
    Mutant("left_overs are nothing unclaimed", TWO, "claim_ledger.hpp", "return !unpack(common_->range.get()).empty() || !std::ranges::all_of(left_overs(), is_free);",
           "return !unpack(common_->range.get()).empty();"),
    Mutant("what left_overs hold has ended", "tasks=3 workers=2 deaths=1 looks=1", "claim_ledger.hpp",
           "for (const left_over_words& left : left_overs()) add(", "for (const left_over_words& left : left_overs().subspan(2)) add("),
    Mutant("the task at hand has ended", "tasks=3 workers=1 looks=2", "claim_ledger.hpp",
           "add({at.task > open.b && at.task <= open.e ? at.task : open.b, open.e});", "add({at.task + 1, open.e});"),
    Mutant("what has ended, without the lock", "tasks=3 workers=2 deaths=1 looks=1", "claim_ledger.hpp",
           "interval not_ended() const {\n    const holder lock(*this);", "interval not_ended() const {"),
    Mutant("cur before the slot", TWO, "process_tasks.hpp", """\
      put(chunk, i, call);
      chunk.end_task();
""", """\
      chunk.end_task();
      put(chunk, i, call);
"""),
    Mutant("a body begins before cur says so", TWO, "process_tasks.hpp", """\
      if constexpr (Tasks::takes_context) chunk.begin_task(self);
      else chunk.begin_task();
      put(chunk, i, call);
""", """\
      put(chunk, i, call);
      chunk.begin_task();
"""),
    Mutant("a successor begins to count attempts anew", "tasks=1 workers=1 deaths=1 retries=1", "worker_chunk.hpp",
           "unpack_position(place_.words.cur.get()).attempts + 1;", "1;"),
    Mutant("one attempt too many", "tasks=1 workers=1 retries=1 throwing=1", "worker_process.hpp", "const bool last = chunk_.attempt() > mine_.retries;",
           "const bool last = chunk_.attempt() > mine_.retries + 1;"),
    Mutant("cur before the failure", "tasks=2 workers=1 deaths=1 throwing=1", "worker_process.hpp", """\
      publish(what);
      if (last)""", """\
      book_.of(mine_.number).end(static_cast<round_index>(chunk_.next()));
      publish(what);
      if (last)"""),
    Mutant("head before top", "tasks=2 workers=1 deaths=1 throwing=3", "worker_arenas.hpp", """\
    book_.of(w).top.set(at + sizeof head + size);  // before head: a successor must not write over a published record
    book_.of(w).head.set(at);
""", """\
    book_.of(w).head.set(at);
    book_.of(w).top.set(at + sizeof head + size);
"""),
    Mutant("head before the record", "tasks=2 workers=1 deaths=1 throwing=3", "worker_arenas.hpp", """\
    record head{previous, index,""", """\
    book_.of(w).head.set(at);
    record head{previous, index,"""),
    Mutant("worn, and the attempt is not counted", "tasks=1 workers=1 retries=1 throwing=1 worn=1", "worker_chunk.hpp",
           "place_.words.give_back(at_, attempt_);", "place_.words.give_back(at_, attempt_ - 1);"),
    Mutant("the bell is looked at after halt and stay", POSTPONED, "claim_ledger.hpp", "return {wait, {}, false, bell, true};",
           "return {wait, {}, false, common_->bell.get(), true};"),
    Mutant("a postponed task is put without the bell", POSTPONED, "claim_ledger.hpp", """\
      place->span.set(pack(interval{task, task + 1}));
    }
    common_->bell.ring();
""", """\
      place->span.set(pack(interval{task, task + 1}));
    }
"""),
    Mutant("dismissal without the bell", POSTPONED, "claim_ledger.hpp", """\
    common_->stay.set(0);
    common_->bell.ring();
""", """\
    common_->stay.set(0);
"""),
    Mutant("halt without the bell", "tasks=1 workers=1 retries=1 throwing=1 halt=1 postpones=1", "claim_ledger.hpp", """\
    common_->halt.set(static_cast<std::uint64_t>(why));
    if (waits_ || observed_) common_->bell.ring();
""", """\
    common_->halt.set(static_cast<std::uint64_t>(why));
"""),
    Mutant("waits without news", POSTPONED, "worker_process.hpp", """\
    if (is_idle && !tell_supervisor() && claimed_ > 0) leave(farewell::worn);
    language_runtime::current().before_wait();
""", """\
    language_runtime::current().before_wait();
"""),
    Mutant("a postponed task forgets attempts", POSTPONED, "claim_ledger.hpp", "place->attempts.set(attempts);", "place->attempts.set(0);"),
    Mutant("a failure counts as published whatever the attempt", "tasks=1 workers=1 deaths=1 retries=2 throwing=1 postpones=1", "worker_arenas.hpp",
           "found->index == index && found->attempts == attempt;", "found->index == index && attempt > 0;"),
    Mutant("a task is handed back and postponed", "tasks=1 workers=1 deaths=1 retries=1 postpones=1", "claim_ledger.hpp",
           "const bool gone = what.blamed || what.postponed;", "const bool gone = what.blamed;"),
    Mutant("a death takes the place of a postponed task", "tasks=4 workers=1 deaths=1 retries=1 postpones=1", "claim_ledger.hpp", "left_overs().first(workers_);",
           "left_overs().last(workers_);"),
    Mutant("a failed attempt that was not the last counts as a failure", POSTPONED, "worker_process.hpp",
           "if (last) book_.count_failure();", "book_.count_failure();"),
    Mutant("top does not pass an encoded result", "tasks=2 workers=1 encoded=1", "arena_writer.hpp",
           "words_->top.set(offset + size);", ""),
    Mutant("a stream's claims pass the limit", NARROW, "claim_ledger.hpp", "std::min<std::uint64_t>(limit - origin_, all.e)", "all.e"),
    Mutant("the limit is raised without the bell", NARROW, "claim_ledger.hpp", """\
    common_->limit.set(limit);
    common_->bell.ring();
""", """\
    common_->limit.set(limit);
"""),
    Mutant("the bell before the limit", NARROW, "claim_ledger.hpp", """\
    common_->limit.set(limit);
    common_->bell.ring();
""", """\
    common_->bell.ring();
    common_->limit.set(limit);
"""),
    Mutant("who finds the limit reached looks at the bell after it", NARROW, "claim_ledger.hpp", "return {wait, {}, false, bell, false};",
           "return {wait, {}, false, common_->bell.get(), false};"),
    Mutant("an endless stream is not cut", "tasks=1 workers=1 window=1 endless=1", "claim_ledger.hpp", "std::clamp(n, all.b, all.e)", "all.e"),
    Mutant("cut without the lock", "tasks=1 workers=1 window=1 endless=1", "claim_ledger.hpp", "void cut_round(round_index n) const {\n    const holder lock(*this);",
           "void cut_round(round_index n) const {"),
    Mutant("tail before the cell", NARROW, "outcome_ring.hpp", """\
    step("cell", moment::before);
    at_.cell(tail_).set(it, it.expected_check(tail_));
    step("cell", moment::after);
    at_.shared().tail.set(++tail_);
""", """\
    at_.shared().tail.set(tail_ + 1);
    step("cell", moment::before);
    at_.cell(tail_).set(it, it.expected_check(tail_));
    ++tail_;
"""),
    Mutant("cur before the outcome", SENT, "streamed_tasks.hpp", """\
      send_value<value>(chunk.outlet(), i, chunk.attempt(), call);
      chunk.end_task();
""", """\
      chunk.end_task();
      send_value<value>(chunk.outlet(), i, chunk.attempt(), call);
"""),
    Mutant("recovery does not look at the ring", SENT, "outcome_ring.hpp", "return it.task == task && it.check", "return it.task == task + 8 && it.check"),
    Mutant("recovery takes any newest outcome for the task's", SENT, "outcome_ring.hpp", "return it.task == task && it.check", "return it.task <= task && it.check"),
    Mutant("asleep is looked at before the outcome is published", NARROW, "stream_outlet.hpp", """\
    if (!ring_.send_short(task, ring_cell::describe(ring_cell::value, attempts)""", """\
    tell();
    if (const bool asleep = words_.asleep.get() != 0; !asleep)
      if (ring_.send_short(task, ring_cell::describe(ring_cell::value, attempts), spent(), bytes, sizeof value)) return;
    if (!ring_.send_short(task, ring_cell::describe(ring_cell::value, attempts)"""),
    Mutant("asleep is taken back, and nobody woken", NARROW, "stream_outlet.hpp", "  return arrivals.wake();\n", "  return true;\n"),
    Mutant("a writer does not look at taken", NARROW, "outcome_ring.hpp", """\
    look_at_taken();
    return tail_ - taken_ < at_.capacity;
""", """\
    return tail_ - taken_ < at_.capacity;
"""),
    Mutant("the caller tells nobody what it has taken", NARROW, "outcome_ring.hpp", "    at_.shared().taken.set(taken_);\n", ""),
    Mutant("blocks are free before they are taken", "tasks=3 workers=1 encoded=1 window=3", "outcome_ring.hpp",
           "for (; tail_ - freed_ > tail_ - taken_; ++freed_)", "for (; tail_ != freed_; ++freed_)"),
    Mutant("a successor writes over blocks that are unread", "tasks=3 workers=1 deaths=1 encoded=1 window=3", "ring_heap.hpp",
           "top_ = std::max(top_, held.begin + held.bytes());", ""),
    Mutant("who waits for room does not say so", ROOM, "stream_outlet.hpp", "      mine_.waiting.set(waits_for_room);\n", ""),
    Mutant("who waits for room says that it has found nothing", ROOM, "stream_outlet.hpp", "mine_.waiting.set(waits_for_room);", "mine_.waiting.set(1);"),
    Mutant("who waits for room looks at the bell last", ROOM, "stream_outlet.hpp", "bell_.wait(seen);", "bell_.wait(bell_.get());"),
    Mutant("records that begin anew name the one before", "tasks=3 workers=1 throwing=7 window=1", "worker_arenas.hpp", "      previous = no_record;\n", ""),
    Mutant("a stream's failure is published without news", NARROW + " throwing=1", "worker_process.hpp", "if ((!last || mine_.streams) &&", "if (!last &&"),
)


def compile_with(compiler):
    return [compiler, "-std=c++20", "-O0", "-w", "-pthread"]


def precompile(compiler, scratch):
    """Precompiles the standard headers, which take most of each compilation."""
    names = "algorithm array atomic chrono functional iostream memory optional ranges sstream stop_token string tuple variant vector"
    (scratch / STANDARD).write_text("".join(f"#include <{name}>\n" for name in names.split()))
    subprocess.run([*compile_with(compiler), "-x", "c++-header", scratch / STANDARD, "-o", scratch / f"{STANDARD}.gch"], check=True)


def mutate(include, into, mutant):
    """Makes a copy of the headers and applies the edit."""
    shutil.copytree(include, into)
    if mutant.old:
        file = into / "parmap" / "detail" / "processes" / mutant.file
        text = file.read_text()
        if text.count(mutant.old) != 1:
            raise SystemExit(f"{mutant.name}: {mutant.file} has its text {text.count(mutant.old)} times, not once")
        file.write_text(text.replace(mutant.old, mutant.new))


def try_one(include, compiler, scratch, mutant, plans):
    """Compiles and runs one mutant. Returns (exit status, or None after SECONDS; what was printed)."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=scratch))
    mutate(include, folder / "include", mutant)
    program = folder / "interleavings"
    built = subprocess.run([*compile_with(compiler), "-include", scratch / STANDARD, f"-I{HERE}", f"-I{folder / 'include'}",
                            HERE / "main.cpp", "-o", program], capture_output=True, text=True)
    if built.returncode != 0:
        raise SystemExit(f"{mutant.name} does not compile:\n{built.stderr}")
    try:
        done = subprocess.run([program, *plans], capture_output=True, text=True, timeout=SECONDS if mutant.old else 9 * SECONDS)
    except subprocess.TimeoutExpired:
        return None, ""
    return done.returncode, done.stdout


def main(include, compiler, *chosen):
    include = pathlib.Path(include)
    mutants = MUTANTS[::6] if chosen == ("--some",) else [each for each in MUTANTS if not chosen or chosen[1] in each.name]
    plans = " / ".join(dict.fromkeys(each.plan for each in mutants)).split()
    survivors = 0
    with tempfile.TemporaryDirectory() as scratch, concurrent.futures.ThreadPoolExecutor(2) as pool:
        precompile(compiler, pathlib.Path(scratch))
        jobs = [(Mutant("no edit", "", "", "", ""), plans), *((each, each.plan.split()) for each in mutants)]
        outcomes = pool.map(lambda job: try_one(include, compiler, pathlib.Path(scratch), *job), jobs)
        for (mutant, _), (status, said) in zip(jobs, outcomes):
            violation = next((line for line in said.splitlines() if line.startswith("violation: ")), None)
            right = status == 0 if not mutant.old else status == 1 and violation is not None
            survivors += not right
            verdict = violation or ("fine" if status == 0 else f"exit {status}: {said}")
            print(f"{'' if right else 'WRONG  '}{mutant.name}: {verdict}", flush=True)
    return survivors > 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
