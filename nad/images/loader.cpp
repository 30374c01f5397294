#include "nad/images/loader.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

#include "engine/error.h"
#include "engine/parallel.h"
#include "engine/rng.h"
#include "nad/images/draw_below.h"

namespace nad {
namespace {

void check(const DecodedClass& images, const LoaderOptions& o) {
  if (images.images.empty())
    throw Error(ErrorKind::data, "class " + images.source_class + " has no images to make batches of");
  const auto require = [](bool ok, const char* name, int64_t value, const char* expected) {
    if (ok) return;
    throw Error(ErrorKind::usage,
                std::string("batch loader: ") + name + " is " + std::to_string(value) + ", expected " + expected);
  };
  require(o.batch >= 1, "batch", o.batch, "at least 1");
  require(o.size >= 1 && o.size <= kMaxImageSide, "size", o.size, "1 to 16384 pixels");
  require(o.workers >= 0, "workers", o.workers, "at least 0");
  require(o.ahead >= 1, "ahead", o.ahead, "at least 1");
  if (o.transform == Transform::evaluate && (!o.pixels || o.others)) {
    throw Error(ErrorKind::usage, "batch loader: evaluation has no draws", "ask for pixels of the class alone");
  }
  if (o.others && o.others->classes_beside(images.index) == 0) {
    throw Error(ErrorKind::data, "class " + images.source_class + ": there is no image of another class to show",
                "let the pool hold more images, of more classes");
  }
  require(o.first_step >= 0 && o.first_step <= o.steps, "first_step", o.first_step, "0 to steps");
}

}  // namespace

void epoch_order(uint64_t seed, std::string_view source_class, int64_t epoch, std::span<int> order) {
  const uint64_t of_class = random_key(random_key(seed, hash_name("order")), hash_name(source_class));
  const uint64_t key = random_key(of_class, static_cast<uint64_t>(epoch));
  std::iota(order.begin(), order.end(), 0);
  for (size_t i = order.size(); i > 1; i--) {
    std::swap(order[i - 1], order[static_cast<size_t>(draw_below(key, i, static_cast<int64_t>(i)))]);
  }
}

BatchLoader::BatchLoader(const DecodedClass& images, const LoaderOptions& options)
    : class_(images), options_(options), oldest_(options.first_step), filling_(options.first_step) {
  check(class_, options_);
  order_.resize(class_.images.size());
  const bool threads = options_.pixels && options_.workers > 0;
  ring_.resize(threads ? static_cast<size_t>(options_.ahead) : 1);
  const size_t samples = static_cast<size_t>(options_.batch);
  for (Prepared& prepared : ring_) {
    prepared.indices.resize(samples);
    if (options_.others) prepared.others.resize(samples);
  }
  if (!options_.pixels) return;
  int width = 0, height = 0;
  const auto measure = [&](const std::vector<Image>& all) {
    for (const Image& image : all) {
      width = std::max(width, image.width);
      height = std::max(height, image.height);
    }
  };
  measure(class_.images);
  if (options_.others) measure(options_.others->images());
  preprocessors_.assign(static_cast<size_t>(threads ? options_.workers : max_threads()),
                        Preprocessor(options_.size, options_.preprocessing));
  for (Preprocessor& preprocessor : preprocessors_) preprocessor.reserve(width, height);
  for (Prepared& prepared : ring_) {
    prepared.pixels.resize((options_.others ? 2 : 1) * samples * sample_size());
    prepared.batch.step = -1;
  }
  if (!threads) return;
  try {
    for (Preprocessor& preprocessor : preprocessors_) {
      threads_.emplace_back([this, &preprocessor] { work(preprocessor); });
    }
  } catch (...) {
    stop();
    throw;
  }
}

BatchLoader::~BatchLoader() { stop(); }

void BatchLoader::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  work_ready_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

// On the calling thread: a draw is a few random numbers.
const Batch& BatchLoader::next_draws() {
  if (filling_ >= options_.steps) throw std::logic_error("BatchLoader::next behind the last step");
  open(filling_++);
  Prepared& prepared = ring_[0];
  prepared.draws.clear();
  for (const int index : prepared.batch.indices) {
    const Image& image = class_.images[static_cast<size_t>(index)];
    const uint64_t key = augmentation_key(options_.seed, class_.source_class, prepared.batch.epoch, index);
    prepared.draws.push_back(draw_augmentation(key, image.width, image.height));
  }
  prepared.batch.draws = prepared.draws;
  prepared.others_augment.clear();
  for (const OtherImages::Draw& other : prepared.others) {
    const Image& image = options_.others->images()[static_cast<size_t>(other.image)];
    prepared.others_augment.push_back(draw_augmentation(other.key, image.width, image.height));
  }
  prepared.batch.others_augment = prepared.others_augment;
  return prepared.batch;
}

const Batch& BatchLoader::prepare_next() {
  if (filling_ >= options_.steps) throw std::logic_error("BatchLoader::next behind the last step");
  open(filling_);
  Prepared& prepared = ring_[0];
  parallel_each(prepared.pending, [&](int64_t position, int thread) {
    prepare(preprocessors_[static_cast<size_t>(thread)], {&prepared, static_cast<int>(position)});
  });
  ++filling_;
  return prepared.batch;
}

const Batch& BatchLoader::next() {
  if (!options_.pixels) return next_draws();
  if (threads_.empty()) return prepare_next();
  std::unique_lock lock(mutex_);
  if (in_use_) {
    oldest_++;
    in_use_ = false;
    work_ready_.notify_all();
  }
  if (oldest_ >= options_.steps) throw std::logic_error("BatchLoader::next behind the last step");
  Prepared& prepared = prepared_of(oldest_);
  batch_ready_.wait(lock, [&] { return prepared.batch.step == oldest_ && prepared.pending == 0; });
  if (prepared.error) std::rethrow_exception(prepared.error);
  in_use_ = true;
  return prepared.batch;
}

// A step that has begun is finished; a new one needs a free place in the ring.
bool BatchLoader::work_left() const {
  if (filling_ >= options_.steps) return false;
  return next_position_ > 0 || filling_ < oldest_ + options_.ahead;
}

BatchLoader::Ticket BatchLoader::take() {
  if (next_position_ == 0) open(filling_);
  Prepared& prepared = prepared_of(filling_);
  const Ticket ticket{&prepared, next_position_++};
  if (next_position_ == prepared.batch.valid + static_cast<int>(prepared.others.size())) {
    filling_++;
    next_position_ = 0;
  }
  return ticket;
}

void BatchLoader::open(int64_t step) {
  const int64_t images = static_cast<int64_t>(class_.images.size());
  const int64_t in_epoch = steps_per_epoch(images, options_.batch);
  const int64_t epoch = step / in_epoch, begin = step % in_epoch * options_.batch;
  if (epoch != order_epoch_) {
    if (options_.transform == Transform::learn) {
      epoch_order(options_.seed, class_.source_class, epoch, order_);
    } else {
      std::iota(order_.begin(), order_.end(), 0);
    }
    order_epoch_ = epoch;
  }
  Prepared& prepared = prepared_of(step);
  const int valid = static_cast<int>(std::min<int64_t>(options_.batch, images - begin));
  std::copy_n(order_.begin() + begin, valid, prepared.indices.begin());
  if (options_.others) options_.others->draw(options_.seed, class_.index, step, prepared.others);
  prepared.batch = {};
  Batch& batch = prepared.batch;
  batch.valid = valid;
  batch.step = step;
  batch.epoch = epoch;
  batch.indices = {prepared.indices.data(), static_cast<size_t>(valid)};
  batch.others = prepared.others;
  if (options_.pixels) {
    batch.images = prepared.pixels.data();
    if (options_.others) batch.other_images = batch.images + static_cast<size_t>(options_.batch) * sample_size();
  }
  prepared.pending = valid + static_cast<int>(prepared.others.size());
  prepared.error = nullptr;
}

void BatchLoader::prepare(Preprocessor& preprocessor, const Ticket& ticket) const {
  Prepared& prepared = *ticket.batch;
  const size_t sample = sample_size(), batch = static_cast<size_t>(options_.batch);
  const auto valid = static_cast<size_t>(prepared.batch.valid), position = static_cast<size_t>(ticket.position);
  if (position == 0) {  // the first sample's worker clears the rest of a short batch
    std::fill(prepared.pixels.data() + sample * valid, prepared.pixels.data() + sample * batch, 0.0f);
  }
  if (position >= valid) {
    const OtherImages::Draw& other = prepared.others[position - valid];
    const Image& image = options_.others->images()[static_cast<size_t>(other.image)];
    preprocessor.augment(image, draw_augmentation(other.key, image.width, image.height),
                         prepared.pixels.data() + sample * (batch + position - valid));
    return;
  }
  const int index = prepared.indices[position];
  const Image& image = class_.images[static_cast<size_t>(index)];
  float* out = prepared.pixels.data() + sample * position;
  if (options_.transform == Transform::evaluate) {
    preprocessor.evaluate(image, out);
  } else {
    const uint64_t key = augmentation_key(options_.seed, class_.source_class, prepared.batch.epoch, index);
    preprocessor.augment(image, draw_augmentation(key, image.width, image.height), out);
  }
}

void BatchLoader::work(Preprocessor& preprocessor) {
  std::unique_lock lock(mutex_);
  while (true) {
    work_ready_.wait(lock, [&] { return stopping_ || work_left(); });
    if (stopping_) return;
    const Ticket ticket = take();
    lock.unlock();
    std::exception_ptr error;
    try {
      prepare(preprocessor, ticket);
    } catch (...) {
      error = std::current_exception();
    }
    lock.lock();
    if (error && !ticket.batch->error) ticket.batch->error = error;
    if (--ticket.batch->pending == 0) batch_ready_.notify_one();
  }
}

}  // namespace nad
