// Named attributes of a network: what a weights file says about the architecture, without knowing the file format.
// models/ reads them, weights/ fills them; weights/FORMAT.md lists the names each architecture understands.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "engine/error.h"

namespace nad {

using Attribute =
    std::variant<int64_t, double, std::string, std::vector<int64_t>, std::vector<double>, std::vector<std::string>>;

class Attributes {
 public:
  void set(const std::string& name, Attribute value) { values_[name] = std::move(value); }
  bool has(const std::string& name) const { return values_.count(name) != 0; }
  const std::map<std::string, Attribute>& values() const { return values_; }

  // The attribute's value, or `fallback` where it is absent. Throws Error(data) if it has another type.
  template <class T>
  T get(const std::string& name, T fallback) const {
    const auto found = values_.find(name);
    if (found == values_.end()) return fallback;
    if (const T* value = std::get_if<T>(&found->second)) return *value;
    throw Error(ErrorKind::data, "weights file: attribute '" + name + "' has an unexpected type",
                std::string("expected ") + type_name(T{}) + ", see weights/FORMAT.md");
  }

 private:
  static const char* type_name(int64_t) { return "an integer"; }
  static const char* type_name(double) { return "a floating-point number"; }
  static const char* type_name(const std::string&) { return "a string"; }
  static const char* type_name(const std::vector<int64_t>&) { return "a list of integers"; }
  static const char* type_name(const std::vector<double>&) { return "a list of floating-point numbers"; }
  static const char* type_name(const std::vector<std::string>&) { return "a list of strings"; }

  std::map<std::string, Attribute> values_;
};

}  // namespace nad
