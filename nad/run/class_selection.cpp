#include "nad/run/class_selection.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "engine/error.h"

namespace nad {
namespace {

bool parse_index(const std::string& text, int64_t* value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, *value);
  return !text.empty() && error == std::errc() && stop == end && *value >= 0;
}

// "3" or "0-9".
bool parse_range(const std::string& text, int64_t* first, int64_t* last) {
  const size_t dash = text.find('-');
  if (dash == std::string::npos) return parse_index(text, first) && parse_index(text, last);
  return parse_index(text.substr(0, dash), first) && parse_index(text.substr(dash + 1), last);
}

// What stands between commas, without blanks around it.
std::vector<std::string> items_of(const std::string& text) {
  std::vector<std::string> items;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string item = text.substr(begin, end - begin);
    const size_t first = item.find_first_not_of(' '), last = item.find_last_not_of(' ');
    items.push_back(first == std::string::npos ? "" : item.substr(first, last + 1 - first));
    begin = end + 1;
  }
  return items;
}

void add_item(const std::string& item, const std::vector<std::string>& ids, int64_t count,
              std::vector<int64_t>* out) {
  const auto refuse = [&](const std::string& why, const std::string& hint) {
    return Error(ErrorKind::usage, "--classes: '" + item + "' " + why, hint);
  };
  const auto id = std::find(ids.begin(), ids.end(), item);
  int64_t first = 0, last = 0;
  if (id != ids.end() && !item.empty()) {
    out->push_back(id - ids.begin());
  } else if (parse_range(item, &first, &last)) {
    if (first > last) throw refuse("is a range that ends before it begins", "write the smaller index first");
    if (last >= count) {
      throw refuse("is out of range",
                   "the network has " + std::to_string(count) + " classes, 0-" + std::to_string(count - 1));
    }
    for (int64_t i = first; i <= last; i++) out->push_back(i);
  } else {
    const bool known = std::any_of(ids.begin(), ids.end(), [](const std::string& s) { return !s.empty(); });
    throw refuse("is neither an index, a range nor a class id",
                 known ? "the network's ids are like " + ids.front() : "this network has no class ids, use indices");
  }
}

}  // namespace

std::vector<std::pair<std::string, int64_t>> ids_like_indices(const std::string& text,
                                                              const std::vector<std::string>& ids) {
  std::vector<std::pair<std::string, int64_t>> found;
  for (const std::string& item : items_of(text)) {
    const int64_t at = std::find(ids.begin(), ids.end(), item) - ids.begin();
    int64_t index = 0;
    if (at < static_cast<int64_t>(ids.size()) && parse_index(item, &index) && index != at)
      found.push_back({item, at});
  }
  return found;
}

std::string class_label(const ClassTask& task) {
  const std::string index = std::to_string(task.index);
  return task.id.empty() || task.id == index ? index : index + " " + task.id;
}

std::vector<ClassTask> select_classes(const std::string& text, const ClassMatch& match,
                                      const std::vector<std::string>& ids, const std::vector<std::string>& names) {
  const auto count = static_cast<int64_t>(match.source_class.size());
  const std::vector<std::string>& known = ids.empty() ? match.source_class : ids;
  std::vector<int64_t> indices;
  if (text == "all") {
    for (int64_t i = 0; i < count; i++) {
      if (!match.source_class[static_cast<size_t>(i)].empty()) indices.push_back(i);
    }
  } else {
    for (const std::string& item : items_of(text)) add_item(item, known, count, &indices);
  }
  std::vector<ClassTask> tasks;
  std::set<int64_t> seen;
  for (const int64_t index : indices) {
    if (!seen.insert(index).second) continue;
    const auto i = static_cast<size_t>(index);
    tasks.push_back({index, known[i], names.empty() ? known[i] : names[i], match.source_class[i], 0, 0});
  }
  return tasks;
}

}  // namespace nad
