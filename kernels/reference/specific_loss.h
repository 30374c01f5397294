// The data terms of the objective `specific` and their gradient at the gated logits z, o the original's; per sample:
//   own image:    logsumexp(z) - z[label];   d/dz = softmax(z) - onehot(label)
//   another class's, named_class, not predicted as c:  d = z_c - logsumexp_{k != c}(z)
//     log(1 + e^d) = -log(1 - p_c);   d/dz_c = p_c = sigmoid(d),   d/dz_k = -p_c softmax_{j != c}(z)_k
//   another class's, all:  sum_k t_k (log t_k - log softmax(z)_k), t = softmax(o), over k != c where not predicted as c
//     d/dz = softmax(z) - t
// Each over the number of samples of its kind in the group; those of others times lambda in the gradient.
// `work` holds per sample its loss and whether it counts and is answered c: 2 N doubles.
#pragma once

#include <algorithm>
#include <limits>

#include "engine/parallel.h"
#include "kernels/learning_ops.h"
#include "kernels/reference/common.h"

namespace nad::reference {

inline constexpr int64_t kNoClass = -1;

// log sum exp(z_k) over all k but `without`.
template <class T>
double log_sum_exp(const T* z, int64_t classes, int64_t without = kNoClass) {
  double top = -std::numeric_limits<double>::infinity(), sum = 0;
  for (int64_t k = 0; k < classes; ++k) {
    if (k != without) top = std::max(top, static_cast<double>(z[k]));
  }
  for (int64_t k = 0; k < classes; ++k) {
    if (k != without) sum += std::exp(static_cast<double>(z[k]) - top);
  }
  return top + std::log(sum);
}

// One sample: its loss, and the gradient times `weight` in dz.
template <class T>
class SpecificSample {
 public:
  SpecificSample(const T* z, T* dz, int64_t classes, double weight)
      : z_(z), dz_(dz), classes_(classes), weight_(weight) {}

  double cross_entropy(int64_t label) const {
    const double all = log_sum_exp(z_, classes_);
    for (int64_t k = 0; k < classes_; ++k) store(k, share(z_, k, all) - (k == label ? 1 : 0));
    return all - static_cast<double>(z_[label]);
  }
  double not_class(int64_t c) const {
    const double rest = log_sum_exp(z_, classes_, c), distance = static_cast<double>(z_[c]) - rest;
    const double p = sigmoid(distance);
    for (int64_t k = 0; k < classes_; ++k) store(k, k == c ? p : -p * share(z_, k, rest));
    return softplus(distance);
  }
  // without: the class that the original's distribution is renormalised without, or kNoClass.
  double as_original(const T* original, int64_t without) const {
    const double wanted = log_sum_exp(original, classes_, without), all = log_sum_exp(z_, classes_);
    double loss = 0;
    for (int64_t k = 0; k < classes_; ++k) {
      const double t = k == without ? 0 : share(original, k, wanted);
      if (t > 0) loss += t * ((static_cast<double>(original[k]) - wanted) - (static_cast<double>(z_[k]) - all));
      store(k, share(z_, k, all) - t);
    }
    return loss;
  }
  void nothing() const {
    for (int64_t k = 0; k < classes_; ++k) dz_[k] = T{0};
  }

 private:
  static double share(const T* z, int64_t k, double normaliser) {
    return std::exp(static_cast<double>(z[k]) - normaliser);
  }
  void store(int64_t k, double slope) const { put(dz_[k], weight_ * slope, Accumulate::overwrite); }

  const T* z_;
  T* dz_;
  int64_t classes_;
  double weight_;
};

// The samples that the mean over a group's others is over.
template <class Args>
int32_t others_that_count(const Args& a, int64_t g) {
  return a.target == SpecificTarget::all ? a.groups.others[g] : a.apart_count[g];
}

template <class Args>
double specific_loss_sample(const Args& a, int64_t n, double& answered) {
  using T = Element<decltype(a.dlogits)>;
  const int64_t g = n / a.groups.batch, place = n % a.groups.batch, own = a.groups.own();
  const int64_t classes = a.logits.shape.c, c = a.labels[g * a.groups.batch];
  const T* z = a.logits.pixel(n);
  T* dz = a.dlogits.pixel(n);
  answered = 0;
  if (place < own) {
    const int32_t valid = a.groups.valid[g];
    const SpecificSample<T> sample(z, dz, classes, 1.0 / valid);
    answered = place < valid && std::max_element(z, z + classes) - z == c;
    if (place < valid) return sample.cross_entropy(a.labels[n]);
    sample.nothing();
    return 0;
  }
  const bool counts = place - own < a.groups.others[g], apart = a.predicted[n] != c;
  const SpecificSample<T> sample(z, dz, classes, static_cast<double>(a.hyper[3 * g + 2]) / others_that_count(a, g));
  answered = counts && std::max_element(z, z + classes) - z == c;
  if (counts && a.target == SpecificTarget::all) return sample.as_original(a.original.pixel(n), apart ? c : kNoClass);
  if (counts && apart) return sample.not_class(c);
  sample.nothing();
  return 0;
}

template <class Args>
void specific_loss(const Args& a, double* work) {
  const int64_t samples = a.logits.shape.n, batch = a.groups.batch, own = a.groups.own();
  parallel_for(samples, [&](int64_t begin, int64_t end, int) {
    for (int64_t n = begin; n < end; ++n) work[n] = specific_loss_sample(a, n, work[samples + n]);
  });
  for (int64_t g = 0; g < a.groups.count; ++g) {
    double own_sum = 0, others_sum = 0, own_answered = 0, answered = 0;
    for (int64_t n = g * batch; n < g * batch + own; ++n) {
      own_sum += work[n];
      own_answered += work[samples + n];
    }
    for (int64_t n = g * batch + own; n < (g + 1) * batch; ++n) {
      others_sum += work[n];
      answered += work[samples + n];
    }
    const int32_t valid = a.groups.valid[g], others = others_that_count(a, g);
    a.cross_entropy[g] = valid > 0 ? own_sum / valid : 0;
    a.specificity[g] = others > 0 ? others_sum / others : 0;
    a.own_answered[g] = static_cast<int32_t>(own_answered);
    a.others_answered[g] = static_cast<int32_t>(answered);
  }
}

}  // namespace nad::reference
