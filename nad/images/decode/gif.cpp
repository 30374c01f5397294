// GIF, by giflib: the first frame, as Pillow shows it.
#include "nad/images/decode/format.h"

#ifndef NAD_GIF
#define NAD_GIF 0
#endif

#if NAD_GIF
#include <gif_lib.h>

#include <algorithm>
#include <cstring>
#include <memory>
#endif

namespace nad::decode {
namespace {

bool is_gif(const Bytes& bytes) { return begins_with(bytes, "GIF87a", 6) || begins_with(bytes, "GIF89a", 6); }

#if NAD_GIF

struct Reader {
  const Bytes* bytes;
  size_t at = 0;
};

int read_some(GifFileType* gif, GifByteType* to, int count) {
  Reader& reader = *static_cast<Reader*>(gif->UserData);
  const size_t some = std::min(static_cast<size_t>(std::max(0, count)), reader.bytes->size() - reader.at);
  if (some > 0) std::memcpy(to, reader.bytes->data() + reader.at, some);
  reader.at += some;
  return static_cast<int>(some);
}

void close(GifFileType* gif) {
  int ignored = 0;
  DGifCloseFile(gif, &ignored);
}

[[noreturn]] void fail_with(const EncodedImage& encoded, int error) {
  if (error == D_GIF_ERR_NOT_ENOUGH_MEM) no_memory(encoded, 0, 0);
  const char* text = GifErrorString(error);
  fail(encoded, std::string("the GIF file is cut short or damaged") + (text ? std::string(" (") + text + ")" : ""));
}

// Reads up to the first frame's pixels. The colour that is transparent in it, -1 where there is none.
int find_first_frame(const EncodedImage& encoded, GifFileType* gif) {
  int transparent = NO_TRANSPARENT_COLOR;
  while (true) {
    GifRecordType record = UNDEFINED_RECORD_TYPE;
    if (DGifGetRecordType(gif, &record) == GIF_ERROR) fail_with(encoded, gif->Error);
    if (record == TERMINATE_RECORD_TYPE) fail(encoded, "the GIF file holds no image");
    if (record == IMAGE_DESC_RECORD_TYPE) break;
    int code = 0;
    GifByteType* block = nullptr;
    if (DGifGetExtension(gif, &code, &block) == GIF_ERROR) fail_with(encoded, gif->Error);
    while (block) {
      GraphicsControlBlock control;
      if (code == GRAPHICS_EXT_FUNC_CODE && DGifExtensionToGCB(block[0], block + 1, &control) == GIF_OK)
        transparent = control.TransparentColor;
      if (DGifGetExtensionNext(gif, &block) == GIF_ERROR) fail_with(encoded, gif->Error);
    }
  }
  if (DGifGetImageDesc(gif) == GIF_ERROR) fail_with(encoded, gif->Error);
  return transparent;
}

// The frame's rows in the order in which they are stored.
std::vector<int> stored_rows(int height, bool interlaced) {
  std::vector<int> rows;
  if (!interlaced) {
    for (int y = 0; y < height; y++) rows.push_back(y);
    return rows;
  }
  constexpr int kFirst[] = {0, 4, 2, 1}, kStep[] = {8, 8, 4, 2};
  for (int pass = 0; pass < 4; pass++) {
    for (int y = kFirst[pass]; y < height; y += kStep[pass]) rows.push_back(y);
  }
  return rows;
}

void put_colour(const ColorMapObject* colours, int index, uint8_t* rgb) {
  if (!colours) {
    rgb[0] = rgb[1] = rgb[2] = static_cast<uint8_t>(index);
    return;
  }
  const GifColorType colour = index < colours->ColorCount ? colours->Colors[index] : GifColorType{0, 0, 0};
  rgb[0] = colour.Red, rgb[1] = colour.Green, rgb[2] = colour.Blue;
}

// Alpha is dropped: a transparent pixel has its palette's colour, and so has what the frame leaves of its screen (its
// first colour where none is transparent).
Image decode_gif(const EncodedImage& encoded) {
  Reader reader{&encoded.bytes};
  int error = 0;
  const std::unique_ptr<GifFileType, void (*)(GifFileType*)> gif(DGifOpen(&reader, read_some, &error), close);
  if (!gif) fail_with(encoded, error);
  const int transparent = find_first_frame(encoded, gif.get());
  const GifImageDesc& frame = gif->Image;
  const int64_t right = int64_t{frame.Left} + frame.Width, bottom = int64_t{frame.Top} + frame.Height;
  check_dimensions(encoded, frame.Width, frame.Height);
  const int64_t width = std::max<int64_t>(gif->SWidth, right), height = std::max<int64_t>(gif->SHeight, bottom);
  check_dimensions(encoded, width, height);
  Image image = blank_image(width, height);
  const ColorMapObject* colours = frame.ColorMap ? frame.ColorMap : gif->SColorMap;
  if (frame.Width < image.width || frame.Height < image.height) {
    const auto row = static_cast<size_t>(3 * width);
    for (size_t x = 0; x < row; x += 3) put_colour(colours, std::max(0, transparent), image.rgb.data() + x);
    for (int y = 1; y < image.height; y++) std::memcpy(image.rgb.data() + row * y, image.rgb.data(), row);
  }
  Bytes indices(static_cast<size_t>(frame.Width));
  for (const int y : stored_rows(frame.Height, frame.Interlace)) {
    if (DGifGetLine(gif.get(), indices.data(), frame.Width) == GIF_ERROR) fail_with(encoded, gif->Error);
    uint8_t* rgb = image.rgb.data() + 3 * ((frame.Top + y) * width + frame.Left);
    for (int x = 0; x < frame.Width; x++) put_colour(colours, indices[static_cast<size_t>(x)], rgb + 3 * x);
  }
  return image;
}

std::string library() {
  return "giflib " + std::to_string(GIFLIB_MAJOR) + "." + std::to_string(GIFLIB_MINOR) + "." +
         std::to_string(GIFLIB_RELEASE);
}

#else

constexpr Image (*decode_gif)(const EncodedImage&) = nullptr;
std::string library() { return ""; }

#endif

}  // namespace

Format gif_format() { return {"GIF", {".gif"}, library(), is_gif, decode_gif}; }

}  // namespace nad::decode
