// Files that gzip has compressed, by zlib.
#include "nad/images/decode/format.h"

#ifndef NAD_ZLIB
#define NAD_ZLIB 0
#endif

#if NAD_ZLIB
#include <zlib.h>

#include <algorithm>
#include <memory>

#include "engine/error.h"
#endif

namespace nad::decode {

bool is_gzip(const Bytes& bytes) { return begins_with(bytes, "\x1F\x8B\x08", 3); }

#if NAD_ZLIB

namespace {

// What is unpacked may have: the largest image that is read, in the largest of its forms (16 bits and a header).
constexpr size_t kMaxUnpacked = size_t{6} * kMaxImagePixels + (size_t{1} << 20);

}  // namespace

// One member after another, as gzip does; what follows them is passed over.
EncodedImage unpack_gzip(const EncodedImage& packed) {
  z_stream stream{};
  constexpr int kGzip = 16 + MAX_WBITS;
  if (inflateInit2(&stream, kGzip) != Z_OK) throw Error(ErrorKind::memory, "image " + packed.name + ": no memory");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> ended(&stream, inflateEnd);
  stream.next_in = const_cast<Bytef*>(packed.bytes.data());
  stream.avail_in = static_cast<uInt>(packed.bytes.size());
  EncodedImage image{packed.name, {}};
  size_t done = 0;
  while (true) {
    if (done == image.bytes.size()) {
      if (done >= kMaxUnpacked) fail(packed, "unpacks to more than " + std::to_string(kMaxUnpacked >> 20) + " MiB");
      image.bytes.resize(std::min(kMaxUnpacked, std::max(size_t{1} << 16, 2 * done)));
    }
    const size_t room = image.bytes.size() - done;
    stream.next_out = image.bytes.data() + done;
    stream.avail_out = static_cast<uInt>(room);
    const int status = inflate(&stream, Z_NO_FLUSH);
    done = image.bytes.size() - stream.avail_out;
    if (status == Z_STREAM_END) {
      const bool another = stream.avail_in >= 2 && stream.next_in[0] == 0x1F && stream.next_in[1] == 0x8B;
      if (!another || inflateReset(&stream) != Z_OK) break;
    } else if (status == Z_BUF_ERROR || (status == Z_OK && stream.avail_in == 0 && stream.avail_out > 0)) {
      fail(packed, "the gzip file is cut short");
    } else if (status != Z_OK) {
      fail(packed, "the gzip file is damaged");
    }
  }
  image.bytes.resize(done);
  return image;
}

std::string gzip_library() { return std::string("zlib ") + zlibVersion(); }

#else

EncodedImage unpack_gzip(const EncodedImage& packed) { return packed; }
std::string gzip_library() { return ""; }

#endif

}  // namespace nad::decode
