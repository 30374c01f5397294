// nad_explain at work: images through the original network and through sub-architectures.
#pragma once

#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "nad/analyse/explanation.h"
#include "nad/images/augment.h"
#include "nad/learn/gated_forward.h"
#include "nad/report/explanation_text.h"
#include "nad/report/feature_maps.h"
#include "nad/report/gallery.h"
#include "nad/run/explain_options.h"
#include "nad/store/results.h"
#include "weights/weights.h"

namespace nad {

class Explainer {
 public:
  // Opens weights and results and plans the network. Throws Error(data) where one of them cannot be read or the
  // results hold no finished class, Error(usage) where they do not belong together, a label is unknown or pictures
  // cannot be written, and what planning throws.
  explicit Explainer(const ExplainOptions& options);

  // The images of the command line, then the composite where they are four. A broken image is told on `errors` and
  // left out.
  void explain_files(std::ostream& errors);
  // Val images that the network misjudges, with a gallery. `notes`: how many were looked through.
  void explain_mistakes(std::ostream& notes);

  const std::vector<ExplainedImage>& explained() const { return explained_; }
  const ClassNames& names() const { return *names_; }
  int64_t broken() const { return broken_; }

 private:
  struct Shown {  // an image as the network sees it
    std::string name;
    int64_t label = -1;
    Image decoded, input;       // input: [S, S]
    std::vector<float> pixels;  // [S, S, 3], normalised
  };

  int64_t size() const { return network_size_; }
  int64_t label_of(const std::string& path) const;
  Shown show(const std::string& name, int64_t label, Image decoded) const;
  void explain_one(const Shown& image, const std::string& picture);
  void explain_composite(const std::vector<Shown>& four);
  FeatureMapRow feature_maps(GatedForward& forward, int64_t copy, const std::string& name) const;
  std::vector<Shown> find_mistakes(std::ostream& notes);
  std::vector<int64_t> answers_of(const std::vector<float>& pixels, int64_t count);
  // OUT/STEM.png, or STEM_2, ... where that is taken. Throws Error(usage) where the picture would replace an input.
  std::string picture_path(const std::string& stem);

  ExplainOptions options_;
  WeightsFile weights_;
  Results results_;
  Preprocessing preprocessing_;
  int64_t network_size_ = 0;
  KnownSubArchitectures known_;
  std::unique_ptr<ClassNames> names_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<Tape> network_;
  std::unique_ptr<GatedForward> forward_;  // the original beside one sub-architecture
  std::vector<ExplainedImage> explained_;
  std::vector<std::string> taken_;  // names of pictures
  int64_t broken_ = 0;
};

}  // namespace nad
