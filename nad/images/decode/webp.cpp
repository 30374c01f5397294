// WebP, by libwebp: the library, and the pixels, of Pillow. Of an animation the first frame.
#include "nad/images/decode/format.h"

#ifndef NAD_WEBP
#define NAD_WEBP 0
#endif

#if NAD_WEBP
#include <webp/decode.h>
#include <webp/demux.h>

#include <memory>
#endif

namespace nad::decode {
namespace {

bool is_webp(const Bytes& bytes) { return begins_with(bytes, "RIFF", 4) && begins_with(bytes, "WEBP", 4, 8); }

#if NAD_WEBP

const char* text_of(VP8StatusCode status) {
  switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA:
    case VP8_STATUS_SUSPENDED:
      return "the WebP file is cut short";
    case VP8_STATUS_UNSUPPORTED_FEATURE:
      return "a WebP feature that libwebp does not read";
    default:
      return "the WebP file is damaged";
  }
}

// Decodes one picture [height, width] to rows that are `stride` bytes apart. rgb: `size` bytes.
void decode_picture(const EncodedImage& encoded, const uint8_t* bytes, size_t length, uint8_t* rgb, size_t size,
                    int stride) {
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) fail(encoded, "libwebp is another one than that of this build");
  config.output.colorspace = MODE_RGB;  // alpha is dropped
  config.output.is_external_memory = 1;
  config.output.u.RGBA = {rgb, stride, size};
  const VP8StatusCode status = WebPDecode(bytes, length, &config);
  if (status == VP8_STATUS_OUT_OF_MEMORY) no_memory(encoded, config.input.width, config.input.height);
  if (status != VP8_STATUS_OK) fail(encoded, text_of(status));
}

// On its canvas, which is black where the frame is not.
void decode_first_frame(const EncodedImage& encoded, Image& canvas) {
  const WebPData data = {encoded.bytes.data(), encoded.bytes.size()};
  const std::unique_ptr<WebPDemuxer, void (*)(WebPDemuxer*)> demuxer(WebPDemux(&data), WebPDemuxDelete);
  WebPIterator frame = {};
  if (!demuxer || !WebPDemuxGetFrame(demuxer.get(), 1, &frame)) fail(encoded, "the WebP animation is damaged");
  const std::unique_ptr<WebPIterator, void (*)(WebPIterator*)> released(&frame, WebPDemuxReleaseIterator);
  const bool inside = frame.x_offset >= 0 && frame.y_offset >= 0 && frame.width > 0 && frame.height > 0 &&
                      frame.x_offset <= canvas.width - frame.width && frame.y_offset <= canvas.height - frame.height;
  if (!inside || !frame.complete) fail(encoded, "the WebP animation's first frame is damaged");
  int width = 0, height = 0;  // of the picture itself
  if (!WebPGetInfo(frame.fragment.bytes, frame.fragment.size, &width, &height) || width != frame.width ||
      height != frame.height)
    fail(encoded, "the WebP animation's first frame is damaged");
  const int stride = 3 * canvas.width;
  const size_t at = static_cast<size_t>(frame.y_offset) * static_cast<size_t>(stride) + size_t{3} * frame.x_offset;
  decode_picture(encoded, frame.fragment.bytes, frame.fragment.size, canvas.rgb.data() + at, canvas.rgb.size() - at,
                 stride);
}

Image decode_webp(const EncodedImage& encoded) {
  const Bytes& bytes = encoded.bytes;
  if (size_t{little_endian(bytes, 4, 4)} + 8 > bytes.size()) fail(encoded, "the WebP file is cut short");
  WebPBitstreamFeatures features;
  const VP8StatusCode status = WebPGetFeatures(bytes.data(), bytes.size(), &features);
  if (status != VP8_STATUS_OK) fail(encoded, text_of(status));
  check_dimensions(encoded, features.width, features.height);
  Image image = blank_image(features.width, features.height);
  if (features.has_animation) {
    decode_first_frame(encoded, image);
  } else {
    decode_picture(encoded, bytes.data(), bytes.size(), image.rgb.data(), image.rgb.size(), 3 * image.width);
  }
  return image;
}

std::string library() {
  const int version = WebPGetDecoderVersion();
  return "libwebp " + std::to_string(version >> 16) + "." + std::to_string(version >> 8 & 255) + "." +
         std::to_string(version & 255);
}

#else

constexpr Image (*decode_webp)(const EncodedImage&) = nullptr;
std::string library() { return ""; }

#endif

}  // namespace

Format webp_format() { return {"WebP", {".webp"}, library(), is_webp, decode_webp}; }

}  // namespace nad::decode
