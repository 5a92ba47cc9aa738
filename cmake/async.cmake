# The target parmap::async: <parmap/async.hpp> with standalone Asio (Debian: libasio-dev), where that is found. Read by the
# project itself and by its installed package.
find_path(PARMAP_ASIO_INCLUDE_DIR asio/awaitable.hpp DOC "Where standalone Asio is, for parmap::async")
mark_as_advanced(PARMAP_ASIO_INCLUDE_DIR)
if(PARMAP_ASIO_INCLUDE_DIR AND NOT TARGET parmap::async)
  add_library(parmap::async INTERFACE IMPORTED GLOBAL)
  target_link_libraries(parmap::async INTERFACE parmap::parmap)
  target_include_directories(parmap::async INTERFACE "${PARMAP_ASIO_INCLUDE_DIR}")
  # Asio 1.22 does not find out by itself that clang has coroutines.
  target_compile_definitions(parmap::async INTERFACE
    $<$<CXX_COMPILER_ID:Clang>:ASIO_HAS_CO_AWAIT=1> $<$<CXX_COMPILER_ID:Clang>:ASIO_HAS_STD_COROUTINE=1>)
  if(WIN32)
    target_compile_definitions(parmap::async INTERFACE _WIN32_WINNT=0x0A00)
    target_link_libraries(parmap::async INTERFACE ws2_32 mswsock)
  endif()
endif()
