#include "nad/report/explanation_text.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <ostream>

#include "nad/report/text.h"

namespace nad {
namespace {

using Json = nlohmann::ordered_json;

std::string similar_text(const std::vector<SimilarClass>& similar, const ClassNames& names) {
  std::string text;
  for (const SimilarClass& s : similar) {
    text += (text.empty() ? "" : ", ") + names.brief(s.class_index) + format(" %.3f", s.similarity);
  }
  return text.empty() ? "no other sub-architecture" : text;
}

Json similar_json(const std::vector<SimilarClass>& similar) {
  Json json = Json::array();
  for (const SimilarClass& s : similar) json.push_back({{"class", s.class_index}, {"similarity", s.similarity}});
  return json;
}

const char* verdict_name(Verdict verdict) {
  switch (verdict) {
    case Verdict::right:
      return "right";
    case Verdict::unknown_label:
      return "unknown_label";
    case Verdict::no_comparison:
      return "no_comparison";
    case Verdict::like_the_label:
      return "like_the_label";
    case Verdict::unlike_the_label:
      return "unlike_the_label";
  }
  return "?";
}

// The classes whose sub-architectures an explanation speaks of.
std::vector<int64_t> spoken_of(const Explanation& e) {
  std::vector<int64_t> classes;
  if (e.label >= 0) classes.push_back(e.label);
  for (const Prediction& p : e.predictions) {
    if (p.has_sub_architecture && p.class_index != e.label) classes.push_back(p.class_index);
  }
  return classes;
}

Json explanation_json(const ExplainedImage& image, const ClassNames& names) {
  const Explanation& e = image.explanation;
  Json predictions = Json::array();
  for (const Prediction& p : e.predictions) {
    predictions.push_back({{"class", p.class_index},
                           {"name", names.label(p.class_index)},
                           {"probability", p.probability},
                           {"constant_answer", names.constant_answer(p.class_index)},
                           {"similar", similar_json(p.similar)}});
  }
  Json json = {{"image", image.name},
               {"label", e.label < 0 ? Json(nullptr) : Json(e.label)},
               {"predictions", predictions},
               {"similar_to_label", similar_json(e.similar_to_label)},
               {"verdict", verdict_name(e.verdict)},
               {"in_words", verdict_text(e, names)}};
  if (e.answer_rank > 0) {
    json["answer_similarity"] = e.answer_similarity;
    json["other_similarity"] = e.other_similarity;
    json["answer_rank"] = e.answer_rank;
    json["chance"] = e.chance;
  }
  const std::string warning = constant_answer_text(e, names);
  json["warning"] = warning.empty() ? Json(nullptr) : Json(warning);
  json["picture"] = image.picture.empty() ? Json(nullptr) : Json(image.picture);
  return json;
}

}  // namespace

const ClassResult* ClassNames::result(int64_t class_index) const {
  const auto found = results_.classes.find(class_index);
  return found == results_.classes.end() ? nullptr : &found->second;
}

std::string ClassNames::brief(int64_t class_index) const {
  const auto i = static_cast<size_t>(class_index);
  const ClassResult* r = result(class_index);
  if (i < names_.size() && !names_[i].empty()) return one_line(names_[i]);
  if (i < ids_.size()) return one_line(ids_[i]);
  return r && !r->id.empty() ? one_line(r->id) : std::to_string(class_index);
}

std::string ClassNames::label(int64_t class_index) const {
  const auto i = static_cast<size_t>(class_index);
  const ClassResult* r = result(class_index);
  std::string text = std::to_string(class_index);
  const std::string id = i < ids_.size() ? ids_[i] : r ? r->id : "";
  if (!id.empty() && id != text) text += " " + id;
  if (i < names_.size() && !names_[i].empty() && names_[i] != id) text += " " + names_[i];
  return one_line(text);
}

int64_t ClassNames::find(const std::string& text, int64_t classes) const {
  for (const std::vector<std::string>* list : {&ids_, &names_}) {
    const auto at = std::find(list->begin(), list->end(), text);
    if (at != list->end()) return at - list->begin();
  }
  for (const auto& [index, r] : results_.classes) {
    if (r.id == text) return index;
  }
  const bool digits = !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
  return digits && std::stoll(text) < classes ? std::stoll(text) : -1;
}

bool ClassNames::constant_answer(int64_t class_index) const {
  const ClassResult* r = result(class_index);
  return r && r->constant_answer();
}

std::string verdict_text(const Explanation& e, const ClassNames& names) {
  const std::string answer = names.brief(e.predictions[0].class_index);
  const std::string label = e.label < 0 ? "" : names.brief(e.label);
  switch (e.verdict) {
    case Verdict::right:
      return "right: the network answers " + answer + ", and that is what the image shows";
    case Verdict::unknown_label:
      return "the network answers " + answer + "; what the image shows was not said";
    case Verdict::no_comparison:
      return "wrong: the network answers " + answer + " for " + label +
             "; the results hold too few sub-architectures to compare the two";
    case Verdict::like_the_label:
    case Verdict::unlike_the_label:
      break;
  }
  const bool alike = e.verdict == Verdict::like_the_label;
  return "wrong: the network answers " + answer + " for " + label + ", " + (alike ? "one of the " : "none of the ") +
         std::to_string(kTop) + " classes with the sub-architectures " + "most similar to " + label + "'s" +
         format(
             ": similarity %.3f, number %lld, others %.3f on average (a class drawn at random is among them in "
             "%.0f %% of all cases)",
             e.answer_similarity, static_cast<long long>(e.answer_rank), e.other_similarity, 100 * e.chance);
}

std::string constant_answer_text(const Explanation& e, const ClassNames& names) {
  std::string classes;
  for (const int64_t c : spoken_of(e)) {
    if (names.constant_answer(c)) classes += (classes.empty() ? "" : ", ") + names.brief(c);
  }
  if (classes.empty()) return "";
  return "constant answer: the sub-architectures of " + classes +
         " call more than half of the other classes' images their own; what they share or look at need not be "
         "knowledge of the class";
}

void write_explanation(const ExplainedImage& image, const ClassNames& names, std::ostream& out) {
  const Explanation& e = image.explanation;
  out << one_line(image.name) << "\n";
  if (e.label >= 0) {
    out << "  shows " << names.label(e.label) << "; most similar: " << similar_text(e.similar_to_label, names)
        << "\n";
  }
  for (const Prediction& p : e.predictions) {
    out << format("  %5.1f %%  ", 100 * p.probability) << names.label(p.class_index)
        << (p.has_sub_architecture ? "; most similar: " + similar_text(p.similar, names) : "; no sub-architecture")
        << "\n";
  }
  out << "  " << verdict_text(e, names) << "\n";
  const std::string warning = constant_answer_text(e, names);
  if (!warning.empty()) out << "  ! " << warning << "\n";
  if (!image.picture.empty()) out << "  feature maps: " << one_line(image.picture) << "\n";
}

void write_explanations_json(const std::vector<ExplainedImage>& images, const ClassNames& names, std::ostream& out) {
  Json list = Json::array();
  for (const ExplainedImage& image : images) list.push_back(explanation_json(image, names));
  const RunSettings& s = names.results().settings;
  const Json json = {
      {"arch", s.arch}, {"objective", s.objective}, {"weights_hash", s.weights_hash}, {"images", list}};
  out << json.dump(2, ' ', false, Json::error_handler_t::replace) << "\n";
}

}  // namespace nad
