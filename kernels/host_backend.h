// A backend whose memory is the host's: "reference" and "cpu" differ in their op tables and precisions alone.
#pragma once

#include <string>
#include <vector>

#include "kernels/learning_ops.h"

namespace nad {

class HostBackend : public Backend, public LearningBackend {
 public:
  // Runs on `threads` threads of the process-wide pool (0: every
  // core this process may use). bf16_note: precision_note() of bf16.
  HostBackend(std::string name, const OpTable& ops, const LearningOps& learning, std::vector<Precision> precisions,
              int threads, std::string bf16_note = "");
  std::string name() const override { return name_; }
  std::string description() const override;
  const OpTable& ops() const override { return ops_; }
  const LearningOps& learning_ops() const override { return learning_; }
  bool supports(Precision precision) const override;
  std::string precision_note(Precision precision) const override {
    return precision == Precision::bf16 ? bf16_note_ : "";
  }
  Buffer allocate(size_t bytes) override;
  size_t free_bytes() const override;
  void upload(void* to, const void* from, size_t bytes) override;
  void download(void* to, const void* from, size_t bytes) override;
  void copy(void* to, const void* from, size_t bytes) override;
  void synchronize() override {}

 private:
  std::string name_;
  const OpTable& ops_;
  const LearningOps& learning_;
  std::vector<Precision> precisions_;
  std::string bf16_note_;
};

}  // namespace nad
