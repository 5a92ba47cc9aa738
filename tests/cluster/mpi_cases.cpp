// SPDX-License-Identifier: MIT
// Programs that go wrong, or are started wrong; run.sh looks at what they say. mpi_cases CASE
#include <parmap/mpi.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

int same(int x) { return x; }
const std::vector<int> xs(10);

// What follows on stderr goes to the file that takes the job's stderr: MPICH's mpirun may drop what a rank writes just
// before it aborts.
void write_stderr_past_the_launcher() {
  const int file = open(std::getenv("PARMAP_STDERR"), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0 || dup2(file, STDERR_FILENO) < 0) throw std::runtime_error("PARMAP_STDERR cannot be opened");
  close(file);
}

int run(std::string_view which, int argc, char** argv) {
  if (which == "uninitialised") {
    static_cast<void>(parmap::map(parmap::mpi, same, xs));
    return 0;
  }
  if (which == "initialised_by_others") {
    MPI_Init(&argc, &argv);
    {
      const parmap::mpi_session session(argc, argv);
      std::cout << parmap::map(parmap::mpi, same, xs).size() << std::endl;
    }
    int finalised = 1;
    MPI_Finalized(&finalised);
    MPI_Finalize();
    return finalised;
  }
  if (which == "exception" || which == "disagree") write_stderr_past_the_launcher();
  const parmap::mpi_session session(argc, argv);
  if (which == "alone") {  // under the launcher of another MPI
    static_cast<void>(parmap::map(parmap::mpi, same, xs));
  } else if (which == "late" || which == "late_root") {
    static_cast<void>(parmap::map(parmap::mpi, same, xs));
    if (session.rank() == (which == "late" ? session.size() - 1 : 0)) {
      // Comes when another rank has complained: it waits for the line in the file that takes the job's stderr.
      const std::string file = std::getenv("PARMAP_STDERR");
      for (bool told = false; !told; std::this_thread::sleep_for(std::chrono::milliseconds(5))) {
        std::ifstream in(file);
        told = std::string(std::istreambuf_iterator<char>(in), {}).find("waits in map") != std::string::npos;
      }
    }
    static_cast<void>(parmap::map(parmap::mpi, same, xs));
  } else if (which == "exception") {
    if (session.rank() == 0) throw std::runtime_error("as a test");
    static_cast<void>(parmap::map(parmap::mpi, same, xs));  // rank 0 never comes
  } else if (which == "disagree") {
    static_cast<void>(parmap::map(parmap::mpi, same, xs, {.retries = static_cast<unsigned>(session.rank())}));
  } else if (which == "killed") {
    if (session.rank() == session.size() - 1) std::raise(SIGKILL);
    static_cast<void>(parmap::map(parmap::mpi, same, xs));
  } else if (which == "banner") {
    static_cast<void>(parmap::map(parmap::mpi, same, xs));
    static_cast<void>(parmap::map(parmap::mpi, same, xs));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) try {
  return run(argc > 1 ? argv[1] : "", argc, argv);
} catch (const std::exception& why) {
  std::cerr << "main: " << why.what() << std::endl;
  return 1;
}
