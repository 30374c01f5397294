#include "nad/report/gallery.h"

#include <algorithm>

#include "nad/images/resize.h"
#include "nad/report/text.h"

namespace nad {
namespace {

constexpr int kGap = 12;           // pixels
constexpr int kSide = 128;         // of an image
constexpr int kColumnWidth = 380;  // of a column of text

void draw_predictions(Picture& picture, int left, int top, const Explanation& e, const ClassNames& names) {
  picture.text(left, top, "predictions", kFaint);
  for (const Prediction& p : e.predictions) {
    top += kTextHeight;
    picture.text(left, top, format("%3.0f %%  ", 100 * p.probability) + names.brief(p.class_index),
                 p.class_index == e.label ? kInk : kAlarm, kColumnWidth - kGap);
  }
}

// The class that was answered stands out: it is what the verdict is about.
void draw_similar(Picture& picture, int left, int top, const Explanation& e, const ClassNames& names) {
  picture.text(left, top, "most similar sub-architectures", kFaint, kColumnWidth - kGap);
  for (const SimilarClass& s : e.similar_to_label) {
    top += kTextHeight;
    const bool answer = s.class_index == e.predictions[0].class_index;
    picture.text(left, top, format("%.3f  ", s.similarity) + names.brief(s.class_index), answer ? kAlarm : kInk,
                 kColumnWidth - kGap);
  }
  if (e.answer_rank > kTop) {
    picture.text(left, top + kTextHeight,
                 format("%.3f  ", e.answer_similarity) + names.brief(e.predictions[0].class_index) +
                     format(", number %lld", static_cast<long long>(e.answer_rank)),
                 kFaint, kColumnWidth - kGap);
  }
}

std::string description(const std::vector<GalleryEntry>& entries, const ClassNames& names) {
  std::string text = "images that the network misjudges, with its predictions and the most similar sub-architectures";
  for (const GalleryEntry& entry : entries) {
    text += "\n" + (entry.explanation.label < 0 ? "" : "shows " + names.brief(entry.explanation.label) + "; ");
    text += verdict_text(entry.explanation, names);
  }
  return text;
}

}  // namespace

Picture gallery(const std::vector<GalleryEntry>& entries, const ClassNames& names) {
  const int row = kSide + kGap, text = kGap + kSide + kGap;
  Picture picture(text + 2 * kColumnWidth + kGap, kGap + row * static_cast<int>(entries.size()));
  for (size_t i = 0; i < entries.size(); ++i) {
    const int top = kGap + row * static_cast<int>(i);
    const Explanation& e = entries[i].explanation;
    picture.paste(resize(entries[i].image, kSide, kSide), kGap, top);
    if (e.label >= 0) {
      const std::string title = "shows " + names.brief(e.label);
      picture.text(text, top, title, kInk, 2 * kColumnWidth);
      if (names.constant_answer(e.label))
        picture.text(text + kColumnWidth, top, "its sub-architecture is a constant answer", kAlarm, kColumnWidth);
    }
    draw_predictions(picture, text, top + kTextHeight + kGap / 2, e, names);
    draw_similar(picture, text + kColumnWidth, top + kTextHeight + kGap / 2, e, names);
  }
  picture.describe(description(entries, names));
  return picture;
}

}  // namespace nad
