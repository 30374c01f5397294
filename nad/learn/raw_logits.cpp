#include "nad/learn/raw_logits.h"

#include "nad/learn/gated_forward.h"

namespace nad {

std::vector<float> raw_logits(Context& context, const Tape& network, const RawImages& images,
                              const Preprocessing& preprocessing) {
  GatedForward forward(context, network, {.images = 1, .rows = 1});
  const auto size = static_cast<int>(forward.input_size());
  Preprocessor preprocessor(size, preprocessing);
  Image image{static_cast<int>(images.width), static_cast<int>(images.height), {}};
  std::vector<float> pixels(static_cast<size_t>(size) * size * 3);
  std::vector<float> logits(static_cast<size_t>(images.count * forward.num_classes()));
  const int64_t bytes = images.height * images.width * 3;
  for (int64_t n = 0; n < images.count; ++n) {
    image.rgb.assign(images.rgb.begin() + n * bytes, images.rgb.begin() + (n + 1) * bytes);
    preprocessor.evaluate(image, pixels.data());
    forward.run(pixels.data(), 1);
    forward.logits(0, 1, logits.data() + n * forward.num_classes());
  }
  return logits;
}

}  // namespace nad
