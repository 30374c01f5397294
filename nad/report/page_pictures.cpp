#include <nlohmann/json.hpp>

#include "nad/report/page.h"
#include "nad/report/script_json.h"

namespace nad {

PagePictures page_pictures(const std::vector<ReportPicture>& pictures, size_t most_bytes) {
  using Json = nlohmann::ordered_json;
  std::string text = "{\"pictures\":[";
  int64_t left_out = 0;
  for (const ReportPicture& picture : pictures) {
    const std::string one = script_json(Json{{"name", picture.name},
                                             {"description", picture.description},
                                             {"width", picture.width},
                                             {"height", picture.height},
                                             {"png", base64(picture.bytes)}});
    if (text.size() + one.size() > most_bytes) {
      ++left_out;
      continue;
    }
    text += (text.back() == '[' ? "" : ",") + one;
  }
  return {text + "],\"left_out\":" + std::to_string(left_out) + "}", left_out};
}

}  // namespace nad
