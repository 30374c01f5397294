#include "nad/run/flag_values.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <sstream>

namespace nad {
namespace {

template <class T>
bool parse(const std::string& text, T* value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *value);
  return error == std::errc() && stop == end;
}

// Not for NaN.
bool is_real(double value, bool zero_allowed) {
  return (value > 0 || (zero_allowed && value == 0)) && value <= kLargestReal;
}

}  // namespace

Error wrong_value(const std::string& flag, const std::string& text, const std::string& expected) {
  return Error(ErrorKind::usage, flag + " '" + text + "'", "expected " + expected);
}

template <class T>
T whole_number(const std::string& flag, const std::string& text, T least, T most, const std::string& or_else) {
  T value = 0;
  if (parse(text, &value) && value >= least && value <= most) return value;
  throw wrong_value(flag, text,
                    or_else + "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
}
template int whole_number(const std::string&, const std::string&, int, int, const std::string&);
template int64_t whole_number(const std::string&, const std::string&, int64_t, int64_t, const std::string&);
template uint64_t whole_number(const std::string&, const std::string&, uint64_t, uint64_t, const std::string&);

double real_number(const std::string& flag, const std::string& text, bool zero_allowed, const std::string& or_else) {
  double value = 0;
  if (parse(text, &value) && is_real(value, zero_allowed)) return value + 0.0;  // not -0
  throw wrong_value(flag, text,
                    or_else + (zero_allowed ? "a number that is not negative" : "a number above 0") +
                        (value > kLargestReal ? " and at most 1e9" : ""));
}

std::vector<double> growing_numbers(const std::string& flag, const std::string& text) {
  const Error wrong = wrong_value(flag, text, "at least three different numbers from 0 to 1e9, as in 0.01,0.02,0.04");
  std::vector<double> numbers;
  std::istringstream items(text + ",");
  for (std::string item; std::getline(items, item, ',');) {
    double value = 0;
    if (!parse(item, &value) || !is_real(value, true)) throw wrong;
    numbers.push_back(value);
  }
  std::sort(numbers.begin(), numbers.end());
  const bool twice = std::adjacent_find(numbers.begin(), numbers.end()) != numbers.end();
  if (numbers.size() < 3 || twice) throw wrong;
  return numbers;
}

std::string given_name(const std::string& flag, const std::string& text, const std::string& expected) {
  if (text.empty()) throw wrong_value(flag, text, expected);
  return text;
}

}  // namespace nad
