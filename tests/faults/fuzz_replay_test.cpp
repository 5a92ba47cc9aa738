// SPDX-License-Identifier: MIT
// Replays every input of fuzz/corpus through the function that the fuzzer drives.
#include "fuzz/decode_fuzz.cpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <vector>

namespace {

TEST(fuzz, replays_its_corpus) {
  const auto corpus = std::filesystem::path(__FILE__).parent_path() / "fuzz" / "corpus";
  std::set<std::size_t> readers;
  for (const auto& entry : std::filesystem::directory_iterator(corpus)) {
    SCOPED_TRACE(entry.path().filename());
    std::ifstream file(entry.path(), std::ios::binary);
    const std::vector<char> bytes(std::istreambuf_iterator<char>(file), {});
    ASSERT_FALSE(bytes.empty());
    // An allocation of exactly the input's size, so that ASan sees any read past its end.
    std::vector<std::uint8_t> input(bytes.begin(), bytes.end());
    input.shrink_to_fit();
    readers.insert(input[0] % std::size(fuzz::readers));
    EXPECT_EQ(LLVMFuzzerTestOneInput(input.data(), input.size()), 0);
  }
  EXPECT_EQ(readers.size(), std::size(fuzz::readers)) << "the corpus does not reach every reader";
}

}  // namespace
