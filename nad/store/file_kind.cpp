#include "nad/store/file_kind.h"

#include "weights/hdf5_reader.h"

namespace nad {

std::string file_kind(const std::string& path) {
  const hdf5::QuietErrors quiet;
  const hdf5::Handle file = hdf5::open_file(path, "file");
  const Attributes attributes = hdf5::read_attributes(file.get(), "file " + path);
  return attributes.get<std::string>("kind", "");
}

}  // namespace nad
