#include "nad/learn/gated_forward.h"

#include <algorithm>
#include <array>
#include <stdexcept>
#include <string>

#include "nad/gates/batch_rows.h"
#include "nad/gates/gate_shapes.h"

namespace nad {
namespace {

PlanOptions plan_options(const ForwardOptions& options, const Plan* lender) {
  PlanOptions plan;
  plan.keep_gates = options.representations;
  plan.gate_rows = options.rows;
  plan.lender = lender;
  return plan;
}

void expect_below(const char* what, int64_t value, int64_t end) {
  if (value >= 0 && value < end) return;
  throw std::out_of_range("GatedForward: " + std::string(what) + " " + std::to_string(value) + " of " +
                          std::to_string(end));
}

}  // namespace

GatedForward::GatedForward(Context& context, const Tape& network, const ForwardOptions& options, const Plan* lender)
    : context_(context),
      options_(options),
      plan_(context, network.with_batch(options.images, options.copies), plan_options(options, lender)) {
  for (const Plan::GateMemory& gate : plan_.gates()) {
    const std::vector<float> ones(static_cast<size_t>(options.rows * gate.channels), 1.0f);
    context.backend().upload(gate.table, ones.data(), sizeof(float) * ones.size());
  }
  use_rows(std::vector<int32_t>(static_cast<size_t>(samples()), kOriginalRow));
}

std::vector<int64_t> GatedForward::channels() const { return gate_channels(plan_); }

void GatedForward::set_row(int64_t row, const GateVectors& multipliers) {
  expect_below("row", row, options_.rows);
  check_gates(plan_, multipliers, "multipliers");
  for (size_t i = 0; i < multipliers.size(); ++i) {
    const Plan::GateMemory& gate = plan_.gates()[i];
    context_.backend().upload(gate.table + row * gate.channels, multipliers[i].data(),
                              sizeof(float) * multipliers[i].size());
  }
}

void GatedForward::use_rows(std::span<const int32_t> row_of_sample) {
  if (static_cast<int64_t>(row_of_sample.size()) != samples()) {
    throw std::out_of_range("GatedForward: rows of " + std::to_string(row_of_sample.size()) + " samples, it has " +
                            std::to_string(samples()));
  }
  for (const int32_t row : row_of_sample) expect_below("row", row, options_.rows);
  context_.backend().upload(plan_.rows(), row_of_sample.data(), row_of_sample.size_bytes());
}

void GatedForward::run(const float* images, int64_t count) {
  expect_below("number of images", count, options_.images + 1);
  const Tensor to = plan_.images().samples(0, count);
  context_.backend().upload(to.data, images, sizeof(float) * to.shape.count());
  plan_.forward();
}

void GatedForward::logits(int64_t copy, int64_t count, float* to) {
  expect_below("copy", copy, options_.copies);
  expect_below("number of images", count, options_.images + 1);
  const Tensor from = plan_.logits().samples(copy * options_.images, count);
  context_.backend().download(to, from.data, sizeof(float) * from.shape.count());
}

std::vector<float> GatedForward::representation(size_t gate, int64_t copy, int64_t count) {
  if (!options_.representations) throw std::logic_error("GatedForward::representation without the option");
  expect_below("copy", copy, options_.copies);
  expect_below("number of images", count, options_.images + 1);
  if (count == 0) return {};
  const Tensor from = plan_.gates().at(gate).value.samples(copy * options_.images, count);
  std::vector<float> wide(static_cast<size_t>((from.shape.pixels() - 1) * from.stride + from.shape.c));
  context_.backend().download(wide.data(), from.data, sizeof(float) * wide.size());
  if (from.dense()) return wide;
  std::vector<float> dense;
  dense.reserve(static_cast<size_t>(from.shape.count()));
  for (int64_t pixel = 0; pixel < from.shape.pixels(); ++pixel) {
    const auto begin = wide.begin() + pixel * from.stride;
    dense.insert(dense.end(), begin, begin + from.shape.c);
  }
  return dense;
}

void run_beside_original(GatedForward& forward, const GateVectors& mask, const float* images, int64_t count,
                         float* original, float* gated) {
  constexpr std::array<int32_t, 2> kRows = {kOriginalRow, 1};
  forward.set_row(1, mask);
  forward.use_rows(rows_of_copies(forward.options().images, kRows));
  forward.run(images, count);
  if (original) forward.logits(0, count, original);
  if (gated) forward.logits(1, count, gated);
}

}  // namespace nad
