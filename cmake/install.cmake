# Installs headers and library, and what find_package(parmap) and pkg-config read; and packs that into a Debian package
# (cpack).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/parmap")

install(TARGETS parmap parmap_header_only EXPORT parmapTargets)
install(DIRECTORY "${CMAKE_CURRENT_SOURCE_DIR}/include/parmap"
  DESTINATION include
  FILES_MATCHING PATTERN "*.hpp")
install(EXPORT parmapTargets NAMESPACE parmap:: DESTINATION "${package_dir}")

configure_package_config_file(cmake/parmapConfig.cmake.in
  "${CMAKE_CURRENT_BINARY_DIR}/parmapConfig.cmake"
  INSTALL_DESTINATION "${package_dir}"
  NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file("${CMAKE_CURRENT_BINARY_DIR}/parmapConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
  "${CMAKE_CURRENT_BINARY_DIR}/parmapConfig.cmake"
  "${CMAKE_CURRENT_BINARY_DIR}/parmapConfigVersion.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/async.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/checkpoint.cmake"
  "${CMAKE_CURRENT_LIST_DIR}/mpi.cmake"
  DESTINATION "${package_dir}")

# Relative to where the file lies, so that the whole can be moved.
file(RELATIVE_PATH pc_prefix "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
string(REGEX REPLACE "/$" "" pc_prefix "${pc_prefix}")
set(pc_shared)
if(parmap_type STREQUAL "SHARED_LIBRARY")
  set(pc_shared " -DPARMAP_SHARED")
endif()
configure_file(cmake/parmap.pc.in "${CMAKE_CURRENT_BINARY_DIR}/parmap.pc" @ONLY)
install(FILES "${CMAKE_CURRENT_BINARY_DIR}/parmap.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
install(FILES LICENSE DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/libparmap-dev" RENAME copyright)

# cpack makes libparmap-dev_VERSION_ARCHITECTURE.deb of these.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_PACKAGE_NAME libparmap-dev)
set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_PACKAGE_MAINTAINER "parmap authors")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "libasio-dev, libsqlite3-dev, libopenmpi-dev | libmpich-dev")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGE_DESCRIPTION
  "One call runs the independent iterations of a loop on all cores, and a task that throws, crashes, exits or hangs costs only itself.")
include(CPack)
