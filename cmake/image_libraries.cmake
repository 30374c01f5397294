# What reads images beside stb_image: a library a format, each optional. nad_image_libraries says to nad/images/decode/
# which there are, NAD_IMAGE_FORMATS and NAD_NO_IMAGE_FORMATS to the table of cmake/summary.cmake.
set(NAD_IMAGE_LIBRARIES AUTO CACHE STRING "libjpeg-turbo, libwebp, giflib, libtiff and zlib: AUTO, ON or OFF")
add_library(nad_image_libraries INTERFACE)
set(NAD_IMAGE_FORMATS "")
set(NAD_NO_IMAGE_FORMATS "")

# nad_image_library(DEFINITION "what it is for" FOUND include_dirs libraries)
function(nad_image_library definition label found directories libraries)
  if(${found})
    target_include_directories(nad_image_libraries SYSTEM INTERFACE ${directories})
    target_link_libraries(nad_image_libraries INTERFACE ${libraries})
    target_compile_definitions(nad_image_libraries INTERFACE ${definition}=1)
    list(APPEND NAD_IMAGE_FORMATS "${label}")
  else()
    list(APPEND NAD_NO_IMAGE_FORMATS "${label}")
  endif()
  set(NAD_IMAGE_FORMATS "${NAD_IMAGE_FORMATS}" PARENT_SCOPE)
  set(NAD_NO_IMAGE_FORMATS "${NAD_NO_IMAGE_FORMATS}" PARENT_SCOPE)
endfunction()

if(NOT NAD_IMAGE_LIBRARIES STREQUAL "OFF")
  find_package(JPEG QUIET)
  set(NAD_HAVE_TURBOJPEG OFF)
  if(JPEG_FOUND)  # the library of this name may be another one: other pixels, no arithmetic coding
    include(CheckCXXSourceCompiles)
    set(CMAKE_REQUIRED_INCLUDES ${JPEG_INCLUDE_DIRS})
    check_cxx_source_compiles("#include <cstdio>\n#include <cstddef>\n#include <jpeglib.h>\n#ifndef LIBJPEG_TURBO_VERSION\n#error\n#endif\nint main() {}"
      NAD_JPEG_IS_TURBO)
    unset(CMAKE_REQUIRED_INCLUDES)
    set(NAD_HAVE_TURBOJPEG ${NAD_JPEG_IS_TURBO})
  endif()
  nad_image_library(NAD_TURBOJPEG "JPEG (libjpeg-turbo)" NAD_HAVE_TURBOJPEG "${JPEG_INCLUDE_DIRS}" "${JPEG_LIBRARIES}")

  find_path(WEBP_INCLUDE_DIR webp/demux.h)
  find_library(WEBP_LIBRARY webp)
  find_library(WEBP_DEMUX_LIBRARY webpdemux)
  set(NAD_HAVE_WEBP OFF)
  if(WEBP_INCLUDE_DIR AND WEBP_LIBRARY AND WEBP_DEMUX_LIBRARY)
    set(NAD_HAVE_WEBP ON)
  endif()
  nad_image_library(NAD_WEBP "WebP (libwebp)" NAD_HAVE_WEBP "${WEBP_INCLUDE_DIR}" "${WEBP_DEMUX_LIBRARY};${WEBP_LIBRARY}")

  find_package(GIF 5 QUIET)
  nad_image_library(NAD_GIF "GIF (giflib)" GIF_FOUND "${GIF_INCLUDE_DIRS}" "${GIF_LIBRARIES}")

  find_package(TIFF QUIET)  # errors of one file at a time are new in 4.5
  set(NAD_HAVE_TIFF OFF)
  if(TIFF_FOUND AND TIFF_VERSION_STRING VERSION_GREATER_EQUAL 4.5)
    set(NAD_HAVE_TIFF ON)
  endif()
  nad_image_library(NAD_TIFF "TIFF (libtiff 4.5)" NAD_HAVE_TIFF "${TIFF_INCLUDE_DIRS}" "${TIFF_LIBRARIES}")

  find_package(ZLIB QUIET)
  nad_image_library(NAD_ZLIB "gzip (zlib)" ZLIB_FOUND "${ZLIB_INCLUDE_DIRS}" "${ZLIB_LIBRARIES}")
endif()
if(NAD_IMAGE_LIBRARIES STREQUAL "ON" AND NAD_NO_IMAGE_FORMATS)
  message(FATAL_ERROR "image libraries were asked for (NAD_IMAGE_LIBRARIES=ON) and are not all there: ${NAD_NO_IMAGE_FORMATS}; ${NAD_HINT}")
endif()
