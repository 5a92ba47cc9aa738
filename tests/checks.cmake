# The checks that are commands: examples, headers alone, misuse, documents, consumers, the models, style. tests/CMakeLists.txt includes this.

# parmap_add_check NAME COMMAND... [LABEL label] [NEEDS target...]: one check by a command. What must be built for it
# are the targets whose files the command names, and the NEEDS.
function(parmap_add_check name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL" "NEEDS")
  set(ARGN "${arg_UNPARSED_ARGUMENTS}")
  string(REGEX MATCHALL "TARGET_FILE:[a-z_A-Z0-9]+" targets "${ARGN}")
  list(TRANSFORM targets REPLACE "TARGET_FILE:" "")
  parmap_record("${name}" "${arg_LABEL}" "${targets};${arg_NEEDS}" "")
  add_test(NAME ${name} COMMAND ${ARGN})
  # A check exits with 77 if its tool is missing, and prints that.
  set_tests_properties(${name} PROPERTIES TIMEOUT 300 SKIP_RETURN_CODE 77 LABELS "${arg_LABEL}")
endfunction()

# The output of examples/NAME is tests/expected/NAME.txt.
if(PARMAP_BUILD_EXAMPLES)
  file(GLOB expected CONFIGURE_DEPENDS expected/*.txt)
  foreach(file IN LISTS expected)
    get_filename_component(name "${file}" NAME_WE)
    if(NOT TARGET example_${name})
      continue()
    endif()
    parmap_add_check(example.${name}
      "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/expect_output.py"
      "${file}" "$<TARGET_FILE:example_${name}>")
  endforeach()
  if(TARGET example_checksums)
    parmap_add_check(example.checksums
      bash "${PROJECT_SOURCE_DIR}/tools/compare_checksums.sh"
      "$<TARGET_FILE:example_checksums>" -- "${PROJECT_SOURCE_DIR}/include" /etc)
  endif()
  if(TARGET example_sweep_resume)
    parmap_add_check(example.sweep_resume
      bash "${PROJECT_SOURCE_DIR}/tools/kill_and_resume.sh" "$<TARGET_FILE:example_sweep_resume>")
  endif()
  foreach(name download download_threads)
    if(TARGET example_${name})
      parmap_add_check(example.${name}
        "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/examples/python/pages.py" "$<TARGET_FILE:example_${name}>"
        --patience 15)  # a machine that is busy with other tests may take longer than two seconds for a page
    endif()
  endforeach()
endif()

if(NOT PARMAP_SANITIZE STREQUAL "")
  return()
endif()

# Every header must compile alone, and twice in one file. Those that need more than the standard library have their own
# tests. The standard library is precompiled, which takes a fourth of the time; that each header includes what it needs of it is
# checked by standard_includes.py.
set(headers_with_dependencies)
if(NOT TARGET parmap::mpi)
  list(APPEND headers_with_dependencies mpi.hpp detail/cluster/mpi_link.hpp detail/cluster/mpi_crew.hpp)
endif()
find_package(cereal QUIET)
if(NOT cereal_FOUND)
  list(APPEND headers_with_dependencies cereal.hpp)
endif()
find_package(Eigen3 QUIET NO_MODULE)
if(NOT Eigen3_FOUND)
  list(APPEND headers_with_dependencies eigen.hpp)
endif()
set(include_dir "${PROJECT_SOURCE_DIR}/include/parmap")
file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE "${include_dir}" "${include_dir}/*.hpp")
list(REMOVE_ITEM headers ${headers_with_dependencies})
list(FILTER headers EXCLUDE REGEX "\\.inl\\.hpp$")  # each is included by its own header
list(FILTER headers EXCLUDE REGEX "^detail/system/(macos|windows)/")  # ./test --portable
set(alone)
set(alone_inline)
foreach(header IN LISTS headers)
  string(MAKE_C_IDENTIFIER "${header}" stem)
  set(source "${CMAKE_CURRENT_BINARY_DIR}/headers_alone/${stem}.cpp")
  file(CONFIGURE OUTPUT "${source}" @ONLY
    CONTENT "#include <parmap/${header}>\n#include <parmap/${header}>\n")
  list(APPEND alone "${source}")
  if(NOT header MATCHES "^detail/|async|cereal|checkpoint|eigen|mpi")
    list(APPEND alone_inline "${source}")
  endif()
endforeach()
add_library(headers_alone OBJECT ${alone})
target_link_libraries(headers_alone PRIVATE parmap::async parmap::checkpoint parmap_development $<$<BOOL:${cereal_FOUND}>:cereal::cereal>
  $<$<BOOL:${Eigen3_FOUND}>:Eigen3::Eigen> $<$<TARGET_EXISTS:parmap::mpi>:parmap::mpi>)
# The headers that users include, in the inline form too.
add_library(headers_alone_inline OBJECT ${alone_inline})
target_link_libraries(headers_alone_inline PRIVATE parmap::header_only parmap_development)
foreach(form headers_alone headers_alone_inline)
  target_compile_options(${form} PRIVATE -O0 -g0)
  target_precompile_headers(${form} PRIVATE <algorithm> <array> <atomic> <bit> <charconv> <chrono> <concepts> <condition_variable> <coroutine> <deque>
    <exception> <functional> <iterator> <limits> <list> <map> <memory> <mutex> <new> <optional> <ostream> <ranges> <span> <sstream> <stdexcept>
    <stop_token> <string> <string_view> <system_error> <thread> <tuple> <type_traits> <unordered_map> <utility> <variant> <vector>)
endforeach()
parmap_add_check(headers.standard_includes "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/standard_includes.py" "${PROJECT_SOURCE_DIR}")

# The inline form under warnings that some projects turn into errors.
set(strict_warnings ${PARMAP_WARNINGS} -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor -Woverloaded-virtual -Wformat=2)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  list(APPEND strict_warnings -Wuseless-cast -Wcast-align=strict -Wnull-dereference -Wduplicated-cond -Wlogical-op)
endif()
parmap_add_check(headers.strict_warnings "${CMAKE_CXX_COMPILER}" -std=c++20 -fsyntax-only -Werror ${strict_warnings}
  "-I${PROJECT_SOURCE_DIR}/include" "${CMAKE_CURRENT_SOURCE_DIR}/strict_warnings.cpp")

# Misuse: each file must compile as it is, and must fail with PARMAP_BAD for the reason on its first line. The header that a file includes first
# is precompiled once, also for the programs of the documents; not for files that have a macro before it.
set(misuse_flags -std=c++20 -DPARMAP_COMPILED "-I${PROJECT_SOURCE_DIR}/include" "-I${PARMAP_ASIO_INCLUDE_DIR}"
  -DASIO_HAS_CO_AWAIT=1 -DASIO_HAS_STD_COROUTINE=1 ${PARMAP_WARNINGS} ${PARMAP_LARGE_HEAP} -pthread)
foreach(header parmap async)
  set(precompiled_${header} "${CMAKE_CURRENT_BINARY_DIR}/misuse/${header}.hpp")
  file(CONFIGURE OUTPUT "${precompiled_${header}}" @ONLY CONTENT "#include <parmap/${header}.hpp>\n")
  parmap_add_check(misuse.precompiled_${header}
    "${CMAKE_CXX_COMPILER}" ${misuse_flags} -x c++-header "${precompiled_${header}}" -o "${precompiled_${header}}.gch")
  set_tests_properties(misuse.precompiled_${header} PROPERTIES FIXTURES_SETUP precompiled_${header})
endforeach()
file(GLOB misuse CONFIGURE_DEPENDS misuse/*.cpp)
set(misuse_command "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/misuse.py")
foreach(source IN LISTS misuse)
  get_filename_component(name "${source}" NAME_WE)
  # The good half of a file that defines something, specialises a template or has a header beside it is a program of its own.
  file(STRINGS "${source}" apart REGEX "^(#define |namespace |template <>|#include \")" LIMIT_COUNT 1)
  file(STRINGS "${source}" defines REGEX "#define " LIMIT_COUNT 1)
  file(STRINGS "${source}" with_async REGEX "#include <parmap/async.hpp>" LIMIT_COUNT 1)
  set(header parmap)
  if(with_async)
    set(header async)
  endif()
  set(include)
  if(NOT defines AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set(include -Winvalid-pch -include "${precompiled_${header}}")
  endif()
  parmap_add_check(misuse.${name}.bad ${misuse_command} bad "${source}" "${CMAKE_CXX_COMPILER}" ${misuse_flags} ${include})
  list(APPEND misuse_${header} misuse.${name}.bad)
  if(apart)
    parmap_add_check(misuse.${name}.good ${misuse_command} good "${source}" -- "${CMAKE_CXX_COMPILER}" ${misuse_flags} ${include})
    list(APPEND misuse_${header} misuse.${name}.good)
  else()
    list(APPEND good_${header} "${source}")
    set(include_${header} ${include})
  endif()
endforeach()
foreach(header parmap async)
  parmap_add_check(misuse.good_${header} ${misuse_command} good ${good_${header}} -- "${CMAKE_CXX_COMPILER}" ${misuse_flags} ${include_${header}})
  set_tests_properties(misuse.good_${header} ${misuse_${header}} PROPERTIES FIXTURES_REQUIRED precompiled_${header})
endforeach()

add_subdirectory(cases)
add_subdirectory(cluster)

option(PARMAP_VALGRIND "Tests under valgrind too, which must be there" OFF)
if(PARMAP_VALGRIND)
  add_subdirectory(valgrind)
endif()

# The C++ in README and docs must compile and run. (docs/failures.md is written by a program that runs what it shows.)
file(GLOB_RECURSE pages CONFIGURE_DEPENDS RELATIVE "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/docs/*.md")
list(REMOVE_ITEM pages docs/failures.md)
foreach(page IN ITEMS README.md LISTS pages)
  file(STRINGS "${PROJECT_SOURCE_DIR}/${page}" blocks REGEX "^```cpp" LIMIT_COUNT 1)
  if(NOT blocks)
    continue()
  endif()
  set(openmp)
  if(page MATCHES openmp)
    set(openmp -fopenmp)
  endif()
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    list(APPEND openmp -Wno-unused-command-line-argument)  # blocks that are only compiled name the library, too
  endif()
  parmap_add_check(documents.${page}
    "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/documents.py" "${PROJECT_SOURCE_DIR}/${page}"
    "${CMAKE_CXX_COMPILER}" -std=c++20 -O0 -DPARMAP_COMPILED "-I${PROJECT_SOURCE_DIR}/include" "-I${PROJECT_SOURCE_DIR}/single_include" "-I${PARMAP_ASIO_INCLUDE_DIR}"
    -DASIO_HAS_CO_AWAIT=1 -DASIO_HAS_STD_COROUTINE=1 ${PARMAP_WARNINGS} ${PARMAP_LARGE_HEAP} -Werror -pthread ${openmp} "$<TARGET_FILE:parmap>")
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT openmp)
    set_tests_properties(documents.${page} PROPERTIES FIXTURES_REQUIRED precompiled_parmap ENVIRONMENT "PARMAP_PRECOMPILED=${precompiled_parmap}")
  endif()
endforeach()

# Each way to use parmap, from an empty directory; then the page that describes them, step by step.
set(ways single_header add_subdirectory installed shared)
if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
  list(APPEND ways libcxx)
endif()
foreach(way IN LISTS ways)
  parmap_add_check(consumer.${way}
    bash "${CMAKE_CURRENT_SOURCE_DIR}/consumer.sh" ${way} "${PROJECT_SOURCE_DIR}" "${CMAKE_COMMAND}" "${CMAKE_CXX_COMPILER}")
endforeach()
parmap_add_check(consumer.as_documented
  "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/installation.py" "${PROJECT_SOURCE_DIR}/docs/installation.md" "${PROJECT_SOURCE_DIR}")

# It builds the whole project four times.
set_tests_properties(consumer.as_documented PROPERTIES TIMEOUT 900)

# Two versions of parmap in one process.
parmap_add_check(two_versions bash "${CMAKE_CURRENT_SOURCE_DIR}/two_versions.sh" "${PROJECT_SOURCE_DIR}" "${CMAKE_CXX_COMPILER}")

# README's badges say what the project does.
parmap_add_check(style.badges "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/tools/badges.py" --check LABEL style)

# The rule which place may include which.
parmap_add_check(style.layering "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/layering.py" "${PROJECT_SOURCE_DIR}" LABEL style)

# Pages made by programs that provoke the behaviour they describe.
add_executable(failures_page faults/failures_page.cpp)
target_link_libraries(failures_page PRIVATE parmap::parmap parmap_development)
parmap_optimise(failures_page failures_page.cpp)
parmap_add_check(docs.failures "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/expect_output.py"
  "${PROJECT_SOURCE_DIR}/docs/failures.md" "$<TARGET_FILE:failures_page>")
add_executable(reliability "${PROJECT_SOURCE_DIR}/benchmarks/reliability/parmap.cpp")
target_link_libraries(reliability PRIVATE parmap::parmap parmap_development)
parmap_optimise(reliability reliability.cpp)
parmap_add_check(docs.reliability "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/benchmarks/reliability/run.py"
  --check "$<TARGET_FILE:reliability>")

# The programs that ./bench runs.
if(TARGET bench_loop)
  parmap_add_check(bench.native "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/benchmarks/native.py" --quick
    --programs "${PROJECT_BINARY_DIR}/benchmarks" --only balance processes --json "${CMAKE_CURRENT_BINARY_DIR}/bench/native.json"
    NEEDS bench_loop bench_parmap_threads bench_parmap_multi)
endif()

# The protocol of the engine multi, exhaustively for small sizes. The mutants show that the checker finds errors.
parmap_add_check(model.claims "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/model/claims.py" LABEL faults)
parmap_add_check(model.mutants "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/model/claims.py" --mutants LABEL faults)
parmap_add_check(model.streams "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/model/streams.py" LABEL faults)
parmap_add_check(model.pools "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/model/pools.py" LABEL faults)
parmap_add_check(model.pools_mutants "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/model/pools.py" --mutants LABEL faults)
parmap_add_check(model.streams_mutants "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/model/streams.py" --mutants LABEL faults)
if(TARGET interleavings)
  parmap_add_check(interleavings.mutants
    "${Python3_EXECUTABLE}" "${CMAKE_CURRENT_SOURCE_DIR}/faults/interleavings/mutants.py" "${PROJECT_SOURCE_DIR}/include" "${CMAKE_CXX_COMPILER}" --some LABEL faults)
endif()

parmap_add_check(setup bash "${CMAKE_CURRENT_SOURCE_DIR}/setup_test.sh" "${PROJECT_SOURCE_DIR}")

parmap_add_check(single_header.fresh
  "${Python3_EXECUTABLE}" "${PROJECT_SOURCE_DIR}/tools/single_header.py" --check)

# Style needs no second run with another compiler: ./test leaves the label out there.
file(CONFIGURE OUTPUT "${CMAKE_CURRENT_BINARY_DIR}/spine.cpp" @ONLY
  CONTENT "#include <parmap/async.hpp>\n#include <parmap/parmap.hpp>\n")
parmap_add_check(style.format bash "${PROJECT_SOURCE_DIR}/tools/style.sh" format LABEL style)
parmap_add_check(style.tidy bash "${PROJECT_SOURCE_DIR}/tools/style.sh" tidy
  "${CMAKE_CURRENT_BINARY_DIR}/spine.cpp" LABEL style)
parmap_add_check(style.workflows bash "${PROJECT_SOURCE_DIR}/tools/style.sh" workflows LABEL style)

# These take longest, so they start first.
foreach(name style.tidy model.claims model.mutants model.streams interleavings.mutants consumer.as_documented)
  if(TEST ${name})
    set_tests_properties(${name} PROPERTIES COST 1000)
  endif()
endforeach()
