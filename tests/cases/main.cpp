// SPDX-License-Identifier: MIT
// main NAME: runs one input; status 0 if what it saw is right. main without a name: lists all, with what is right.
#include "cases.hpp"

#include <cstring>
#include <exception>

int main(int arguments, char** argument) {
  for (const auto& group :
       {cases::limits(), cases::ends(), cases::output(), cases::values(), cases::callers(), cases::locks()})
    for (const cases::input& each : group) {
      if (arguments < 2) cases::print("%s\t%s", each.name.c_str(), each.right.c_str());
      else if (each.name == argument[1]) try {
          return each.run() ? 0 : 1;
        } catch (const std::exception& error) {
          cases::print("the map threw %s", error.what());
          return 1;
        }
    }
  if (arguments < 2) return 0;
  cases::print("there is no input %s", argument[1]);
  return 2;
}
