// PGM and PPM in their four forms: grey or colour, as text or as bytes (netpbm.sourceforge.net/doc/ppm.html).
#include "nad/images/decode/format.h"

namespace nad::decode {
namespace {

bool is_blank(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

bool is_netpbm(const Bytes& bytes) {
  return bytes.size() >= 3 && bytes[0] == 'P' &&
         (bytes[1] == '2' || bytes[1] == '3' || bytes[1] == '5' || bytes[1] == '6') &&
         (is_blank(bytes[2]) || bytes[2] == '#');
}

class Reader {
 public:
  explicit Reader(const EncodedImage& encoded) : encoded_(encoded), bytes_(encoded.bytes) {}

  // The next number as text, behind blanks and comments.
  int64_t number() {
    skip_blanks();
    if (at_ == bytes_.size()) cut();
    int64_t value = 0;
    const size_t begin = at_;
    for (; at_ < bytes_.size() && bytes_[at_] >= '0' && bytes_[at_] <= '9'; at_++) {
      value = 10 * value + (bytes_[at_] - '0');
      if (value > INT32_MAX) fail(encoded_, "a number above 2147483647");
    }
    if (at_ == begin) fail(encoded_, "a letter where a number is expected");
    return value;
  }

  // The one blank between the header and the bytes.
  void blank() {
    if (at_ == bytes_.size()) cut();
    if (!is_blank(bytes_[at_++])) fail(encoded_, "a header that does not end in a blank");
  }

  const uint8_t* take(int64_t count) {
    if (count > left()) cut();
    const uint8_t* const begin = bytes_.data() + at_;
    at_ += static_cast<size_t>(count);
    return begin;
  }

  int64_t left() const { return static_cast<int64_t>(bytes_.size() - at_); }
  [[noreturn]] void cut() const { fail(encoded_, "the PGM or PPM file is cut short"); }

 private:
  void skip_blanks() {
    while (at_ < bytes_.size() && (is_blank(bytes_[at_]) || bytes_[at_] == '#')) {
      if (bytes_[at_] == '#') {
        while (at_ < bytes_.size() && bytes_[at_] != '\n' && bytes_[at_] != '\r') at_++;
      } else {
        at_++;
      }
    }
  }

  const EncodedImage& encoded_;
  const Bytes& bytes_;
  size_t at_ = 2;  // behind the signature
};

// Values 0 to maximum become 0 to 255, rounded.
Image decode_netpbm(const EncodedImage& encoded) {
  const uint8_t form = encoded.bytes[1];
  const bool text = form == '2' || form == '3', colour = form == '3' || form == '6';
  Reader reader(encoded);
  const int64_t width = reader.number(), height = reader.number(), maximum = reader.number();
  check_dimensions(encoded, width, height);
  if (maximum < 1 || maximum > 65535) fail(encoded, "the maximum is " + std::to_string(maximum) + ", not 1 to 65535");
  const int64_t samples = (colour ? 3 : 1) * width * height, bytes_each = maximum > 255 ? 2 : 1;
  if (text && reader.left() < 2 * samples) reader.cut();  // a digit and a blank each, the first of them before it
  if (!text) reader.blank();
  const uint8_t* raw = text ? nullptr : reader.take(bytes_each * samples);
  Image image = blank_image(width, height);
  const auto next = [&] {
    if (text) return reader.number();
    int64_t value = *raw++;
    if (bytes_each == 2) value = value << 8 | *raw++;
    return value;
  };
  for (int64_t i = 0; i < samples; i++) {
    const int64_t value = next();
    if (value > maximum) fail(encoded, "a value above the maximum of " + std::to_string(maximum));
    const auto byte = static_cast<uint8_t>((2 * 255 * value + maximum) / (2 * maximum));
    for (int64_t c = 0; c < (colour ? 1 : 3); c++) image.rgb[static_cast<size_t>(colour ? i : 3 * i + c)] = byte;
  }
  return image;
}

}  // namespace

Format netpbm_format() { return {"PGM/PPM", {".pgm", ".ppm"}, "nad", is_netpbm, decode_netpbm}; }

}  // namespace nad::decode
