#include "engine/batch_norm.h"

#include "engine/error.h"

namespace nad {
namespace {

void require_view(const char* op, const char* name, const CTensor& t, const Shape& expected) {
  if (!t || t.shape != expected || t.shape.count() < 1 || t.stride < t.shape.c) {
    throw Error(ErrorKind::device,
                std::string(op) + ": " + name + " is " + to_string(t.shape) + ", expected " + to_string(expected) +
                    " with memory and a pixel stride of at least its channels",
                "the graph that asks for this op is wrong");
  }
}

void require(bool ok, const char* op, const char* text) {
  if (!ok) throw Error(ErrorKind::device, std::string(op) + ": " + text, "the graph that asks for this op is wrong");
}

}  // namespace

void check_args(const BatchNormArgs& a) {
  const char* op = "batch_norm";
  require_view(op, "x", a.x, a.x.shape);
  require_view(op, "y", a.y, a.x.shape);
  require(a.gamma && a.beta && a.mean && a.rstd, op, "gamma, beta, mean or rstd have no memory");
  require(!a.running_mean == !a.running_variance, op, "running mean and variance belong together");
  require(a.epsilon > 0 && a.momentum >= 0 && a.momentum <= 1, op, "epsilon must be above 0, momentum from 0 to 1");
}

void check_args(const BatchNormBackwardArgs& a) {
  const char* op = "batch_norm_backward";
  require_view(op, "dy", a.dy, a.dy.shape);
  require_view(op, "x", a.x, a.dy.shape);
  require_view(op, "dx", a.dx, a.dy.shape);
  if (a.y) require_view(op, "y", a.y, a.dy.shape);
  require(a.gamma && a.mean && a.rstd && a.dgamma && a.dbeta, op, "a vector has no memory");
}

}  // namespace nad
