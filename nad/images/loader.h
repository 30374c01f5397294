// Batches of one class, and where it is asked for as many images of other classes. Where a device computes the steps,
// threads of the loader prepare batches ahead of the step that uses them. Where the cores compute them, they would only
// take these from each other: the pool prepares a batch when it is asked for. What a batch holds depends on (seed,
// class, step) alone: not on who prepares it or when, nor on the step at which the loader started.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <string_view>
#include <thread>
#include <vector>

#include "nad/images/augment.h"
#include "nad/images/dataset.h"
#include "nad/images/other_images.h"

namespace nad {

enum class Transform {
  learn,     // shuffled in every epoch, random crop and flip
  evaluate,  // in the class's order, centre crop
};

struct LoaderOptions {
  Transform transform = Transform::learn;
  bool pixels = true;  // false: batches hold indices and draws, for Learner::set_batch on a backend that augments
  int batch = 16;      // samples
  int size = 224;      // pixels of a side
  Preprocessing preprocessing;
  const OtherImages* others = nullptr;  // a batch holds `batch` of them too; must outlive the loader
  uint64_t seed = 233;
  int64_t first_step = 0;  // of a run that is resumed
  int64_t steps = 0;       // delivers steps first_step, ..., steps - 1
  int workers = 2;         // threads of the loader; 0: next() prepares the batch, on the threads of the pool
  int ahead = 4;           // batches kept, with the one in use; without workers just that one
};

// Batches in one epoch: the last may be short (PyTorch's DataLoader with drop_last=False).
inline int64_t steps_per_epoch(int64_t images, int64_t batch) { return (images + batch - 1) / batch; }

// Fills `order` with a permutation of 0, ..., order.size() - 1 (Fisher-Yates). A pure function of its arguments.
void epoch_order(uint64_t seed, std::string_view source_class, int64_t epoch, std::span<int> order);

struct Batch {
  const float* images = nullptr;  // [batch, size, size, 3]; samples from `valid` on are 0. Null without pixels
  int valid = 0;                  // samples, 1 to batch
  int64_t step = 0, epoch = 0;
  std::span<const int> indices;         // [valid], which of the class's images
  std::span<const Augmentation> draws;  // [valid], what to do with them; without pixels

  const float* other_images = nullptr;           // [batch, size, size, 3]. Null without pixels or without others
  std::span<const OtherImages::Draw> others;     // [batch], or empty
  std::span<const Augmentation> others_augment;  // the same; without pixels
};

class BatchLoader {
 public:
  // The class must outlive the loader. All memory is allocated here. Throws Error(usage) for options out of range
  // and Error(data) for a class without images, or without others where these are asked for.
  BatchLoader(const DecodedClass& images, const LoaderOptions& options);
  ~BatchLoader();  // stops the workers, also in the middle of a run
  BatchLoader(const BatchLoader&) = delete;
  BatchLoader& operator=(const BatchLoader&) = delete;

  // The next step's batch; prepares it or waits until it is ready. Valid until the next call. An error of preparing it
  // is thrown here, at its step and at every call after. Throws std::logic_error behind the last step.
  const Batch& next();

 private:
  struct Prepared {             // a batch on its way
    std::vector<float> pixels;  // [batch, size, size, 3], of others the same behind them
    std::vector<int> indices;   // [batch]
    std::vector<Augmentation> draws, others_augment;
    std::vector<OtherImages::Draw> others;  // [batch], or empty
    Batch batch;
    int pending = 0;  // samples not yet written
    std::exception_ptr error;
  };
  struct Ticket {  // one sample to prepare
    Prepared* batch = nullptr;
    int position = 0;  // below valid: of the class; the others follow
  };

  size_t sample_size() const {  // floats
    return size_t{3} * static_cast<size_t>(options_.size) * static_cast<size_t>(options_.size);
  }
  Prepared& prepared_of(int64_t step) { return ring_[static_cast<size_t>(step) % ring_.size()]; }
  bool work_left() const;  // these three: with the lock held
  Ticket take();
  void open(int64_t step);
  void prepare(Preprocessor& preprocessor, const Ticket& ticket) const;
  void work(Preprocessor& preprocessor);
  void stop();
  const Batch& next_draws();
  const Batch& prepare_next();

  const DecodedClass& class_;
  const LoaderOptions options_;
  std::vector<Preprocessor> preprocessors_;  // one per worker, or per thread of the pool
  std::vector<Prepared> ring_;

  std::mutex mutex_;  // guards everything below and pending and error of the ring
  std::condition_variable work_ready_, batch_ready_;
  std::vector<int> order_;  // of order_epoch_
  int64_t order_epoch_ = -1;
  int64_t oldest_;         // first step whose batch is still needed
  int64_t filling_;        // step of the next ticket
  int next_position_ = 0;  // its sample
  bool in_use_ = false;    // the caller holds the batch of step oldest_
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace nad
