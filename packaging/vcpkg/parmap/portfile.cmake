# vcpkg's port of parmap, built from the checkout that it lies in: vcpkg install parmap --overlay-ports=packaging/vcpkg
# For a registry, vcpkg_from_git(OUT_SOURCE_PATH SOURCE_PATH URL ... REF ...) takes the place of the next line.
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    -DPARMAP_BUILD_TESTS=OFF
    -DPARMAP_BUILD_EXAMPLES=OFF
    -DPARMAP_BUILD_BENCH=OFF
    -DPARMAP_INSTALL=ON)
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(PACKAGE_NAME parmap CONFIG_PATH lib/cmake/parmap)
vcpkg_fixup_pkgconfig()

file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include" "${CURRENT_PACKAGES_DIR}/debug/share" "${CURRENT_PACKAGES_DIR}/share/doc")
file(INSTALL "${CMAKE_CURRENT_LIST_DIR}/usage" DESTINATION "${CURRENT_PACKAGES_DIR}/share/${PORT}")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
