// The parts of the page (nad/report/page/*, and Chart.js) as bytes of the program, made by cmake/embed.cmake.
#pragma once

#include <string_view>

namespace nad {

extern const std::string_view kPageHtml, kPageCss, kPageScript, kPageCharts;

}  // namespace nad
