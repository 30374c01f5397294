// Stream capture and graphs.
#include <algorithm>

#include "device.h"

using namespace host_cuda;

namespace {

// Has every node of the graph a successor in the origin stream's end?
bool joined(const NodeList& list, const std::vector<OperationPtr>& tips) {
  std::set<const Operation*> seen;
  std::vector<const Operation*> stack;
  for (const auto& tip : tips) stack.push_back(tip.get());
  while (!stack.empty()) {
    const Operation* node = stack.back();
    stack.pop_back();
    if (!seen.insert(node).second) continue;
    for (const auto& before : node->after) stack.push_back(before.get());
  }
  return seen.size() == list.nodes.size();
}

// What differs between two graphs that cudaGraphExecUpdate could not change in place.
cudaGraphExecUpdateResult compare(const NodeList& old, const NodeList& fresh, Operation** where) {
  *where = nullptr;
  if (old.nodes.size() != fresh.nodes.size()) return cudaGraphExecUpdateErrorTopologyChanged;
  const auto position = [](const NodeList& list, const OperationPtr& node) {
    return std::find(list.nodes.begin(), list.nodes.end(), node) - list.nodes.begin();
  };
  for (size_t i = 0; i < old.nodes.size(); ++i) {
    const Operation& a = *old.nodes[i];
    const Operation& b = *fresh.nodes[i];
    *where = fresh.nodes[i].get();
    if (a.kind != b.kind) return cudaGraphExecUpdateErrorNodeTypeChanged;
    if (a.kernel != b.kernel) return cudaGraphExecUpdateErrorFunctionChanged;
    if (a.after.size() != b.after.size()) return cudaGraphExecUpdateErrorTopologyChanged;
    for (size_t k = 0; k < a.after.size(); ++k) {
      if (position(old, a.after[k]) != position(fresh, b.after[k])) return cudaGraphExecUpdateErrorTopologyChanged;
    }
  }
  *where = nullptr;
  return cudaGraphExecUpdateSuccess;
}

}  // namespace

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  return guarded([&] {
    require_device();
    if (!handle) refuse(cudaErrorStreamCaptureUnsupported, "the default stream cannot capture");
    Stream& stream = device().stream(handle);
    if (stream.capture) refuse(cudaErrorInvalidValue, "the stream captures already");
    auto capture = std::make_shared<Capture>();
    capture->origin = &stream;
    capture->restricted = mode != cudaStreamCaptureModeRelaxed;
    capture->streams.insert(&stream);
    stream.capture = capture;
    stream.tips.clear();
    device().captures.insert(capture);
  });
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  *graph = nullptr;
  return guarded([&] {
    Stream& stream = device().stream(handle);
    const std::shared_ptr<Capture> capture = stream.capture;
    if (!capture) refuse(cudaErrorInvalidValue, "the stream does not capture");
    if (capture->origin != &stream) refuse(cudaErrorStreamCaptureUnmatched);
    const bool all_joined = joined(*capture->graph.list, stream.tips);
    for (const auto& s : device().streams) {
      if (s->capture != capture) continue;
      s->capture = nullptr;
      s->tips.clear();
    }
    for (const auto& e : device().events) {
      if (e->capture != capture) continue;
      e->capture = nullptr;
      e->tips.clear();
    }
    device().captures.erase(capture);
    if (capture->invalid) refuse(cudaErrorStreamCaptureInvalidated, device().finding);
    if (!all_joined) refuse(cudaErrorStreamCaptureUnjoined);
    *graph = new Graph(capture->graph);
  });
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  return guarded([&] {
    const auto& capture = device().stream(handle).capture;
    *status = !capture           ? cudaStreamCaptureStatusNone
              : capture->invalid ? cudaStreamCaptureStatusInvalidated
                                 : cudaStreamCaptureStatusActive;
  });
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* exec, cudaGraph_t graph, unsigned long long) {
  return guarded([&] {
    if (!graph) refuse(cudaErrorInvalidValue, "no graph");
    *exec = new GraphExec{graph->list};
  });
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t handle) {
  return guarded([&] {
    require_device();
    if (!exec) refuse(cudaErrorInvalidValue, "no graph");
    Stream& stream = device().stream(handle);
    if (stream.capture) refuse(cudaErrorNotSupported, "the model has no graphs within graphs");
    auto operation = std::make_shared<Operation>();
    operation->kind = Operation::Kind::graph;
    // The nodes as they are now: a later update does not change what was launched.
    operation->run = [list = exec->list] { run_nodes(list->nodes); };
    device().enqueue(stream, std::move(operation));
  });
}

cudaError_t cudaGraphUpload(cudaGraphExec_t exec, cudaStream_t stream) {
  return guarded([&] {
    if (!exec) refuse(cudaErrorInvalidValue, "no graph");
    device().stream(stream);
  });
}

cudaError_t cudaGraphExecUpdate(cudaGraphExec_t exec, cudaGraph_t graph, cudaGraphExecUpdateResultInfo* result) {
  *result = {cudaGraphExecUpdateError, nullptr, nullptr};
  return guarded([&] {
    if (!exec || !graph) refuse(cudaErrorInvalidValue, "no graph");
    result->result = compare(*exec->list, *graph->list, &result->errorNode);
    if (result->result != cudaGraphExecUpdateSuccess) refuse(cudaErrorGraphExecUpdateFailure);
    exec->list = graph->list;
  });
}

cudaError_t cudaGraphGetNodes(cudaGraph_t graph, cudaGraphNode_t* nodes, size_t* count) {
  return guarded([&] {
    if (!graph) refuse(cudaErrorInvalidValue, "no graph");
    const auto& all = graph->list->nodes;
    const size_t room = nodes ? std::min(*count, all.size()) : 0;
    for (size_t i = 0; i < room; ++i) nodes[i] = all[i].get();
    *count = nodes ? room : all.size();
  });
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec) {
  delete exec;
  return cudaSuccess;
}
