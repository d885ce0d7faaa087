# find_package(dsmm) and pkg-config for installed headers.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(DSMM_CMAKE_DIR ${CMAKE_INSTALL_LIBDIR}/cmake/dsmm)
install(DIRECTORY include/dsmm DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(TARGETS dsmm EXPORT dsmm_targets)
install(EXPORT dsmm_targets NAMESPACE dsmm:: FILE dsmm-targets.cmake DESTINATION ${DSMM_CMAKE_DIR})
set(DSMM_SOURCES ${CMAKE_INSTALL_DATADIR}/dsmm/src)
configure_package_config_file(cmake/dsmm-config.cmake.in ${PROJECT_BINARY_DIR}/dsmm-config.cmake
  INSTALL_DESTINATION ${DSMM_CMAKE_DIR} PATH_VARS DSMM_SOURCES)
# 0.x: a minor version may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/dsmm-config-version.cmake
  COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(FILES ${PROJECT_BINARY_DIR}/dsmm-config.cmake ${PROJECT_BINARY_DIR}/dsmm-config-version.cmake
  DESTINATION ${DSMM_CMAKE_DIR})

configure_file(cmake/dsmm.pc.in ${PROJECT_BINARY_DIR}/dsmm.pc @ONLY)
configure_file(cmake/dsmm-gst.pc.in ${PROJECT_BINARY_DIR}/dsmm-gst.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/dsmm.pc ${PROJECT_BINARY_DIR}/dsmm-gst.pc
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES cmake/DsmmCompiled.cmake DESTINATION ${DSMM_CMAKE_DIR})
install(DIRECTORY src DESTINATION ${CMAKE_INSTALL_DATADIR}/dsmm FILES_MATCHING PATTERN "*.cpp")
install(DIRECTORY models DESTINATION ${CMAKE_INSTALL_DATADIR}/dsmm FILES_MATCHING PATTERN "*.dsmm")
