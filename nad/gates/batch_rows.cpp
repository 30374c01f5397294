#include "nad/gates/batch_rows.h"

namespace nad {

std::vector<int32_t> LearningRows::row_of_sample() const {
  std::vector<int32_t> rows(static_cast<size_t>(2 * images()), kOriginalRow);
  for (int64_t n = 0; n < images(); ++n) {
    rows[static_cast<size_t>(images() + n)] = static_cast<int32_t>(1 + (row_a_sample ? n : n / images_a_class));
  }
  return rows;
}

std::vector<int32_t> rows_of_copies(int64_t images, std::span<const int32_t> row_of_copy) {
  std::vector<int32_t> rows;
  for (const int32_t row : row_of_copy) rows.insert(rows.end(), static_cast<size_t>(images), row);
  return rows;
}

}  // namespace nad
