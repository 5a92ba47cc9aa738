# The target parmap::mpi: <parmap/mpi.hpp> with MPI (Debian: libopenmpi-dev or libmpich-dev), where that is found. Read by the project
# itself and by its installed package. Of several MPIs, MPI_CXX_COMPILER or MPI_HOME chooses one: see CMake's FindMPI.
set(MPI_CXX_SKIP_MPICXX TRUE)  # only the C functions are used
find_package(MPI QUIET COMPONENTS CXX)
if(MPI_CXX_FOUND AND NOT TARGET parmap::mpi)
  add_library(parmap::mpi INTERFACE IMPORTED GLOBAL)
  target_link_libraries(parmap::mpi INTERFACE parmap::parmap MPI::MPI_CXX)
endif()
