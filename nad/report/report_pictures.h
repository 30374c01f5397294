// Pictures that nad_explain has drawn, on their way into a report's page.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace nad {

struct ReportPicture {
  std::string name;              // of its file
  std::string description;       // its own, several lines
  int width = 0, height = 0;     // pixels
  std::vector<std::byte> bytes;  // PNG
};

// Whether a path is taken for pictures: a folder, or a file that begins as PNG does.
bool names_pictures(const std::string& path);

// A picture, or those of a folder by name. Throws Error(data) where a file is cut short or cannot be read, or a folder
// has none.
std::vector<ReportPicture> read_pictures(const std::string& path);

}  // namespace nad
