// One Context owns everything a run needs: the backend, its precision, the scratch memory. No globals.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/error.h"
#include "engine/ops.h"
#include "engine/packed_weights.h"

namespace nad {

enum class Precision : uint8_t { fp32, tf32, bf16 };  // of the products in convolutions and linear layers
std::string to_string(Precision precision);

class Backend {
 public:
  virtual ~Backend() = default;
  virtual std::string name() const = 0;         // "reference", "cpu", "cuda"
  virtual std::string description() const = 0;  // one line for the banner: device, instruction sets, threads
  virtual const OpTable& ops() const = 0;
  virtual bool supports(Precision precision) const = 0;
  // What else there is to know about a precision on this machine, for the banner; mostly nothing.
  virtual std::string precision_note(Precision /*precision*/) const { return ""; }
  // Throws Error(memory) with the bytes wanted and free.
  virtual Buffer allocate(size_t bytes) = 0;
  virtual size_t free_bytes() const = 0;  // what could still be allocated
  virtual void upload(void* to, const void* from, size_t bytes) = 0;
  virtual void download(void* to, const void* from, size_t bytes) = 0;
  // From device memory to device memory, in order with everything else; does not wait.
  virtual void copy(void* to, const void* from, size_t bytes) = 0;
  virtual void synchronize() = 0;
  // Whether a step is still running when the call that started it returns: then a download costs a wait.
  virtual bool asynchronous() const { return false; }
  // Replays a step: a plain call here, cold -> warm -> captured graph on a device that has graphs. key: who owns the
  // step; the same key must come with the same step.
  virtual void replay(const void* /*key*/, const std::function<void()>& step) { step(); }
  // Where planning measures which kernel a layer gets (--conv auto): what it chose, as text, and the choices of an
  // earlier run to go by instead.
  virtual std::string measured_choices() const { return ""; }
  virtual void adopt_choices(const std::string& /*text*/) {}
  // Names what runs in between for a profiler.
  virtual void begin_range(const std::string& /*name*/) {}
  virtual void end_range() {}
};

// What planning found out about memory, in bytes.
struct MemoryAccount {
  size_t weights = 0;      // packed parameters, but those that other plans of the context hold too
  size_t activations = 0;  // the planned arena: values and gradients
  size_t scratch = 0;      // shared by all kernels
  size_t state = 0;        // gate tables, labels, losses
  size_t total() const { return weights + activations + scratch + state; }
};

class Context {
 public:
  explicit Context(std::unique_ptr<Backend> backend, Precision precision = Precision::fp32);
  Backend& backend() { return *backend_; }
  const OpTable& ops() const { return backend_->ops(); }
  Precision precision() const { return precision_; }
  // Memory that kernels share, valid until the kernel returns. Planner::reserve_scratch made it large enough.
  std::byte* scratch() { return scratch_.get(); }
  size_t scratch_bytes() const { return scratch_bytes_; }
  void grow_scratch(size_t bytes);
  PackedWeights& packed_weights() { return packed_weights_; }

 private:
  std::unique_ptr<Backend> backend_;
  Precision precision_;
  Buffer scratch_;
  size_t scratch_bytes_ = 0;
  PackedWeights packed_weights_;
};

// What an entry of the op table sees while it plans.
class Planner {
 public:
  explicit Planner(Context& context) : context_(context) {}
  Context& context() { return context_; }
  Precision precision() const { return context_.precision(); }
  // Memory for packed parameters; the kernel keeps the buffer.
  Buffer weights(size_t bytes);
  // The same once it is filled and from now on only read: where a kernel of this context holds equal bytes already,
  // their memory instead. So a second plan of a network holds nothing twice. PRECOND: memory that the host can read.
  Buffer share(Buffer packed, size_t bytes);
  // Parameters that were packed on the host, in the backend's memory: shared in the same way, and only what no kernel
  // holds yet takes memory there.
  Buffer upload_weights(const void* packed, size_t bytes);
  // Counts a parameter that a kernel reads where it lies.
  void read_in_place(const Param& weight);
  // Asks for at least this much of Context::scratch() whenever the kernel runs.
  void reserve_scratch(size_t bytes);
  const MemoryAccount& account() const { return account_; }
  MemoryAccount& account() { return account_; }

 private:
  Context& context_;
  MemoryAccount account_;
};

}  // namespace nad
