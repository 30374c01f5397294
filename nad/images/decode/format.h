// One image format: how its files begin, which library reads them, and how they become pixels. A file each in this
// folder; nad/images/images.cpp chooses by the first bytes, never by the ending of a name.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nad/images/images.h"

namespace nad::decode {

using Bytes = std::vector<uint8_t>;

struct Format {
  const char* name;                      // "WebP"
  std::vector<std::string> endings;      // ".webp", lower case
  std::string library;                   // with its version; empty where this build has none
  bool (*recognises)(const Bytes&);      // by how the file begins, whatever the build
  Image (*decode)(const EncodedImage&);  // throws as decode_image(); not called without a library
};

Format jpeg_format();
Format png_format();
Format bmp_format();
Format webp_format();
Format gif_format();
Format tiff_format();
Format netpbm_format();  // PGM and PPM

// Any of them may lie compressed in a file. unpack_gzip() throws as decode_image(); not called without a library.
bool is_gzip(const Bytes& bytes);
std::string gzip_library();  // as Format::library
EncodedImage unpack_gzip(const EncodedImage& packed);

// For the formats: Error(data) with the image's name.
[[noreturn]] void fail(const EncodedImage& encoded, const std::string& why);
// Fails but for sides of 1 to kMaxImageSide and at most kMaxImagePixels.
void check_dimensions(const EncodedImage& encoded, int64_t width, int64_t height);
// Throws Error(memory).
[[noreturn]] void no_memory(const EncodedImage& encoded, int64_t width, int64_t height);
// Black; the dimensions must have been checked.
Image blank_image(int64_t width, int64_t height);

bool begins_with(const Bytes& bytes, const char* signature, size_t length, size_t at = 0);
uint32_t little_endian(const Bytes& bytes, size_t at, int count);
uint32_t big_endian32(const Bytes& bytes, size_t at);

}  // namespace nad::decode
