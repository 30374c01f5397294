#include "nad/report/page.h"

#include <algorithm>
#include <map>

#include "nad/report/page_assets.h"
#include "nad/report/text.h"

namespace nad {

std::string html_text(const std::string& text) {
  std::string safe;
  for (const char c : text) {
    switch (c) {
      case '&':
        safe += "&amp;";
        break;
      case '<':
        safe += "&lt;";
        break;
      case '>':
        safe += "&gt;";
        break;
      case '"':
        safe += "&quot;";
        break;
      case '\'':
        safe += "&#39;";
        break;
      default:
        safe += c;
    }
  }
  return safe;
}

std::string report_page(const Report& report, std::vector<std::string>* notes) {
  std::map<std::string, std::string> parts = {{"title", html_text(report.title)},
                                              {"style", std::string(kPageCss)},
                                              {"payload", page_payload(report)},
                                              {"charts", std::string(kPageCharts)},
                                              {"script", std::string(kPageScript)}};
  size_t taken = kPageHtml.size();
  for (const auto& [name, text] : parts) taken += text.size();
  const PagePictures pictures = page_pictures(report.pictures, kMostPageBytes - std::min(taken, kMostPageBytes));
  parts["pictures"] = pictures.json;
  if (pictures.left_out > 0) {
    notes->push_back(
        std::to_string(pictures.left_out) + (pictures.left_out == 1 ? " picture is" : " pictures are") +
        format(" left out: the page is to stay below %.1f MB", static_cast<double>(kMostPageBytes) / 1e6));
  }
  // One pass over the frame: what is put in is not looked at again.
  std::string page;
  size_t at = 0;
  while (true) {
    const size_t open = kPageHtml.find("{{", at);
    if (open == std::string_view::npos) break;
    const size_t close = kPageHtml.find("}}", open);
    page += kPageHtml.substr(at, open - at);
    page += parts.at(std::string(kPageHtml.substr(open + 2, close - open - 2)));
    at = close + 2;
  }
  page += kPageHtml.substr(at);
  return page;
}

}  // namespace nad
