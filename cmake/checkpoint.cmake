# The target parmap::checkpoint: <parmap/checkpoint.hpp> with SQLite (Debian: libsqlite3-dev), where that is found. Read by the project
# itself and by its installed package.
find_package(SQLite3 QUIET)
if(SQLite3_FOUND AND NOT TARGET parmap::checkpoint)
  add_library(parmap::checkpoint INTERFACE IMPORTED GLOBAL)
  target_link_libraries(parmap::checkpoint INTERFACE parmap::parmap SQLite::SQLite3)
endif()
