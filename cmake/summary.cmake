# The table at the end of configuring: what was found, what is missing, what that means.
function(nad_row name found detail)
  if(${found})  # the name of a variable, or ON
    message(STATUS "  [found]   ${name}: ${detail}")
  else()
    message(STATUS "  [missing] ${name}: ${detail}")
  endif()
endfunction()

message(STATUS "nad ${PROJECT_VERSION}, ${CMAKE_BUILD_TYPE}, ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")
nad_row("HDF5" ON "${HDF5_VERSION}")
nad_row("stb_image" ON "${STB_INCLUDE_DIR}")
nad_row("OpenMP" OpenMP_CXX_FOUND "threads of the CPU backend (without it: one thread)")
nad_row("oneDNN" NAD_HAVE_ONEDNN "convolutions and linear layers that have no hand-written kernel on this processor")
nad_row("CUDA" NAD_HAVE_CUDA "CUDA backend (architectures: ${CMAKE_CUDA_ARCHITECTURES}); without nvcc, cpu and reference alone")
nad_row("doctest" doctest_FOUND "unit tests")
nad_row("Google Benchmark" benchmark_FOUND "kernel benchmarks (bench/)")
