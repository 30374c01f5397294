// What the builders of problems (tests/problems.h, tests/gate_problems.h) share.
#pragma once

#include "engine/parallel.h"
#include "tests/cases.h"
#include "tests/compare.h"

namespace nad::test {

class Builder {
 public:
  Builder(const std::string& name, Data data) : data_(data) {
    problem.name = name + (data == Data::exact ? " exact" : "");
    problem.seed = hash_name(problem.name);
  }

  int input(const std::string& name, Shape shape, unsigned options = 0) {
    return filled(name, shape, options, false, on_device());
  }
  // An input that the host looks at, and may change, before it is placed.
  int host_input(const std::string& name, Shape shape, unsigned options = 0) {
    return filled(name, shape, options, false, false);
  }
  // Where in its window each output of a max-pool lies, at random: `choices` positions that all lie inside.
  int positions(const std::string& name, Shape shape, int choices) {
    Array a = make_device_array(name, Type::u8, shape, false);
    a.content = Content::positions, a.key = key(), a.choices = choices;
    return append(a);
  }

  // An output; with Accumulate::add it holds values before.
  int output(const std::string& name, Shape shape, unsigned options = 0, Accumulate mode = Accumulate::overwrite) {
    if (mode == Accumulate::add) return filled(name, shape, options, true, on_device());
    return append(slab(name, shape, options, true, on_device()));
  }

  int position_output(const std::string& name, Shape shape) {
    return append((on_device() ? make_device_array : make_array)(name, Type::u8, shape, true, 0, 0));
  }

  // n values that do not belong to samples.
  int flat_output(const std::string& name, Type type, int64_t n) {
    Array a = make_array(name, type, {1, 1, 1, n}, true);
    a.per_sample = false;
    return append(a);
  }
  template <class T>
  int flat_input(const std::string& name, const std::vector<T>& values, bool updated = false) {
    Array a = make_array(name, type_of<T>(), {1, 1, 1, static_cast<int64_t>(values.size())}, updated);
    a.per_sample = false;
    for (size_t i = 0; i < values.size(); ++i) a.set<T>(static_cast<int64_t>(i), values[i]);
    return append(a);
  }
  int sample_output(const std::string& name, Type type, int64_t samples) {
    return append(make_array(name, type, {samples, 1, 1, 1}, true));
  }
  template <class T>
  int sample_input(const std::string& name, const std::vector<T>& values) {
    Array a = make_array(name, type_of<T>(), {static_cast<int64_t>(values.size()), 1, 1, 1}, false);
    for (size_t i = 0; i < values.size(); ++i) a.set<T>(static_cast<int64_t>(i), values[i]);
    return append(a);
  }

  int param(std::vector<int64_t> shape) {
    problem.params.push_back(make_param(data_, key(), std::move(shape)));
    return static_cast<int>(problem.params.size()) - 1;
  }

  // Random numbers of [low, high), one stream per call.
  std::vector<float> uniform(int64_t n, double low, double high) {
    const uint64_t stream = key();
    std::vector<float> values;
    for (int64_t i = 0; i < n; ++i) {
      const double u = static_cast<double>(random_uniform(stream, static_cast<uint64_t>(i)));
      values.push_back(static_cast<float>(low + (high - low) * u));
    }
    return values;
  }

  // An array of a case, with unequal slack where it is a slice of something wider.
  static Array slab(const std::string& name, Shape shape, unsigned options, bool output, bool on_device = false) {
    const auto make = on_device ? make_device_array : make_array;
    if (!(options & kSlab)) return make(name, Type::f32, shape, output, 0, 0);
    const bool aligned = options & kAligned;
    return make(name, Type::f32, shape, output, aligned ? 8 : 5, aligned ? 4 : 8);
  }

  int append(Array a) {
    problem.traffic += static_cast<double>(a.count()) * static_cast<double>(size_of(a.type));
    problem.arrays.push_back(std::move(a));
    return static_cast<int>(problem.arrays.size()) - 1;
  }
  Array& array(int index) { return problem.arrays[static_cast<size_t>(index)]; }
  bool exact() const { return data_ == Data::exact; }
  bool on_device() const { return data_ == Data::device; }  // the values of tensors
  uint64_t key() { return random_key(problem.seed, keys_++); }

  Problem finish() {
    for (const Param& p : problem.params) problem.traffic += 4 * static_cast<double>(p->count());
    return std::move(problem);
  }

  Problem problem;

 private:
  int filled(const std::string& name, Shape shape, unsigned options, bool output, bool by_device) {
    Array a = slab(name, shape, options, output, by_device);
    const uint64_t stream = key();
    if (by_device) {
      a.content = Content::uniform, a.key = stream;
      return append(a);
    }
    parallel_for(a.count(), [&](int64_t begin, int64_t end, int) {  // the benchmark's arrays are large
      for (int64_t i = begin; i < end; ++i) a.set<float>(i, static_cast<float>(draw(data_, stream, i)));
    });
    return append(a);
  }

  Data data_;
  uint64_t keys_ = 0;
};

// A gate table with rows for the samples of a view; zeros, ones and negative multipliers among them.
struct GateArrays {
  int table = -1, row = -1;
  int64_t rows = 0, stride = 0;
  GateRef on(const Placed& placed) const {
    if (table < 0) return {};
    return {placed.pointer<float>(table), placed.pointer<int32_t>(row), rows, stride};
  }
};

inline GateArrays add_gate(Builder& b, int64_t samples, int64_t channels, unsigned options) {
  GateArrays gate;
  gate.rows = options & kMultiple ? std::min<int64_t>(samples, 4) : 2;  // each of several rows has samples
  std::vector<float> table = b.uniform(gate.rows * channels, 0.05, 1.0);
  for (size_t i = 0; i < table.size(); ++i) {
    if (b.exact()) table[i] = table[i] < 0.3f ? 0.25f : table[i] < 0.6f ? 0.5f : 1.0f;
    if (i % 5 == 3) table[i] = -table[i];  // mu + noise * sigma may be negative
    if (i % 11 == 7) table[i] = 0.0f;
    if (i < static_cast<size_t>(channels)) table[i] = 1.0f;
  }
  std::vector<int32_t> row(static_cast<size_t>(samples), 1);
  for (int64_t n = 0; options & kMultiple && n < samples; ++n) {
    row[static_cast<size_t>(n)] = static_cast<int32_t>(n * gate.rows / samples);
  }
  Array slice = Builder::slab("table", {1, 1, gate.rows, channels}, options, false);
  slice.per_sample = false;
  for (size_t i = 0; i < table.size(); ++i) slice.set<float>(static_cast<int64_t>(i), table[i]);
  gate.stride = slice.stride;
  gate.table = b.append(slice);
  gate.row = b.sample_input("row", row);
  return gate;
}

struct EpilogueArrays {
  int scale = -1, shift = -1, residual = -1;
  bool relu = false;
  GateArrays gate;
  Epilogue on(const Placed& placed) const {
    return {placed.param(scale), placed.param(shift), placed.tensor(residual), relu && !placed.absolute(),
            gate.on(placed)};
  }
};

inline EpilogueArrays add_epilogue(Builder& b, const Shape& y, unsigned options) {
  EpilogueArrays e;
  if (options & kScale) e.scale = b.param({y.c});
  if (options & kShift) e.shift = b.param({y.c});
  if (options & kResidual) e.residual = b.input("residual", y, options);
  e.relu = options & kRelu;
  if (options & kGate) e.gate = add_gate(b, y.n, y.c, options);
  return e;
}

struct PrologueParams {
  bool relu = false;
  int scale = -1, shift = -1;
  Prologue on(const Placed& placed) const {
    return {relu && !placed.absolute(), placed.param(scale), placed.param(shift)};
  }
};

inline PrologueParams add_prologue(Builder& b, int64_t channels, unsigned options) {
  PrologueParams p;
  p.relu = options & kPrologueRelu;
  if (options & kPrologueAffine) p.scale = b.param({channels}), p.shift = b.param({channels});
  return p;
}

inline Accumulate mode_of(unsigned options) { return options & kAdd ? Accumulate::add : Accumulate::overwrite; }

}  // namespace nad::test
