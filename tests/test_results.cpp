// The results file: what is written comes back, nothing half-written is ever seen, other files are refused.
#define DOCTEST_CONFIG_IMPLEMENT_WITH_MAIN
#include <doctest/doctest.h>
#include <hdf5.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>

#include "engine/error.h"
#include "nad/store/file_hash.h"
#include "nad/store/results.h"
#include "weights/durable_file.h"

using namespace nad;
namespace fs = std::filesystem;

namespace {

struct Folder {
  fs::path path = fs::temp_directory_path() / ("nad_results_" + std::to_string(getpid()));
  Folder() { fs::create_directories(path); }
  ~Folder() { fs::remove_all(path); }
  std::string operator/(const std::string& name) const { return (path / name).string(); }
};

std::vector<std::byte> bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::byte> bytes;
  for (std::istreambuf_iterator<char> c(file), end; c != end; ++c) bytes.push_back(static_cast<std::byte>(*c));
  return bytes;
}

void put(const std::string& path, const std::vector<std::byte>& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

std::vector<std::byte> to_bytes(const std::string& text) {
  std::vector<std::byte> bytes(text.size());
  std::memcpy(bytes.data(), text.data(), text.size());
  return bytes;
}

std::string message_of(const std::function<void()>& action, ErrorKind kind) {
  try {
    action();
  } catch (const Error& e) {
    CHECK(e.kind() == kind);
    return e.what();
  }
  FAIL("no error");
  return "";
}

// A finished class, one in progress with sigma, one that failed.
Results example() {
  Results r;
  RunSettings& s = r.settings;
  s.arch = "resnet50";
  s.weights_hash = "0123456789abcdef";
  s.objective = "variational";
  s.precision = "fp32";
  s.device = "cpu";
  s.beta = 0.02;
  s.lr = 0.1;
  s.steps = 3;
  s.batch = 16;
  s.seed = 0xFFFFFFFFFFFFFFFEull;  // above the signed range
  s.order_seed = 0xFFFFFFFFFFFFFFFDull;
  s.half = "second";
  s.random_weights = 0xFFFFFFFFFFFFFFFCull;
  s.whole_batch = true;
  s.weights_file = "w.h5";
  s.command_line = "nad_run --weights 'ä b.h5'";
  s.num_classes = 1000;
  r.gate_names = {"stem", "layer1.0"};
  r.channels = {3, 2};

  ClassResult a;
  a.index = 217;
  a.id = "n02102040";
  a.name = "English springer";
  a.steps = 3;
  a.finished = true;
  a.logits = {{-1.5f, 0.0f, 2.5f}, {1e-30f, -0.0f}};
  constexpr double kNone = ClassResult::kNone;
  a.history = {{3, 2, 1, 0.5, 4, false}, {kNone, kNone, kNone, kNone, 0, true}, {2, 1, 1, 0, 5, false}};
  a.top1_before = 87.5;
  a.top1_after = 100;
  a.false_alarms = 12.5;
  a.other_images = 90;
  a.train_images = 60;
  a.val_images = 40;
  a.broken_images = 1;
  a.images_hash = "00000000000000ff";
  a.seconds = 12.25;
  r.classes[a.index] = a;

  ClassResult b = a;
  b.index = 3;
  b.finished = false;
  b.sigma = {{-2, -2, -2}, {-2.5f, 1}};
  b.history.resize(1);
  b.top1_before = b.top1_after = b.false_alarms = ClassResult::kNone;
  r.classes[b.index] = b;

  ClassResult c;
  c.index = 9;
  c.id = "n00000009";
  c.error = "no image";
  c.error_code = 3;
  r.classes[c.index] = c;
  return r;
}

bool same(double a, double b) { return a == b || (std::isnan(a) && std::isnan(b)); }

bool same(const StepRecord& a, const StepRecord& b) {
  return same(a.total, b.total) && same(a.reconstruction, b.reconstruction) &&
         same(a.regularisation, b.regularisation) && same(a.cross_entropy, b.cross_entropy) &&
         a.correct == b.correct && a.skipped == b.skipped;
}

// Puts [count] zeros in place of a dataset of int32.
void replace_dataset(const std::string& path, const char* name, hsize_t count) {
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  REQUIRE(H5Ldelete(file, name, H5P_DEFAULT) >= 0);
  const hid_t space = H5Screate_simple(1, &count, nullptr);
  const hid_t set = H5Dcreate2(file, name, H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
  CHECK(set >= 0);
  H5Dclose(set);
  H5Sclose(space);
  H5Fclose(file);
}

}  // namespace

TEST_CASE("what is written comes back") {
  const Folder folder;
  const Results wrote = example();
  write_results(folder / "r.h5", wrote);
  const Results read = read_results(folder / "r.h5");
  CHECK(first_difference(read.settings, wrote.settings) == "");
  CHECK(read.settings.seed == wrote.settings.seed);
  CHECK(read.settings.order_seed == wrote.settings.order_seed);
  CHECK(read.settings.half == wrote.settings.half);
  CHECK(read.settings.random_weights == wrote.settings.random_weights);
  CHECK_FALSE(read.settings.shuffled_labels);
  CHECK(read.settings.whole_batch);
  CHECK(read.settings.command_line == wrote.settings.command_line);
  CHECK(read.gate_names == wrote.gate_names);
  CHECK(read.channels == wrote.channels);
  REQUIRE(read.classes.size() == 3);
  for (const auto& [index, w] : wrote.classes) {
    CAPTURE(index);
    const ClassResult& r = read.classes.at(index);
    CHECK(r.index == w.index);
    CHECK(r.id == w.id);
    CHECK(r.name == w.name);
    CHECK(r.steps == w.steps);
    CHECK(r.finished == w.finished);
    CHECK(r.in_progress() == w.in_progress());
    CHECK(r.error == w.error);
    CHECK(r.error_code == w.error_code);
    CHECK(r.logits == w.logits);
    CHECK(r.sigma == w.sigma);
    REQUIRE(r.history.size() == w.history.size());
    for (size_t i = 0; i < r.history.size(); i++) CHECK(same(r.history[i], w.history[i]));
    CHECK(same(r.top1_before, w.top1_before));
    CHECK(same(r.top1_after, w.top1_after));
    CHECK(same(r.false_alarms, w.false_alarms));
    CHECK(r.other_images == w.other_images);
    CHECK(r.train_images == w.train_images);
    CHECK(r.val_images == w.val_images);
    CHECK(r.broken_images == w.broken_images);
    CHECK(r.images_hash == w.images_hash);
    CHECK(r.seconds == w.seconds);
  }
}

TEST_CASE("the search for beta comes back, a NaN beta is one that is still searched for") {
  const Folder folder;
  Results wrote = example();
  wrote.settings.beta = ClassResult::kNone;
  BetaSearch& s = wrote.beta_search;
  s.beta = {0.01, 0.02, 0.04};
  s.classes = {3, 217};
  s.reconstruction = {1, 2, 3, 4, 5, 6};
  s.regularisation = {6, 5, 4, 3, 2, 1};
  s.mean_reconstruction = {1.5, 3.5, 5.5};
  s.mean_regularisation = {5.5, 3.5, 1.5};
  s.distance = {0, 0.25, 0};
  write_results(folder / "r.h5", wrote);
  const Results read = read_results(folder / "r.h5");
  CHECK(std::isnan(read.settings.beta));
  CHECK(read.beta_search.beta == s.beta);
  CHECK(read.beta_search.classes == s.classes);
  CHECK(read.beta_search.reconstruction == s.reconstruction);
  CHECK(read.beta_search.regularisation == s.regularisation);
  CHECK(read.beta_search.mean_reconstruction == s.mean_reconstruction);
  CHECK(read.beta_search.mean_regularisation == s.mean_regularisation);
  CHECK(read.beta_search.distance == s.distance);
  CHECK(first_difference(read.settings, wrote.settings) == "");
  CHECK(first_difference(read.settings, example().settings) == "beta is still searched for there and 0.02 here");

  s.reconstruction.clear();
  s.regularisation.clear();
  s.classes.clear();  // none of the classes has images
  write_results(folder / "none.h5", wrote);
  CHECK(read_results(folder / "none.h5").beta_search.classes.empty());
}

TEST_CASE("equal results are equal bytes") {
  const Folder folder;
  write_results(folder / "a.h5", example());
  write_results(folder / "b.h5", read_results(folder / "a.h5"));
  CHECK(bytes_of(folder / "a.h5") == bytes_of(folder / "b.h5"));
}

TEST_CASE("what objective specific adds comes back; other objectives leave none of it in the file") {
  const Folder folder;
  const std::string path = folder / "r.h5";
  Results wrote = example();
  RunSettings& s = wrote.settings;
  s.objective = "specific";
  s.specific_target = "all";
  s.lambda = 2.5;
  s.max_false_alarms = 0.0625;
  s.negatives = 40;
  s.negative_classes = "odd";
  s.negatives_hash = "00000000000000aa";
  ClassResult& finished = wrote.classes.at(217);
  finished.false_alarms_shown = 10;
  finished.false_alarms_unshown = 15;
  for (auto& [index, c] : wrote.classes) {
    for (StepRecord& step : c.history) step.specificity = step.skipped ? ClassResult::kNone : 0.25 * step.total;
    for (StepRecord& step : c.history) {
      step.others_answered = step.correct + 1;
      step.own_answered = step.correct + 2;
      step.beta = 0.5 * step.correct;
      step.lambda = 1 + step.correct;
    }
  }
  wrote.classes.at(3).moments = {
      {{1, 2, 3}, {-4, 0.5f}}, {{5, 6, 7}, {8, 9}}, 1, OperatingPoint{0.5, 3, 0.25, -0.125}};
  write_results(path, wrote);
  const Results read = read_results(path);
  CHECK(first_difference(read.settings, s) == "");
  CHECK(read.settings.specific_target == "all");
  CHECK(read.settings.lambda == 2.5);
  CHECK(read.settings.max_false_alarms == 0.0625);
  CHECK(read.settings.negatives == 40);
  CHECK(read.settings.negative_classes == "odd");
  CHECK(read.settings.negatives_hash == s.negatives_hash);
  for (const auto& [index, w] : wrote.classes) {
    CAPTURE(index);
    const ClassResult& r = read.classes.at(index);
    CHECK(r.moments == w.moments);
    CHECK(same(r.false_alarms_shown, w.false_alarms_shown));
    CHECK(same(r.false_alarms_unshown, w.false_alarms_unshown));
    REQUIRE(r.history.size() == w.history.size());
    for (size_t i = 0; i < r.history.size(); i++) {
      CHECK(same(r.history[i].specificity, w.history[i].specificity));
      CHECK(r.history[i].others_answered == w.history[i].others_answered);
      CHECK(r.history[i].own_answered == w.history[i].own_answered);
      CHECK((r.history[i].beta == w.history[i].beta && r.history[i].lambda == w.history[i].lambda));
    }
  }
  write_results(folder / "again.h5", read);
  CHECK(bytes_of(folder / "again.h5") == bytes_of(path));

  const auto changed = [&](const std::function<void(RunSettings&)>& change) {
    RunSettings here = s;
    change(here);
    return first_difference(s, here);
  };
  CHECK(changed([](RunSettings& r) { r.specific_target = "class"; }) ==
        "the specific target is all there and class here");
  CHECK(changed([](RunSettings& r) { r.lambda = 1; }) == "lambda is 2.5 there and 1 here");
  CHECK(changed([](RunSettings& r) { r.max_false_alarms = 0; }) ==
        "the limit of false alarms is 0.0625 there and 0 here");
  CHECK(changed([](RunSettings& r) { r.negatives = 2000; }) == "negatives is 40 there and 2000 here");
  CHECK(changed([](RunSettings& r) { r.negative_classes = "all"; }) ==
        "the classes of negatives is odd there and all here");

  s.objective = "released";
  wrote.classes.at(3).moments = {};
  write_results(path, wrote);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  for (const char* name :
       {"specific_target", "lambda", "max_false_alarms", "negatives", "negative_classes", "negatives_hash"})
    CHECK(H5Aexists(file, name) == 0);
  CHECK(H5Lexists(file, "classes/217/specificity", H5P_DEFAULT) == 0);
  CHECK(H5Aexists_by_name(file, "classes/217", "false_alarms_unshown", H5P_DEFAULT) == 0);
  H5Fclose(file);
}

TEST_CASE("a file from before the order had a seed of its own reads as one of that seed and all images") {
  const Folder folder;
  const std::string path = folder / "r.h5";
  write_results(path, example());
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  for (const char* name : {"order_seed", "half"}) REQUIRE(H5Adelete(file, name) >= 0);
  H5Fclose(file);
  const RunSettings read = read_results(path).settings;
  CHECK(read.order_seed == read.seed);
  CHECK(read.half == "all");
}

TEST_CASE("summaries of a class") {
  const Results results = example();
  const ClassResult& c = results.classes.at(217);
  CHECK(c.kept_percent() == doctest::Approx(40));  // 2.5 and 1e-30 of five
  CHECK(c.last_loss() == 2);
  CHECK(std::isnan(results.classes.at(9).last_loss()));
  CHECK(std::isnan(results.classes.at(9).kept_percent()));
}

TEST_CASE("the first setting that differs is named") {
  const RunSettings a = example().settings;
  const auto changed = [&](const std::function<void(RunSettings&)>& change) {
    RunSettings b = a;
    change(b);
    return first_difference(a, b);
  };
  CHECK(changed([](RunSettings&) {}) == "");
  CHECK(changed([](RunSettings& s) { s.beta = 0.5; }) == "beta is 0.02 there and 0.5 here");
  CHECK(changed([](RunSettings& s) { s.seed = 1; }) == "seed is 18446744073709551614 there and 1 here");
  CHECK(changed([](RunSettings& s) { s.order_seed = 1; }) ==
        "the seed of the order is 18446744073709551613 there and 1 here");
  CHECK(changed([](RunSettings& s) { s.half = "all"; }) == "half is second there and all here");
  CHECK(changed([](RunSettings& s) { s.shuffled_labels = 7; }) ==
        "the seed of shuffled labels is none there and 7 here");
  CHECK(changed([](RunSettings& s) { s.whole_batch = false; }) == "whole batch is 1 there and 0 here");
  CHECK(changed([](RunSettings& s) { s.objective = "paper"; }) == "objective is variational there and paper here");
  CHECK(changed([](RunSettings& s) { s.steps = 0; }).find("steps is 3") == 0);
  RunSettings passes = a;
  passes.steps = 0;
  passes.epochs = 20;
  RunSettings at_least = passes;
  at_least.least_steps = 400;
  CHECK(first_difference(passes, at_least) == "the least number of steps is 0 there and 400 here");
  for (const auto& change : std::vector<std::function<void(RunSettings&)>>{
           [](RunSettings& s) { s.arch = "x"; }, [](RunSettings& s) { s.weights_hash = "x"; },
           [](RunSettings& s) { s.precision = "bf16"; }, [](RunSettings& s) { s.device = "reference"; },
           [](RunSettings& s) { s.lr = 1; }, [](RunSettings& s) { s.batch = 8; }}) {
    CHECK(changed(change) != "");
  }
  // What does not change the numbers may change.
  CHECK(changed([](RunSettings& s) { s.threads = 64, s.classes_per_step = 4, s.data = "elsewhere"; }) == "");
}

TEST_CASE("a results file cut anywhere is refused or, where only padding is lost, read whole") {
  const Folder folder;
  const std::string path = folder / "r.h5";
  write_results(path, example());
  const std::vector<std::byte> whole = bytes_of(path);
  REQUIRE(whole.size() > 1000);
  for (size_t size = 0; size < whole.size(); size += 97) {
    put(path, {whole.begin(), whole.begin() + static_cast<int64_t>(size)});
    const std::string message = message_of([&] { read_results(path); }, ErrorKind::data);
    CHECK(message.find(path) != std::string::npos);
    CHECK(message.find('\n') == std::string::npos);
  }
  CHECK(message_of([&] { read_results(folder / "absent.h5"); }, ErrorKind::data) != "");
  CHECK(message_of([&] { read_results(folder.path.string()); }, ErrorKind::data) != "");
}

TEST_CASE("results that contradict themselves are refused") {
  const Folder folder;
  const std::string path = folder / "r.h5";
  const auto refused = [&](const std::function<void(Results&)>& change) {
    Results r = example();
    change(r);
    write_results(path, r);
    return message_of([&] { read_results(path); }, ErrorKind::data);
  };
  CHECK(refused([](Results& r) { r.channels[1] = 4; }).find("logits/01") != std::string::npos);
  CHECK(refused([](Results& r) { r.classes[217].steps = 5; }).find("losses") != std::string::npos);
  CHECK(refused([](Results& r) { r.classes[217].logits.clear(); }).find("no gates") != std::string::npos);
  write_results(path, example());
  replace_dataset(path, "classes/217/correct", 4);
  CHECK(message_of([&] { read_results(path); }, ErrorKind::data).find("'correct'") != std::string::npos);
}

TEST_CASE("a write that fails leaves the former file and no other") {
  const Folder folder;
  const std::string path = folder / "r.txt";
  write_durably(path, to_bytes("first"), "file");
  CHECK(bytes_of(path) == to_bytes("first"));

  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{100, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &small);
  const std::string message =
      message_of([&] { write_durably(path, std::vector<std::byte>(1000), "file"); }, ErrorKind::data);
  setrlimit(RLIMIT_FSIZE, &before);
  CHECK(message.find("file " + path + " cannot be written: File too large") == 0);
  CHECK(bytes_of(path) == to_bytes("first"));
  CHECK_FALSE(fs::exists(path + ".part"));

  CHECK(message_of([&] { write_durably(folder / "no/such/r.txt", {}, "file"); }, ErrorKind::data) != "");
  fs::create_directories(folder / "taken/x");
  CHECK(message_of([&] { write_durably(folder / "taken", to_bytes("x"), "file"); }, ErrorKind::data) != "");
  CHECK_FALSE(fs::exists(folder / "taken.part"));

  write_durably(path, to_bytes("second"), "file");
  CHECK(bytes_of(path) == to_bytes("second"));
}

TEST_CASE("hashes are FNV-1a") {
  const Folder folder;
  put(folder / "h", to_bytes("foobar"));
  CHECK(file_hash(folder / "h") == "85944171f73967e8");
  put(folder / "h", {});
  CHECK(file_hash(folder / "h") == "cbf29ce484222325");
  CHECK(message_of([&] { file_hash(folder / "absent"); }, ErrorKind::data) != "");
}
