#include "nad/images/images.h"

#include <algorithm>
#include <climits>
#include <filesystem>

#include "nad/images/decode/format.h"

namespace nad {
namespace {

using decode::Format;

const std::vector<Format>& formats() {
  static const std::vector<Format> all = {decode::jpeg_format(),  decode::png_format(), decode::bmp_format(),
                                          decode::webp_format(),  decode::gif_format(), decode::tiff_format(),
                                          decode::netpbm_format()};
  return all;
}

void append(std::string& text, const char* between, const std::string& more) {
  text += (text.empty() ? "" : between) + more;
}

[[noreturn]] void refuse(const EncodedImage& encoded, const std::string& what) {
  decode::fail(encoded, "a " + what + " file, for which this build has no library");
}

Image decode_plain(const EncodedImage& encoded) {
  for (const Format& format : formats()) {
    if (!format.recognises(encoded.bytes)) continue;
    if (format.library.empty()) refuse(encoded, format.name);
    return format.decode(encoded);
  }
  decode::fail(encoded, "not an image, or of a format that is not read");
}

}  // namespace

Image decode_image(const EncodedImage& encoded) {
  if (encoded.bytes.empty()) decode::fail(encoded, "the file is empty or cannot be read");
  if (encoded.bytes.size() > INT_MAX) decode::fail(encoded, "the file has more than 2 GiB");
  if (!decode::is_gzip(encoded.bytes)) return decode_plain(encoded);
  if (decode::gzip_library().empty()) refuse(encoded, "gzip");
  return decode_plain(decode::unpack_gzip(encoded));
}

bool has_image_ending(const std::string& file_name) {
  std::string ending = std::filesystem::path(file_name).extension().string();
  for (char& c : ending) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (ending == ".gz") return !decode::gzip_library().empty();
  return std::any_of(formats().begin(), formats().end(), [&](const Format& format) {
    return !format.library.empty() &&
           std::find(format.endings.begin(), format.endings.end(), ending) != format.endings.end();
  });
}

std::string readable_images() {
  std::string text;
  for (const Format& format : formats()) {
    if (!format.library.empty()) append(text, ", ", format.name);
  }
  return text;
}

std::string image_endings() {
  std::string text;
  for (const Format& format : formats()) {
    for (const std::string& ending : format.endings) {
      if (!format.library.empty()) append(text, ", ", ending);
    }
  }
  return text + (decode::gzip_library().empty() ? "" : ", .gz");
}

std::string image_decoders() {
  std::string text;
  for (const Format& format : formats()) {
    if (!format.library.empty() && format.library != "nad") append(text, ", ", format.name + (" " + format.library));
  }
  return text + (decode::gzip_library().empty() ? "" : ", gzip " + decode::gzip_library());
}

}  // namespace nad
