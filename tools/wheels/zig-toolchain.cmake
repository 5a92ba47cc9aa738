# SPDX-License-Identifier: MIT
# A CMake toolchain: the compiler of the PyPI package ziglang, which has its own C++ library and knows every glibc and musl.
#   PARMAP_ZIG         the program zig
#   PARMAP_ZIG_TARGET  what to compile for, such as x86_64-linux-gnu.2.28 or aarch64-linux-musl
set(CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PARMAP_ZIG PARMAP_ZIG_TARGET)
foreach(variable PARMAP_ZIG PARMAP_ZIG_TARGET)
  if(NOT ${variable})
    message(FATAL_ERROR "${variable} is not set: cmake -DPARMAP_ZIG=zig -DPARMAP_ZIG_TARGET=x86_64-linux-gnu.2.28")
  endif()
endforeach()

set(CMAKE_SYSTEM_NAME Linux)
string(REGEX REPLACE "-.*" "" CMAKE_SYSTEM_PROCESSOR "${PARMAP_ZIG_TARGET}")

# CMake wants each tool as one file.
set(tools "${CMAKE_BINARY_DIR}/zig")
string(REPLACE "CMakeFiles/CMakeScratch" "" tools "${tools}")
foreach(tool "c++ -target ${PARMAP_ZIG_TARGET}" "cc -target ${PARMAP_ZIG_TARGET}" ar ranlib)
  string(REGEX REPLACE " .*" "" name "${tool}")
  if(NOT EXISTS "${tools}/${name}")
    file(WRITE "${tools}/${name}" "#!/bin/sh\nexec '${PARMAP_ZIG}' ${tool} \"$@\"\n")
    file(CHMOD "${tools}/${name}" PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE)
  endif()
endforeach()
set(CMAKE_C_COMPILER "${tools}/cc")
set(CMAKE_CXX_COMPILER "${tools}/c++")
set(CMAKE_AR "${tools}/ar" CACHE FILEPATH "")
set(CMAKE_RANLIB "${tools}/ranlib" CACHE FILEPATH "")
# For link-time optimisation, whose objects only LLVM's tools can read.
foreach(language C CXX)
  set(CMAKE_${language}_COMPILER_AR "${tools}/ar" CACHE FILEPATH "")
  set(CMAKE_${language}_COMPILER_RANLIB "${tools}/ranlib" CACHE FILEPATH "")
endforeach()

# Nothing of this machine belongs into the result. Programs and packages of CMake are found where they are told to be.
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
