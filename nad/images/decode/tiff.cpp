// TIFF, by libtiff: the first page, by the library's own conversion to RGB.
#include "nad/images/decode/format.h"

#ifndef NAD_TIFF
#define NAD_TIFF 0
#endif

#if NAD_TIFF
#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <utility>
#endif

namespace nad::decode {
namespace {

// Both orders of bytes, plain and BigTIFF.
bool is_tiff(const Bytes& bytes) {
  return begins_with(bytes, "II*\0", 4) || begins_with(bytes, "MM\0*", 4) || begins_with(bytes, "II+\0", 4) ||
         begins_with(bytes, "MM\0+", 4);
}

#if NAD_TIFF

// A file in memory, and the first thing that libtiff had to say against it.
struct Source {
  const Bytes* bytes;
  uint64_t at = 0;
  char error[256] = "";
};

tmsize_t read_some(thandle_t handle, void* to, tmsize_t count) {
  Source& source = *static_cast<Source*>(handle);
  const uint64_t size = source.bytes->size();
  if (source.at >= size || count <= 0) return 0;
  const uint64_t some = std::min(static_cast<uint64_t>(count), size - source.at);
  std::memcpy(to, source.bytes->data() + source.at, some);
  source.at += some;
  return static_cast<tmsize_t>(some);
}

tmsize_t write_nothing(thandle_t, void*, tmsize_t) { return 0; }

toff_t seek(thandle_t handle, toff_t offset, int whence) {
  Source& source = *static_cast<Source*>(handle);
  const uint64_t base = whence == SEEK_CUR ? source.at : whence == SEEK_END ? source.bytes->size() : 0;
  return source.at = base + offset;
}

int close_nothing(thandle_t) { return 0; }
toff_t size_of(thandle_t handle) { return static_cast<Source*>(handle)->bytes->size(); }

int on_error(TIFF*, void* user, const char*, const char* format, va_list arguments) {
  Source& source = *static_cast<Source*>(user);
  if (source.error[0] == '\0') std::vsnprintf(source.error, sizeof source.error, format, arguments);
  return 1;  // nothing is printed
}

int on_warning(TIFF*, void*, const char*, const char*, va_list) { return 1; }

struct Closed {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
  void operator()(TIFFOpenOptions* options) const { TIFFOpenOptionsFree(options); }
  void operator()(TIFFRGBAImage* image) const { TIFFRGBAImageEnd(image); }
};

std::unique_ptr<TIFF, Closed> open(Source& source) {
  const std::unique_ptr<TIFFOpenOptions, Closed> options(TIFFOpenOptionsAlloc());
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_error, &source);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), on_warning, nullptr);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), static_cast<tmsize_t>(4 * kMaxImagePixels));
  // "m": no mapping into memory, where it is already.
  return std::unique_ptr<TIFF, Closed>(TIFFClientOpenExt("image", "rm", &source, read_some, write_nothing, seek,
                                                         close_nothing, size_of, nullptr, nullptr, options.get()));
}

// libtiff multiplies colours by alpha that is not part of them yet. To drop alpha, as elsewhere, it is told that it is.
void drop_alpha(TIFF* tiff) {
  uint16_t count = 0, *kinds = nullptr;
  if (!TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds) || count == 0) return;
  std::vector<uint16_t> associated(kinds, kinds + count);
  associated[0] = EXTRASAMPLE_ASSOCALPHA;
  TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, static_cast<int>(count), associated.data());
}

// Where the pixel (x, y) of the picture as it is to be seen is stored in [height, width], by the tag of orientation.
size_t stored_at(int orientation, uint32_t x, uint32_t y, uint32_t width, uint32_t height) {
  if (orientation >= ORIENTATION_LEFTTOP) std::swap(x, y);
  const bool from_right = orientation == ORIENTATION_TOPRIGHT || orientation == ORIENTATION_BOTRIGHT ||
                          orientation == ORIENTATION_RIGHTBOT || orientation == ORIENTATION_LEFTBOT;
  const bool from_bottom = orientation == ORIENTATION_BOTRIGHT || orientation == ORIENTATION_BOTLEFT ||
                           orientation == ORIENTATION_RIGHTTOP || orientation == ORIENTATION_RIGHTBOT;
  if (from_right) x = width - 1 - x;
  if (from_bottom) y = height - 1 - y;
  return size_t{y} * width + x;
}

// Turned as its tag says, which Pillow does with TIFF alone.
Image turned(const std::vector<uint32_t>& pixels, int orientation, uint32_t width, uint32_t height) {
  const bool sideways = orientation >= ORIENTATION_LEFTTOP;
  Image image = sideways ? blank_image(height, width) : blank_image(width, height);
  uint8_t* rgb = image.rgb.data();
  for (int y = 0; y < image.height; y++) {
    for (int x = 0; x < image.width; x++, rgb += 3) {
      const uint32_t pixel =
          pixels[stored_at(orientation, static_cast<uint32_t>(x), static_cast<uint32_t>(y), width, height)];
      rgb[0] = static_cast<uint8_t>(TIFFGetR(pixel));
      rgb[1] = static_cast<uint8_t>(TIFFGetG(pixel));
      rgb[2] = static_cast<uint8_t>(TIFFGetB(pixel));
    }
  }
  return image;
}

Image decode_tiff(const EncodedImage& encoded) {
  Source source{&encoded.bytes};
  const auto refuse = [&](const char* what) {
    fail(encoded, std::string("the TIFF file ") + what + (source.error[0] ? std::string(": ") + source.error : ""));
  };
  const std::unique_ptr<TIFF, Closed> tiff = open(source);
  if (!tiff) refuse("cannot be opened");
  uint32_t width = 0, height = 0;
  TIFFGetField(tiff.get(), TIFFTAG_IMAGEWIDTH, &width);
  TIFFGetField(tiff.get(), TIFFTAG_IMAGELENGTH, &height);
  check_dimensions(encoded, width, height);
  drop_alpha(tiff.get());
  char why[1024] = "";
  TIFFRGBAImage conversion;
  if (!TIFFRGBAImageOK(tiff.get(), why) || !TIFFRGBAImageBegin(&conversion, tiff.get(), 1, why)) {
    if (source.error[0] == '\0') std::snprintf(source.error, sizeof source.error, "%.255s", why);
    refuse("is of a kind that is not read");
  }
  const std::unique_ptr<TIFFRGBAImage, Closed> ended(&conversion);
  conversion.req_orientation = conversion.orientation;  // rows as they are stored
  std::vector<uint32_t> pixels(size_t{width} * height);
  if (!TIFFRGBAImageGet(&conversion, pixels.data(), width, height) || source.error[0])
    refuse("is cut short or damaged");
  const int orientation =
      conversion.orientation <= ORIENTATION_LEFTBOT ? conversion.orientation : ORIENTATION_TOPLEFT;
  return turned(pixels, orientation, width, height);
}

// "LIBTIFF, Version 4.5.0" and lines of copyright.
std::string library() {
  const std::string text = TIFFGetVersion(), before = "Version ";
  const size_t at = text.find(before);
  if (at == std::string::npos) return "libtiff";
  const size_t begin = at + before.size();
  return "libtiff " + text.substr(begin, text.find('\n', begin) - begin);
}

#else

constexpr Image (*decode_tiff)(const EncodedImage&) = nullptr;
std::string library() { return ""; }

#endif

}  // namespace

Format tiff_format() { return {"TIFF", {".tif", ".tiff"}, library(), is_tiff, decode_tiff}; }

}  // namespace nad::decode
