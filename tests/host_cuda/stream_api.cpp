// Streams and events.
#include <algorithm>

#include "device.h"

using namespace host_cuda;

namespace {

Event& checked(cudaEvent_t event) {
  for (const auto& e : device().events) {
    if (e.get() == event) return *e;
  }
  refuse(cudaErrorInvalidResourceHandle, "the event was destroyed or never created");
}

// Waiting for a stream or an event that captures loses the capture.
void refuse_capturing(const std::shared_ptr<Capture>& capture, cudaError_t code, const char* call) {
  if (!capture) return;
  capture->invalid = true;
  refuse(code, std::string(call) + " while the stream captures");
}

}  // namespace

cudaError_t cudaDeviceSynchronize() {
  return guarded([&] {
    require_device();
    device().refuse_in_capture("cudaDeviceSynchronize");
    device().finish_all();
  });
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  return guarded([&] {
    require_device();
    device().streams.push_back(std::make_unique<Stream>());
    *stream = device().streams.back().get();
    (*stream)->blocking = (flags & cudaStreamNonBlocking) == 0;
  });
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  return guarded([&] {
    Stream& stream = device().stream(handle);
    if (stream.capture) {
      device().captures.erase(stream.capture);
      stream.capture->invalid = true;
    }
    const OperationPtr last = stream.last;
    std::erase_if(device().streams, [&](const auto& s) { return s.get() == handle; });
    device().finish(last);
  });
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  return guarded([&] {
    require_device();
    Stream& stream = device().stream(handle);
    refuse_capturing(stream.capture, cudaErrorStreamCaptureUnsupported, "cudaStreamSynchronize");
    if (!handle) return device().finish_all();
    device().finish(stream.last);
  });
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  bool ready = true;
  const cudaError_t error = guarded([&] {
    Stream& stream = device().stream(handle);
    refuse_capturing(stream.capture, cudaErrorStreamCaptureUnsupported, "cudaStreamQuery");
    ready = !stream.last || stream.last->done;
    device().finish(stream.last);
  });
  return error != cudaSuccess || ready ? error : cudaErrorNotReady;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event_handle, unsigned) {
  return guarded([&] {
    Stream& stream = device().stream(handle);
    const Event& event = checked(event_handle);
    if (event.capture) {
      if (stream.capture && stream.capture != event.capture) refuse(cudaErrorStreamCaptureMerge);
      stream.capture = event.capture;
      event.capture->streams.insert(&stream);
      for (const auto& tip : event.tips) {
        if (std::find(stream.tips.begin(), stream.tips.end(), tip) == stream.tips.end()) stream.tips.push_back(tip);
      }
      return;
    }
    if (stream.capture && event.recorded) {
      stream.capture->invalid = true;
      refuse(cudaErrorStreamCaptureIsolation);
    }
    if (!event.recorded) return;
    auto operation = std::make_shared<Operation>();
    operation->kind = Operation::Kind::wait;
    operation->after.push_back(event.recorded);
    device().enqueue(stream, std::move(operation));
  });
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, void (*function)(void*), void* argument) {
  return guarded([&] {
    require_device();
    auto operation = std::make_shared<Operation>();
    operation->kind = Operation::Kind::host_function;
    operation->run = [=] { function(argument); };
    device().enqueue(device().stream(handle), std::move(operation));
  });
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned flags) {
  return guarded([&] {
    require_device();
    device().events.push_back(std::make_unique<Event>());
    *event = device().events.back().get();
    (*event)->timed = (flags & cudaEventDisableTiming) == 0;
  });
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  return guarded([&] {
    checked(event);
    std::erase_if(device().events, [&](const auto& e) { return e.get() == event; });
  });
}

cudaError_t cudaEventRecord(cudaEvent_t event_handle, cudaStream_t handle) {
  return guarded([&] {
    Event& event = checked(event_handle);
    Stream& stream = device().stream(handle);
    event.capture = stream.capture;
    event.tips = stream.tips;
    event.recorded = nullptr;
    if (stream.capture) return;
    auto operation = std::make_shared<Operation>();
    operation->kind = Operation::Kind::event;
    event.recorded = operation;
    device().enqueue(stream, std::move(operation));
  });
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  return guarded([&] {
    refuse_capturing(checked(event).capture, cudaErrorCapturedEvent, "cudaEventSynchronize");
    device().finish(checked(event).recorded);
  });
}

// Not ready the first time, so that a caller that does not ask again reads old data; done the next time.
cudaError_t cudaEventQuery(cudaEvent_t event) {
  bool ready = true;
  const cudaError_t error = guarded([&] {
    refuse_capturing(checked(event).capture, cudaErrorCapturedEvent, "cudaEventQuery");
    const OperationPtr recorded = checked(event).recorded;
    ready = !recorded || recorded->done;
    device().finish(recorded);
  });
  return error != cudaSuccess || ready ? error : cudaErrorNotReady;
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  bool ready = true;
  const cudaError_t error = guarded([&] {
    const Event& first = checked(start);
    const Event& second = checked(end);
    if (!first.timed || !second.timed || !first.recorded || !second.recorded) {
      refuse(cudaErrorInvalidResourceHandle, "elapsed time between events that were not recorded or do not time");
    }
    ready = first.recorded->done && second.recorded->done;
    if (!ready) return;
    const std::chrono::duration<float, std::milli> elapsed = second.recorded->finished - first.recorded->finished;
    *milliseconds = elapsed.count();
  });
  return error != cudaSuccess || ready ? error : cudaErrorNotReady;
}
