// nad_report: results and analyses as one HTML page to look at. Exit codes: engine/error.h.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <string_view>

#include "nad/report/page.h"
#include "nad/report/text.h"
#include "nad/run/output_place.h"
#include "nad/run/program.h"
#include "weights/durable_file.h"

namespace {

using namespace nad;

struct Options {
  std::vector<std::string> files, remarks;
  std::string out, title = "Architecture disentanglement";
};

// Empty where the program is done: --help or --version.
std::optional<Options> parse(int argc, const char* const* argv) {
  CLI::App app("Shows results of nad_run and analyses of nad_analyse as one HTML page that opens offline",
               "nad_report");
  Options o;
  app.add_option("FILES", o.files,
                 "results files, analysis files and pictures of nad_explain (or its folder), in any order")
      ->required();
  app.add_option("-o,--out", o.out, "the page, HTML; an earlier one is replaced, any other file is not")->required();
  app.add_option("--title", o.title, "of the page")->capture_default_str();
  app.add_option("--note", o.remarks, "a remark for the page's first screen; several are several paragraphs")
      ->type_name("TEXT")
      ->allow_extra_args(false);
  if (!parse_flags(app, argc, argv, std::cout)) return std::nullopt;
  o.out = follow_links(o.out);
  return o;
}

// A name given wrongly must not cost a results file: only a page is replaced.
void check_replaced(const std::string& path) {
  constexpr std::string_view kPage = "<!doctype html";
  std::ifstream file(path, std::ios::binary);
  if (!file && !std::filesystem::exists(path)) return;
  std::string start(kPage.size(), '\0');
  file.read(start.data(), static_cast<std::streamsize>(start.size()));
  const auto same = [](char small, char read) { return small == std::tolower(static_cast<unsigned char>(read)); };
  if (!std::equal(kPage.begin(), kPage.end(), start.begin(), same))
    throw Error(ErrorKind::usage, "--out '" + path + "' exists and is no HTML page", "choose another name");
}

int run(const Options& o) {
  check_output(o.out, {.may_exist = true, .inputs = o.files, .try_writing = true});
  check_replaced(o.out);
  std::vector<std::string> notes;
  Report report = read_report(o.files, &notes);
  report.title = o.title;
  report.remarks = o.remarks;
  report.program = program_version("nad_report");
  const std::string page = report_page(report, &notes);
  for (const std::string& note : notes) std::fprintf(stderr, "nad_report: %s\n", one_line(note).c_str());
  const auto* bytes = reinterpret_cast<const std::byte*>(page.data());
  write_durably(o.out, {bytes, bytes + page.size()}, "report");
  std::fprintf(stderr, "%zu network%s in %s (%.1f MB)\n", report.networks.size(),
               report.networks.size() == 1 ? "" : "s", o.out.c_str(), static_cast<double>(page.size()) / 1e6);
  return 0;
}

const FlagNames kFlags = {{Setting::output, "--out"}};

}  // namespace

int main(int argc, char** argv) {
  return run_program("nad_report", kFlags, [&] {
    const std::optional<Options> options = parse(argc, argv);
    return options ? run(*options) : 0;
  });
}
