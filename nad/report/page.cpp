#include "nad/report/page.h"

#include <map>

#include "nad/report/page_assets.h"

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

std::string report_page(const Report& report) {
  const std::map<std::string, std::string> parts = {{"title", html_text(report.title)},
                                                    {"style", std::string(kPageCss)},
                                                    {"payload", page_payload(report)},
                                                    {"charts", std::string(kPageCharts)},
                                                    {"script", std::string(kPageScript)}};
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
