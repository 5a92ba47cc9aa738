# SPDX-License-Identifier: MIT
# What find_package(Python) finds while a wheel is cross-compiled: only headers, as an interpreter of the target may not run here.
#   PARMAP_PYTHON_VERSION   3.14
#   PARMAP_PYTHON_INCLUDE   the folder of its Python.h; more than one, where pyconfig.h lies in another
#   PARMAP_PYTHON_HOST      an interpreter of any version, for scripts
set(Python_VERSION "${PARMAP_PYTHON_VERSION}")
string(REGEX REPLACE "\\..*" "" Python_VERSION_MAJOR "${Python_VERSION}")
string(REGEX REPLACE "^[0-9]+\\.([0-9]+).*" "\\1" Python_VERSION_MINOR "${Python_VERSION}")
set(Python_EXECUTABLE "${PARMAP_PYTHON_HOST}")
set(Python_INTERPRETER_ID Python)
set(Python_INCLUDE_DIRS "${PARMAP_PYTHON_INCLUDE}")
foreach(each Python_FOUND Python_Interpreter_FOUND Python_Development.Module_FOUND)
  set(${each} TRUE)
endforeach()
if(NOT TARGET Python::Interpreter)
  add_executable(Python::Interpreter IMPORTED)
  set_target_properties(Python::Interpreter PROPERTIES IMPORTED_LOCATION "${Python_EXECUTABLE}")
endif()
if(NOT TARGET Python::Module)
  add_library(Python::Module INTERFACE IMPORTED)
  set_target_properties(Python::Module PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${Python_INCLUDE_DIRS}")
endif()
