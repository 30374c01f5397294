#include "nad/run/output_place.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "weights/durable_file.h"

namespace nad {
namespace {

namespace fs = std::filesystem;

// 0, or the errno of beginning to write there. What a killed program left of its file stays.
int writing_error(const std::string& path) {
  const std::string part = path + kUnfinished;
  const int file = open(part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file < 0) return errno == EEXIST && access(part.c_str(), W_OK) == 0 ? 0 : errno;
  close(file);
  unlink(part.c_str());
  return 0;
}

}  // namespace

std::optional<OutputProblem> output_problem(const std::string& path, const OutputRules& rules) {
  std::error_code ignored;
  if (path.empty()) return OutputProblem{"is empty", "give the name of a file"};
  if (fs::is_directory(path, ignored)) return OutputProblem{"is a folder", "give the name of a file"};
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored)) {
    return OutputProblem{"is not a regular file", "give the name of a file"};
  }
  const fs::path folder = fs::path(path).parent_path();
  if (!folder.empty() && !fs::is_directory(folder, ignored)) {
    return OutputProblem{"lies in a folder that does not exist", "make the folder first"};
  }
  for (const std::string& input : rules.inputs) {
    if (fs::equivalent(path, input, ignored) || fs::equivalent(path + kUnfinished, input, ignored)) {
      return OutputProblem{"would replace " + input + ", which is read", "choose another name"};
    }
  }
  const auto unwritable = [](int error) {
    return OutputProblem{std::string("cannot be written: ") + std::strerror(error), "choose another place"};
  };
  if (access(folder.empty() ? "." : folder.c_str(), W_OK) != 0) return unwritable(errno);
  if (fs::exists(path, ignored) && !rules.may_exist) {
    return OutputProblem{"exists already",
                         "go on with it by --resume, or choose another name: results are never overwritten"};
  }
  const int error = rules.try_writing ? writing_error(path) : 0;
  if (error != 0) return unwritable(error);
  return std::nullopt;
}

void check_output(const std::string& path, const OutputRules& rules) {
  if (const auto problem = output_problem(path, rules)) {
    throw Error(ErrorKind::usage, "--out '" + path + "' " + problem->what, problem->hint);
  }
}

}  // namespace nad
