#include "nad/report/script_json.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "nad/report/text.h"

namespace nad {

std::string script_json(const nlohmann::ordered_json& json) {
  // Text beyond ASCII is escaped, and with it the two line ends that JSON allows and scripts once did not.
  const std::string text = json.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
  std::string safe;
  safe.reserve(text.size());
  for (const char c : text) {
    if (c == '<' || c == '>' || c == '&') {
      safe += format("\\u%04x", static_cast<unsigned>(c));
    } else {
      safe += c;
    }
  }
  return safe;
}

std::string base64(std::span<const std::byte> bytes) {
  constexpr const char* kDigits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    const size_t left = std::min<size_t>(3, bytes.size() - i);
    uint32_t group = 0;
    for (size_t j = 0; j < 3; j++) group = group << 8 | (j < left ? std::to_integer<uint32_t>(bytes[i + j]) : 0u);
    for (size_t j = 0; j < 4; j++) text += j <= left ? kDigits[group >> (18 - 6 * j) & 63] : '=';
  }
  return text;
}

}  // namespace nad
