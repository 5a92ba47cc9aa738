// SPDX-License-Identifier: MIT
// tree_tasks: the combinations of the binary tree over the blocks of a reduction, as tasks of a worker process.
#pragma once

#include <parmap/context.hpp>
#include <parmap/detail/config.hpp>
#include <parmap/detail/processes/process_tasks.hpp>
#include <parmap/detail/processes/worker_chunk.hpp>
#include <parmap/detail/reduction/combining_text.hpp>
#include <parmap/detail/reduction/reducers.hpp>
#include <parmap/detail/reduction/shared_accumulators.hpp>
#include <parmap/detail/reduction/worker_tasks.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

namespace parmap::inline PARMAP_ABI::detail {

// The combinations in an order in which each comes after those that it needs. The operand `k` is block k if k is below
// the number of blocks, else the result of combination k - blocks.
class tree_plan {
 public:
  struct combination {
    std::uint64_t left;
    std::uint64_t right;
    std::uint64_t first;  // the first task that is in the right one
    std::uint64_t b;      // they stand for the tasks [b, e)
    std::uint64_t e;
  };

  // has_part(block): whether the block has an accumulator; first_of(block): the first task that is in it. Block 0
  // always takes part, as it begins with the initial value.
  template <class HasPart, class FirstOf>
  tree_plan(const block_rule& rule, const HasPart& has_part, const FirstOf& first_of) {
    struct node {
      std::uint64_t place;
      std::uint64_t operand;
      std::uint64_t first;
    };
    std::vector<node> level;
    for (std::uint64_t block = 0; block < rule.blocks(); ++block)
      if (block == 0 || has_part(block)) level.push_back({block, block, block == 0 ? 0 : first_of(block)});
    const auto begin_of = [&](std::uint64_t blocks) {
      return blocks < rule.blocks() ? rule.begin(blocks) : rule.tasks();
    };
    for (unsigned height = 0; level.size() > 1; ++height) {
      std::size_t kept = 0;
      for (std::size_t k = 0; k < level.size(); ++k) {
        node mine = level[k];
        if (k + 1 < level.size() && mine.place % 2 == 0 && level[k + 1].place == mine.place + 1) {
          const node& twin = level[++k];
          all_.push_back({mine.operand, twin.operand, twin.first, begin_of(mine.place << height),
                          begin_of((twin.place + 1) << height)});
          mine.operand = rule.blocks() + all_.size() - 1;
        }
        mine.place /= 2;
        level[kept++] = mine;
      }
      level.resize(kept);
    }
    result_ = level.empty() ? 0 : level.front().operand;
  }

  [[nodiscard]] const std::vector<combination>& all() const noexcept { return all_; }
  // The operand that stands for everything.
  [[nodiscard]] std::uint64_t result() const noexcept { return result_; }

 private:
  std::vector<combination> all_;
  std::uint64_t result_{};
};

// One worker at a time runs them, in order. A combination that fails counts as its left operand.
template <class Reducer>
class tree_tasks final : public process_tasks {
 public:
  using value = typename Reducer::value;

  // `results`: has a block for each combination.
  tree_tasks(const Reducer& reducer, const tree_plan& plan, const shared_accumulators<value>& blocks,
             const shared_accumulators<value>& results)
      : process_tasks(plan.all().size(), {slot_kind::none, 0}),
        reducer_(reducer),
        plan_(plan),
        blocks_(blocks),
        results_(results) {}

  [[nodiscard]] bool has_value(std::uint64_t k) const noexcept override { return results_.is_done(k); }
  void run(worker_chunk& chunk, context& self) const override {
    value_writer<value> writer(results_.arenas(), self.worker());
    while (chunk.next() < chunk.end()) {
      const std::uint64_t k = chunk.next();
      chunk.begin_task();
      const tree_plan::combination& what = plan_.all()[k];
      const value left = read(what.left);
      const value right = read(what.right);
      const value made =
          combine_or_tell([&] { return std::pair(what.b, what.e); }, [&] { return reducer_.combined(left, right); });
      block_words<value>& words = results_.block(k);
      try {
        writer.begin_versions();
        writer.write(words.place[0].value, made, k);
      } catch (...) {
        throw_not_encoded();
      }
      words.place[0].done.set(1);
      chunk.end_task();
    }
  }

  // Throws what decoding throws.
  [[nodiscard]] value read(std::uint64_t operand) const {
    const std::uint64_t blocks = blocks_.rule().blocks();
    while (operand >= blocks && !results_.is_done(operand - blocks)) operand = plan_.all()[operand - blocks].left;
    if (operand >= blocks)
      return value_writer<value>::read(results_.arenas(), results_.block(operand - blocks).place[0].value,
                                       operand - blocks);
    return read_block(reducer_, blocks_, operand);
  }

 private:
  const Reducer& reducer_;
  const tree_plan& plan_;
  const shared_accumulators<value>& blocks_;
  const shared_accumulators<value>& results_;
};

}  // namespace parmap::inline PARMAP_ABI::detail
