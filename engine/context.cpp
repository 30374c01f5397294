#include "engine/context.h"

#include <algorithm>

namespace nad {

std::string to_string(Precision precision) {
  switch (precision) {
    case Precision::fp32:
      return "fp32";
    case Precision::tf32:
      return "tf32";
    case Precision::bf16:
      return "bf16";
  }
  return "?";
}

Context::Context(std::unique_ptr<Backend> backend, Precision precision)
    : backend_(std::move(backend)), precision_(precision) {
  if (!backend_->supports(precision)) {
    throw Error(ErrorKind::device, "precision " + to_string(precision) + ": not available on " + backend_->name(),
                "use fp32", Setting::precision);
  }
}

void Context::grow_scratch(size_t bytes) {
  if (bytes <= scratch_bytes_) return;
  scratch_.reset();  // nothing in scratch outlives a kernel
  scratch_bytes_ = 0;
  scratch_ = backend_->allocate(bytes);
  scratch_bytes_ = bytes;
}

Buffer Planner::weights(size_t bytes) {
  account_.weights += bytes;
  return context_.backend().allocate(bytes);
}

Buffer Planner::share(Buffer packed, size_t bytes) {
  Buffer shared = context_.packed_weights().share(context_.backend(), packed.get(), bytes, [&] { return packed; });
  if (shared != packed) account_.weights -= bytes;
  return shared;
}

Buffer Planner::upload_weights(const void* packed, size_t bytes) {
  const auto upload = [&] {
    Buffer buffer = weights(bytes);
    context_.backend().upload(buffer.get(), packed, bytes);
    return buffer;
  };
  return context_.packed_weights().share(context_.backend(), static_cast<const std::byte*>(packed), bytes, upload);
}

void Planner::read_in_place(const Param& weight) {
  if (context_.packed_weights().add(weight)) account_.weights += sizeof(float) * weight->data.size();
}

void Planner::reserve_scratch(size_t bytes) {
  account_.scratch = std::max(account_.scratch, bytes);
  context_.grow_scratch(bytes);
}

}  // namespace nad
