// A report to look at: one HTML page that needs nothing beside itself.
#pragma once

#include <string>

#include "nad/report/report_files.h"

namespace nad {

// The page. Names may hold anything: nothing of them is taken for markup or program.
std::string report_page(const Report& report);

// What the page shows, as JSON that can stand inside <script>: ASCII alone, without '<', '>' and '&'. Numbers have six
// digits, NaN is null, matrices of many numbers have one byte each.
std::string page_payload(const Report& report);

// Text as HTML shows it.
std::string html_text(const std::string& text);

}  // namespace nad
