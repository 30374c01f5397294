// One cell of a DARTS network.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "models/builder.h"
#include "models/genotype.h"

namespace nad {

// What a cell is told by the network around it.
struct CellPlace {
  std::string name;               // "cells.3"
  int64_t channels = 0;           // of every state
  bool reduction = false;         // edges from the inputs have stride 2
  bool reduction_before = false;  // the first input is twice as large as the second
};

// Records a cell on its two inputs and returns its gated concatenation, a slab of channels * |concat| channels.
// An edge with parameters adds the node's other edge as its residual. A state that only the concatenation reads is
// written straight into the slab, times its part of the cell's gate; one that other nodes read too has a buffer of
// its own, from which a gate fills the slab: of DARTS_V2's four states that is one. Throws Error(data) where a map of
// odd size would have to be reduced.
class DartsCell {
 public:
  DartsCell(Builder& builder, const Genotype& genotype, CellPlace place);
  Var record(Var input0, Var input1);

 private:
  struct Operation {  // an edge with its place in the cell
    Edge edge;
    std::string path;  // "cells.3._ops.5"
    int64_t stride = 1;
    bool has_parameters() const;
  };

  Operation operation(size_t index) const;
  Var slot(size_t index);            // a state's slice of the slab
  bool direct(int64_t state) const;  // read by nothing but one slot of the concatenation
  Var destination(int64_t state);    // the slot of a direct state, else empty
  void gate_states();                // fills the slots of the others
  Var record_node(int64_t node);
  Var sum(const Operation& a, const Operation& b, Var into);
  // The value of an edge, in a buffer of its own, in another value's or in `into`.
  Var value(const Operation& op, Var residual = {}, Var into = {});
  Var pool(const Operation& op, Var into);
  Var separable(const Operation& op, Var residual, Var into);
  Var dilated(const Operation& op, Var residual, Var into);
  Var conv_7x1_1x7(const Operation& op, Var residual, Var into);
  Var factorized_reduce(Var x, const std::string& path, Var into);
  Var zeros(const Operation& op, Var into);
  Var depthwise(Var x, const std::string& name, int64_t kernel, int64_t stride, int64_t dilation);

  Builder& b_;
  Tape& tape_;
  const Genotype& genotype_;
  CellPlace place_;
  Var slab_;
  std::vector<Var> states_;
  std::map<std::pair<Primitive, int64_t>, Var> pools_;  // by source: genotypes repeat them
};

}  // namespace nad
