// Reads the peer's answers from a golden file: results/<precision>_<objective>/..., as doubles.
#pragma once

#include <hdf5.h>

#include <cmath>
#include <cstdio>
#include <stdexcept>
#include <string>
#include <vector>

namespace nad::test {

class GoldenResults {
 public:
  GoldenResults(const std::string& path, const std::string& group)
      : path_(path), group_("/results/" + group + "/"), file_(H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT)) {
    if (file_ < 0) throw std::runtime_error("golden file " + path + " cannot be opened");
  }
  ~GoldenResults() { H5Fclose(file_); }
  GoldenResults(const GoldenResults&) = delete;
  GoldenResults& operator=(const GoldenResults&) = delete;

  std::vector<double> read(const std::string& name) const {
    const hid_t dataset = H5Dopen2(file_, (group_ + name).c_str(), H5P_DEFAULT);
    if (dataset < 0) throw std::runtime_error("golden file " + path_ + " lacks " + group_ + name);
    const hid_t space = H5Dget_space(dataset);
    std::vector<double> values(static_cast<size_t>(H5Sget_simple_extent_npoints(space)));
    const herr_t status = H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values.data());
    H5Sclose(space);
    H5Dclose(dataset);
    if (status < 0) throw std::runtime_error("golden file " + path_ + ": cannot read " + name);
    return values;
  }
  std::vector<double> gate(const std::string& name, size_t index) const {
    char number[24];
    std::snprintf(number, sizeof number, "/%02zu", index);
    return read(name + number);
  }

 private:
  std::string path_, group_;
  hid_t file_;
};

// ||a - b|| / ||b||; infinity where sizes differ or a value is not finite.
template <class A>
double relative_error(const A& a, const std::vector<double>& b) {
  double difference = 0, norm = 0;
  if (a.size() != b.size()) return INFINITY;
  for (size_t i = 0; i < b.size(); ++i) {
    const double d = static_cast<double>(a[i]) - b[i];
    difference += d * d;
    norm += b[i] * b[i];
  }
  const double error = std::sqrt(difference / (norm > 0 ? norm : 1));
  return std::isfinite(error) ? error : INFINITY;
}

}  // namespace nad::test
