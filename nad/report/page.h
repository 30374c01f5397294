// A report to look at: one HTML page that needs nothing beside itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "nad/report/report_files.h"

namespace nad {

// The page. Names may hold anything: nothing of them is taken for markup or program. notes: a line where pictures are
// left out.
std::string report_page(const Report& report, std::vector<std::string>* notes);

// What the page shows, as JSON that can stand inside <script> (script_json.h). Numbers have six digits, NaN is null,
// matrices of many numbers have one byte each.
std::string page_payload(const Report& report);

// The pictures in the same way, as far as they fit into so many bytes: a larger one is passed over and counted, a later one
// that is smaller may fit.
struct PagePictures {
  std::string json;
  int64_t left_out = 0;
};
PagePictures page_pictures(const std::vector<ReportPicture>& pictures, size_t most_bytes);

inline constexpr size_t kMostPageBytes = 14'500'000;  // of a page, unless its numbers alone take more

// Text as HTML shows it.
std::string html_text(const std::string& text);

}  // namespace nad
