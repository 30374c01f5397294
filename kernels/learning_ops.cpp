#include "kernels/learning_ops.h"

#include "engine/error.h"

namespace nad {

const LearningBackend& learning_backend(const Backend& backend) {
  const auto* learning = dynamic_cast<const LearningBackend*>(&backend);
  if (!learning) throw Error(ErrorKind::device, "backend " + backend.name() + " has no ops that learn gates");
  return *learning;
}

}  // namespace nad
