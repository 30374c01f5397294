// Numbers on their way into findings: facts with their intervals, keys of random draws, words for summaries.
#pragma once

#include <cstdio>
#include <string>

#include "engine/rng.h"
#include "nad/analyse/statistics.h"
#include "nad/store/analysis.h"

namespace nad {

// name, name_low, name_high.
inline void put(Findings& f, const std::string& name, double value, const Interval& interval) {
  f.facts[name] = value;
  f.facts[name + "_low"] = interval.low;
  f.facts[name + "_high"] = interval.high;
}

// Of an analysis' draws.
inline uint64_t analysis_key(uint64_t seed, const char* name) {
  return random_key(random_key(0, seed), hash_name(name));
}

// printf into a string of up to 511 characters.
template <class... Values>
std::string text_of(const char* pattern, Values... values) {
  char text[512];
  std::snprintf(text, sizeof text, pattern, values...);
  return text;
}

// The mean of the values that are there; NaN of none.
double mean_of(const std::vector<double>& values);
// Those that are there, in their order.
std::vector<double> present(const std::vector<double>& values);

}  // namespace nad
