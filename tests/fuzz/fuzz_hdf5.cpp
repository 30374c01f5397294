// libFuzzer's target for every reader of HDF5 files: whatever the file, each gives what it holds or an Error.
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <string>

#include "engine/error.h"
#include "nad/store/analysis.h"
#include "nad/store/file_kind.h"
#include "nad/store/results.h"
#include "weights/replay_case.h"
#include "weights/weights.h"

namespace {

// In memory, so that a million files wear out no disk.
const std::string& path() {
  static const std::string file = "/dev/shm/nad_fuzz_hdf5_" + std::to_string(getpid()) + ".h5";
  return file;
}

void write_file(const uint8_t* bytes, size_t size) {
  std::FILE* file = std::fopen(path().c_str(), "wb");
  if (!file || std::fwrite(bytes, 1, size, file) != size || std::fclose(file) != 0) std::abort();
}

// Memory that a header asks for and that is not there is an error like others (exit code 6).
template <class Read>
void try_reading(Read&& read) {
  try {
    read();
  } catch (const nad::Error&) {
  } catch (const std::bad_alloc&) {
  }
}

void read_weights() {
  const nad::WeightsFile file(path());
  for (const nad::TensorSpec& tensor : file.tensors()) try_reading([&] { file.read(tensor.name, tensor.shape); });
  try_reading([&] { file.read_all(file.tensors()); });
  for (const char* split : {"train", "val"}) {
    for (const std::string& id : file.image_classes(split)) try_reading([&] { file.images(split, id); });
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  write_file(bytes, size);
  try_reading([] { nad::file_kind(path()); });
  try_reading(read_weights);
  try_reading([] { nad::read_results(path()); });
  try_reading([] { nad::read_analysis(path()); });
  try_reading([] { nad::read_raw_images(path()); });
  try_reading([] { nad::read_replay_case(path(), {0.5f, 0.5f, 0.5f}, {0.2f, 0.2f, 0.2f}); });
  ::unlink(path().c_str());
  return 0;
}
