# Installs the headers and what find_package(parmap) reads.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/parmap")

install(TARGETS parmap EXPORT parmapTargets)
install(DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}/include/parmap"
  DESTINATION include
  FILES_MATCHING PATTERN "*.hpp")
install(EXPORT parmapTargets NAMESPACE parmap:: DESTINATION "${package_dir}")

configure_package_config_file(cmake/parmapConfig.cmake.in
  "${CMAKE_CURRENT_BINARY_DIR}/parmapConfig.cmake"
  INSTALL_DESTINATION "${package_dir}"
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/parmapConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion
  ARCH_INDEPENDENT)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/parmapConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/parmapConfigVersion.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/async.cmake"
  DESTINATION "${package_dir}")
