# nad_cuda, the CUDA backend, where nvcc is found: kernels/cuda/*.cu and *.cpp, all compiled by nvcc. kernels/backends.cpp
# learns of it by the definition NAD_CUDA. Without nvcc the program is complete but has no device "cuda".
set(NAD_HAVE_CUDA OFF)
if(NOT NAD_CUDA STREQUAL "OFF")
  if(NOT CMAKE_CUDA_COMPILER)
    unset(CMAKE_CUDA_COMPILER CACHE)  # "not found" of an earlier run: nvcc may have come since
  endif()
  include(CheckLanguage)
  check_language(CUDA)
  if(CMAKE_CUDA_COMPILER)
    set(NAD_HAVE_CUDA ON)
  elseif(NAD_CUDA STREQUAL "ON")
    message(FATAL_ERROR "CUDA was asked for (NAD_CUDA=ON) and no nvcc was found: put it on PATH or set CMAKE_CUDA_COMPILER")
  endif()
endif()
if(NOT NAD_HAVE_CUDA)
  return()
endif()

if(NOT CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 80 90 CACHE STRING "GPU architectures: machine code for each and PTX for later ones")
endif()
enable_language(CUDA)
if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # older CMake does not know that nvcc 12 and later can
  set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
  set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
endif()
find_package(CUDAToolkit REQUIRED)

file(GLOB cuda_files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/kernels/cuda/*.cu ${CMAKE_SOURCE_DIR}/kernels/cuda/*.cpp)
set_source_files_properties(${cuda_files} PROPERTIES LANGUAGE CUDA)
add_library(nad_cuda STATIC ${cuda_files})
target_include_directories(nad_cuda PUBLIC ${CMAKE_SOURCE_DIR})
target_link_libraries(nad_cuda PUBLIC nad_engine PRIVATE CUDA::cudart_static ${CMAKE_DL_LIBS})
# Not -Wpedantic: nvcc's own output is not pedantic C++.
# Warning 554 is about a view of const that converts to itself, which C++ allows and ignores.
target_compile_options(nad_cuda PRIVATE -diag-suppress=554 -Xcompiler=-Wall,-Wextra,-Wshadow,-Wno-restrict)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 13)
  target_compile_options(nad_cuda PRIVATE -Xcompiler=-Wno-dangling-reference)  # as in cmake/targets.cmake
endif()
if(NAD_WERROR)
  target_compile_options(nad_cuda PRIVATE -Werror all-warnings -Xcompiler=-Werror)
endif()

target_link_libraries(nad_kernels PUBLIC nad_cuda)
target_link_libraries(nad_cuda INTERFACE $<LINK_ONLY:nad_kernels>)  # the checks of arguments, which all backends share
set_source_files_properties(kernels/backends.cpp PROPERTIES COMPILE_DEFINITIONS NAD_CUDA=1)
