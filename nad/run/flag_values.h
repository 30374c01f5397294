// Values of flags, read from what was typed. All throw
// Error(usage): "--batch '0'; expected a whole number from 1 ...".
#pragma once

#include <string>
#include <vector>

#include "engine/error.h"

namespace nad {

Error wrong_value(const std::string& flag, const std::string& text, const std::string& expected);

// T: int, int64_t, uint64_t. or_else: what else the flag takes, as in "auto or ".
template <class T>
T whole_number(const std::string& flag, const std::string& text, T least, T most, const std::string& or_else = "");

constexpr double kLargestReal = 1e9;  // beyond it products of a few numbers leave float's range

// Above 0, or where zero_allowed not negative, and at most kLargestReal.
double real_number(const std::string& flag, const std::string& text, bool zero_allowed,
                   const std::string& or_else = "");

// At least three different ones from 0 to kLargestReal, separated by commas; sorted.
std::vector<double> growing_numbers(const std::string& flag, const std::string& text);

// Not empty: an empty one is a shell variable that is not set, hardly a wish for the default.
std::string given_name(const std::string& flag, const std::string& text, const std::string& expected);

}  // namespace nad
