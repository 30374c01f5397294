#include "nad/learn/replay.h"

#include <algorithm>

#include "engine/error.h"

namespace nad {
namespace {

void check_case(const Learner& learner, const ReplayCase& c, int64_t classes, bool noisy) {
  const std::vector<int64_t> channels = learner.channels();
  auto fail = [](const std::string& what) {
    throw Error(ErrorKind::data, "replay case: " + what, "make the case for this network");
  };
  if (c.size != learner.input_size()) {
    fail("images of " + std::to_string(c.size) + " pixels, the network takes " +
         std::to_string(learner.input_size()));
  }
  if (c.gates_init.size() != channels.size()) {
    fail(std::to_string(c.gates_init.size()) + " gates, the network has " + std::to_string(channels.size()));
  }
  for (size_t i = 0; i < channels.size(); ++i) {
    if (static_cast<int64_t>(c.gates_init[i].size()) != channels[i]) {
      fail("gate " + std::to_string(i) + " has " + std::to_string(c.gates_init[i].size()) +
           " channels, the network " + std::to_string(channels[i]));
    }
  }
  for (int32_t label : c.labels) {
    if (label < 0 || label >= classes)
      fail("label " + std::to_string(label) + " of " + std::to_string(classes) + " classes");
  }
  if (noisy && c.noise.empty()) fail("the variational objective needs the group 'noise'");
}

void set_step(Learner& learner, const ReplayCase& c, int64_t t, bool noisy) {
  const int64_t image = c.size * c.size * 3;
  std::vector<float> images;
  std::vector<int32_t> labels;
  for (int64_t b = 0; b < c.batch; ++b) {
    const int64_t index = c.batches[t * c.batch + b];
    images.insert(images.end(), c.images.begin() + index * image, c.images.begin() + (index + 1) * image);
    labels.push_back(c.labels[index]);
  }
  learner.set_batch(0, images.data(), labels.data(), c.batch, static_cast<uint64_t>(t));
  if (!noisy) return;
  GateVectors noise;
  for (size_t i = 0; i < c.noise.size(); ++i) {
    const int64_t count = c.batch * static_cast<int64_t>(c.gates_init[i].size());
    noise.emplace_back(c.noise[i].begin() + t * count, c.noise[i].begin() + (t + 1) * count);
  }
  learner.set_noise(0, noise);
}

}  // namespace

ReplayResult run_replay(Learner& learner, const ReplayCase& c) {
  const bool noisy = learner.options().objective == Objective::variational;
  ReplayResult result;
  result.count = c.count;
  result.classes = learner.num_classes();
  check_case(learner, c, result.classes, noisy);

  learner.assign(0, c.gates_init, c.sigma_init, 0);
  for (int64_t t = 0; t < c.steps; ++t) {
    set_step(learner, c, t, noisy);
    learner.step();
    const StepLoss loss = learner.loss(0);
    for (double v : {loss.total, loss.reconstruction, loss.regularisation, loss.cross_entropy})
      result.losses.push_back(v);
    result.skipped.push_back(loss.skipped ? 1 : 0);
    result.correct.push_back(loss.skipped ? 0 : loss.correct);
    if (t == 0) result.gradient0 = learner.gradient(0);
  }
  result.gates_final = learner.logits(0);
  if (noisy) result.sigma_final = learner.sigma(0);

  const int64_t image = c.size * c.size * 3, classes = result.classes;
  result.logits_original.resize(c.count * classes);
  result.logits_hard.resize(c.count * classes);
  const GateVectors mask = binary_mask(result.gates_final);
  for (int64_t i = 0; i < c.count; i += learner.capacity()) {
    run_beside_original(learner.forward(), mask, c.images.data() + i * image,
                        std::min(learner.capacity(), c.count - i), result.logits_original.data() + i * classes,
                        result.logits_hard.data() + i * classes);
  }
  return result;
}

}  // namespace nad
