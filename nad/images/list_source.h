// Validation images that lie in one folder, with their classes in a list: ImageNet's and Places365's form.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "nad/images/dataset.h"

namespace nad {

// The images of the split `val` by a list, those of `train` in DIR/train/<class>/ as FolderSource finds them. Names of a
// list's images are relative to DIR/val, or to DIR where they do not lie there; of an absolute name the slash is dropped.
// A line of the list is, with spaces, tabs or a comma between:
//   NAME CLASS      ImageNet's val.txt, Places365's places365_val.txt. CLASS: an index in the network's outputs from 0,
//                   or a class id; what follows is ignored (LOC_val_solution.csv, whose names lack .JPEG)
//   CLASS           one for each image of DIR/val in the order of their names: a class id
// Ids that are none of the network's are classes of their own, as folders are.
class ListSource : public ImageSource {
 public:
  // ids: the network's class ids in class order, or empty: then the sorted folders of DIR/train are the classes.
  // Throws Error(data): a folder or the list cannot be read, a line that is none of the above (with its number), an
  // image that is named twice, no class of the network.
  ListSource(const std::string& folder, const std::string& list, const std::vector<std::string>& ids);
  bool has_split(const std::string& split) const override;
  std::vector<std::string> classes(const std::string& split) const override;
  std::vector<EncodedImage> load(const std::string& split, const std::string& source_class) const override;
  std::vector<EncodedImage> load(const std::string& split, const std::string& source_class,
                                 const std::vector<int64_t>& which) const override;
  int64_t count(const std::string& split, const std::string& source_class) const override;
  EndingCounts unread(const std::string& split, const std::string& source_class) const override;
  std::string where(const std::string& split, const std::string& source_class) const override;

 private:
  std::unique_ptr<FolderSource> train_;  // null where there is no DIR/train
  std::string list_;
  std::map<std::string, std::vector<std::string>> paths_;  // of each class, sorted
};

// A FolderSource, or a ListSource where a list is given.
std::unique_ptr<ImageSource> open_folder(const std::string& folder, const std::string& val_list,
                                         const std::vector<std::string>& ids);

}  // namespace nad
