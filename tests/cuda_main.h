// main() of a test of the CUDA backend: it runs on the model of the GPU (tests/host_cuda), and once more, as
// device_X, on a GPU (tests/device). Without a device it says so and ends with the device error, never as passed.
#pragma once

#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>

#include "engine/error.h"
#include "host_cuda/control.h"  // the model's, or tests/device/host_cuda/control.h
#include "kernels/backends.h"

int main(int argc, char** argv) {
  setvbuf(stdout, nullptr, _IOLBF, 0);  // a run that is stopped has told what it did so far
  const std::string problem = nad::cuda_problem(0);
  if (!problem.empty()) {
    std::fprintf(stderr, "%s: %s\n", argv[0], problem.c_str());
    return nad::Error(nad::ErrorKind::device, problem).exit_code();
  }
  return doctest::Context(argc, argv).run();
}
