// SPDX-License-Identifier: MIT
// The main function of tests under MPI. Every rank runs every test; the job fails if a test has failed on any of them.
#include <parmap/mpi.hpp>

#include <gtest/gtest.h>

#include <cstdio>

int main(int argc, char** argv) {
  parmap::mpi_session session(argc, argv);
  testing::InitGoogleTest(&argc, argv);
  if (session.rank() != 0)
    delete testing::UnitTest::GetInstance()->listeners().Release(
        testing::UnitTest::GetInstance()->listeners().default_result_printer());
  const int failed = RUN_ALL_TESTS();
  int any = 0;
  MPI_Allreduce(&failed, &any, 1, MPI_INT, MPI_MAX, MPI_COMM_WORLD);
  if (failed != 0) std::fprintf(stderr, "tests have failed on rank %d\n", session.rank());
  return any;
}
