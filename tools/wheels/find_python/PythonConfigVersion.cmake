# SPDX-License-Identifier: MIT
# Whether the Python of PythonConfig.cmake is as new as a project asks for.
set(PACKAGE_VERSION "${PARMAP_PYTHON_VERSION}")
if(PACKAGE_VERSION VERSION_GREATER_EQUAL PACKAGE_FIND_VERSION)
  set(PACKAGE_VERSION_COMPATIBLE TRUE)
endif()
