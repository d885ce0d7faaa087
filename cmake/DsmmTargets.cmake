# dsmm::dsmm needs the standard library alone; everything else is a target of its own.
add_library(dsmm INTERFACE)
add_library(dsmm::dsmm ALIAS dsmm)
target_compile_features(dsmm INTERFACE cxx_std_20)
target_include_directories(dsmm INTERFACE
  $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:include>)
# g++ fuses a * b + c by default where the CPU can: other bits than on a box that cannot.
target_compile_options(dsmm INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-ffp-contract=off>)

include(cmake/DsmmCompiled.cmake)
dsmm_add_compiled(${PROJECT_SOURCE_DIR}/src)

find_package(PkgConfig QUIET)
if(PKG_CONFIG_FOUND)
  pkg_check_modules(DSMM_GST QUIET IMPORTED_TARGET
    gstreamer-1.0>=1.22 gstreamer-base-1.0 gstreamer-video-1.0 gstreamer-audio-1.0)
endif()
if(DSMM_GST_FOUND)
  add_library(dsmm_gst INTERFACE)
  add_library(dsmm::gst ALIAS dsmm_gst)
  target_link_libraries(dsmm_gst INTERFACE dsmm PkgConfig::DSMM_GST)
endif()

find_package(OpenCV 4 QUIET COMPONENTS core)
if(OpenCV_FOUND)
  add_library(dsmm_opencv INTERFACE)
  add_library(dsmm::opencv ALIAS dsmm_opencv)
  target_link_libraries(dsmm_opencv INTERFACE dsmm opencv_core)
endif()
