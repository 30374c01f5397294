// Text for people: lines, columns, numbers.
#pragma once

#include <cstdio>
#include <string>

namespace nad {

// Control characters become '?': a line stays one line whatever names a file holds.
std::string one_line(const std::string& text);

// UTF-8 text cut to a number of columns of a terminal and filled up with blanks.
std::string cell(const std::string& text, size_t width);

// printf into a string of up to 255 characters.
template <class... Values>
std::string format(const char* pattern, Values... values) {
  char text[256];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

}  // namespace nad
