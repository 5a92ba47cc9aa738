// SPDX-License-Identifier: MIT
// The command line of the examples, so that each of them can be about parmap alone.
#pragma once

#include <charconv>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <iomanip>
#include <iostream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <vector>

namespace example {

struct arguments {
  std::string engine{"multi"};
  unsigned workers{};
  unsigned patience{2};  // seconds, for one task
  unsigned strikes{10};
  std::string output{"/dev/null"};
  std::vector<std::filesystem::path> paths{};
};

// Tells if other programs keep cores busy, as the speed-up is smaller then.
inline void tell_if_busy() {
  double load = 0;  // of the last minute
  if (::getloadavg(&load, 1) != 1 || load < 0.25 * std::thread::hardware_concurrency()) return;
  std::cerr << "Other programs are running (load average " << std::setprecision(2) << load << " on "
            << std::thread::hardware_concurrency() << " cores): the speed-up will be smaller.\n\n";
}

inline unsigned parse_number(std::string_view option, std::string_view text) {
  unsigned number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size())
    throw std::invalid_argument(std::string(option) + " takes a number, not \"" + std::string(text) + '"');
  return number;
}

// Knows the options that `usage` names, such as "[--workers N]", and no others. Throws std::invalid_argument.
inline arguments parse(const std::vector<std::string_view>& given, std::string_view usage) {
  arguments all;
  for (auto word = given.begin(); word != given.end(); ++word) {
    const std::string_view option = *word;
    if (!option.starts_with("--")) {
      if (usage.find("PATH") == usage.npos)
        throw std::invalid_argument("unexpected argument \"" + std::string(option) + '"');
      all.paths.emplace_back(option);
      continue;
    }
    if (usage.find('[' + std::string(option) + ' ') == usage.npos)
      throw std::invalid_argument("there is no option " + std::string(option));
    if (++word == given.end()) throw std::invalid_argument(std::string(option) + " needs a value");
    if (option == "--engine") all.engine = *word;
    else if (option == "--workers") all.workers = parse_number(option, *word);
    else if (option == "--patience") all.patience = parse_number(option, *word);
    else if (option == "--strikes") all.strikes = parse_number(option, *word);
    else if (option == "--output") all.output = *word;
  }
  return all;
}

// Calls body(arguments) and returns its exit status; 2 if the arguments are refused, here or by parmap, and 1 for any
// other exception.
template <class Body>
int run(int argc, char** argv, std::string_view usage, Body body) {
  const std::string name = std::filesystem::path(argv[0]).filename();
  const std::vector<std::string_view> given(argv + 1, argv + argc);
  if (given == std::vector<std::string_view>{"--help"}) {
    std::cout << "usage: " << name << ' ' << usage << '\n';
    return 0;
  }
  try {
    return body(parse(given, usage));
  } catch (const std::invalid_argument& e) {
    std::cerr << name << ": " << e.what() << "\nusage: " << name << ' ' << usage << '\n';
    return 2;
  } catch (const std::exception& e) {
    std::cerr << name << ": " << e.what() << '\n';
    return 1;
  }
}

}  // namespace example
