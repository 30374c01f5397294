// An image as it lies in a file: name for messages, bytes for the decoder.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace nad {

struct EncodedImage {
  std::string name;
  std::vector<uint8_t> bytes;
};

}  // namespace nad
