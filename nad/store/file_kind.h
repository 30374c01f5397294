// Which of this project's HDF5 files a file is.
#pragma once

#include <string>

namespace nad {

// The root attribute `kind`, as in "nad results"; empty where there is none. Throws Error(data) where the file is
// missing or not HDF5.
std::string file_kind(const std::string& path);

}  // namespace nad
