// JPEG, by libjpeg-turbo: the library, and with its defaults the pixels, of Pillow. By stb_image where it is missing.
#include "nad/images/decode/jpeg_segments.h"

#ifndef NAD_TURBOJPEG
#define NAD_TURBOJPEG 0
#endif

#if NAD_TURBOJPEG

// clang-format off
#include <csetjmp>
#include <cstddef>
#include <cstdio>

#include <jpeglib.h>
#include <jerror.h>
// clang-format on

namespace nad::decode {
namespace {

// A progressive file may have any number of scans over the whole image, a few bytes each.
constexpr int kMaxScans = 500;

// libjpeg's errors do not return. They jump back into the function that called the library, which holds nothing that
// would have to be destroyed; what has to be lies in its callers.
struct Decompressor {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf back{};
  char text[JMSG_LENGTH_MAX] = "";

  Decompressor();
  ~Decompressor() { jpeg_destroy_decompress(&info); }
  Decompressor(const Decompressor&) = delete;
  Decompressor& operator=(const Decompressor&) = delete;
};

Decompressor& of(j_common_ptr info) { return *static_cast<Decompressor*>(info->client_data); }

[[noreturn]] void on_error(j_common_ptr info) {
  Decompressor& d = of(info);
  info->err->format_message(info, d.text);
  std::longjmp(d.back, 1);
}

// Warnings (level -1) mean that pixels are made up, but for those that concern bytes around the pixels.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  switch (info->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_BOGUS_PROGRESSION:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_NOT_SEQUENTIAL:
    case JWRN_TOO_MUCH_DATA:
      return;
    default:
      on_error(info);
  }
}

void on_progress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMaxScans) return;
  Decompressor& d = of(info);
  std::snprintf(d.text, sizeof d.text, "more than %d scans", kMaxScans);
  std::longjmp(d.back, 1);
}

Decompressor::Decompressor() {
  info.err = jpeg_std_error(&errors);
  info.client_data = this;
  errors.error_exit = on_error;
  errors.emit_message = on_message;
  progress.progress_monitor = on_progress;
}

// False where the library gave up: text says why.
bool read_header(Decompressor& d, const uint8_t* bytes, size_t size) {
  if (setjmp(d.back)) return false;
  jpeg_create_decompress(&d.info);
  d.info.progress = &d.progress;
  jpeg_mem_src(&d.info, bytes, static_cast<unsigned long>(size));
  jpeg_read_header(&d.info, TRUE);
  return true;
}

// a * b / 255, rounded.
int product(int a, int b) {
  const int twice = a * b + 128;
  return ((twice >> 8) + twice) >> 8;
}

// Adobe's files hold 255 minus the amount of ink: black times each colour, as Pillow has it.
void colours_of_inks(const uint8_t* inks, unsigned width, uint8_t* rgb) {
  for (unsigned x = 0; x < width; x++) {
    const int black = inks[4 * x + 3];
    for (int c = 0; c < 3; c++) {
      const int value = black - product(255 - inks[4 * x + c], black);
      rgb[3 * size_t{x} + static_cast<size_t>(c)] = static_cast<uint8_t>(value < 0 ? 0 : value);
    }
  }
}

// inks: of one row [width, 4] in an image of four components, else null. rgb: [height, width, 3].
bool read_pixels(Decompressor& d, uint8_t* inks, uint8_t* rgb) {
  if (setjmp(d.back)) return false;
  d.info.out_color_space = inks ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(&d.info);
  while (d.info.output_scanline < d.info.output_height) {
    uint8_t* const row = rgb + size_t{3} * d.info.output_width * d.info.output_scanline;
    JSAMPROW target = inks ? inks : row;
    jpeg_read_scanlines(&d.info, &target, 1);
    if (inks) colours_of_inks(inks, d.info.output_width, row);
  }
  jpeg_finish_decompress(&d.info);
  return true;
}

[[noreturn]] void fail_with(const EncodedImage& encoded, const Decompressor& d) {
  if (d.errors.msg_code == JERR_OUT_OF_MEMORY) no_memory(encoded, d.info.image_width, d.info.image_height);
  fail(encoded, d.text);
}

Image decode_jpeg(const EncodedImage& encoded) {
  if (const char* damage = jpeg_damage(encoded.bytes)) fail(encoded, damage);
  Decompressor d;
  if (!read_header(d, encoded.bytes.data(), encoded.bytes.size())) fail_with(encoded, d);
  check_dimensions(encoded, d.info.image_width, d.info.image_height);
  Image image = blank_image(d.info.image_width, d.info.image_height);
  Bytes inks(d.info.num_components == 4 ? size_t{4} * d.info.image_width : 0);
  if (!read_pixels(d, inks.empty() ? nullptr : inks.data(), image.rgb.data())) fail_with(encoded, d);
  return image;
}

#define NAD_TEXT(x) #x
#define NAD_TEXT_OF(x) NAD_TEXT(x)
const char* const kLibrary = "libjpeg-turbo " NAD_TEXT_OF(LIBJPEG_TURBO_VERSION);

}  // namespace
}  // namespace nad::decode

#else

#include "nad/images/decode/stb.h"

namespace nad::decode {
namespace {

Image decode_jpeg(const EncodedImage& encoded) {
  if (const char* damage = jpeg_damage(encoded.bytes)) fail(encoded, damage);
  return decode_with_stb(encoded);
}

const std::string kLibrary = stb_library();

}  // namespace
}  // namespace nad::decode

#endif

namespace nad::decode {

Format jpeg_format() { return {"JPEG", {".jpg", ".jpeg", ".jpe", ".jfif"}, kLibrary, is_jpeg, decode_jpeg}; }

}  // namespace nad::decode
