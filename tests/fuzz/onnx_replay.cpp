// SPDX-License-Identifier: Apache-2.0
// Imports hostile ONNX files under sanitizers: each is refused, or gives a model that the verifier accepts, within the
// time and memory of the limits below.
// onnx_replay            checks them all
// onnx_replay FILE…      replays files, e.g. what a fuzzer found
// onnx_replay --write D  writes good and hostile files into folder D, as seeds for a fuzzer
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <string>

#include "dsmm/convert/onnx_import.hpp"
#include "dsmm/model/file.hpp"
#include "tests/convert/general_ops.hpp"
#include "tests/fuzz/hostile_onnx.hpp"

namespace {

constexpr double slowest_allowed = 5.0;         // seconds, with sanitizers; a plain build stays under one
constexpr long most_memory = 3L * 1024 * 1024;  // KiB of the whole process, with sanitizers

struct tally {
  std::size_t files = 0, refused = 0, wrong = 0;
  double slowest = 0;
  std::string slowest_name;
};

void check(tally& t, const std::string& name, const std::string& file, bool must_fail, const std::string* folder) {
  dsmm::convert::import_options options;
  options.general = &find_general_op;
  if (folder != nullptr) options.folder = *folder;
  dsmm::convert::import_report report;
  const auto start = std::chrono::steady_clock::now();
  const auto imported = dsmm::convert::import_onnx(onnx_writer::bytes(file), options, &report);
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - start;
  ++t.files;
  t.refused += imported ? 0u : 1u;
  if (spent.count() > t.slowest) t.slowest = spent.count(), t.slowest_name = name;
  const bool named = imported || (imported.error().code != dsmm::errc::ok && imported.error().text[0] != '\0');
  if (named && !(imported && must_fail) && spent.count() < slowest_allowed) return;
  ++t.wrong;
  std::printf("FAILED: %s %s, %.3f s\n", name.c_str(), imported ? "was believed" : "took too long", spent.count());
}

int replay_all() {
  tally t;
  const auto visit = [&](const std::string& name, const std::string& file, bool must_fail) {
    check(t, name, file, must_fail, nullptr);
  };
  dsmm::convert::import_options plain;
  plain.general = &find_general_op;
  if (!dsmm::convert::import_onnx(onnx_writer::bytes(hostile_onnx::good()), plain)) {
    std::printf("FAILED: the good file does not import\n");
    return 1;
  }
  hostile_onnx::damaged(visit);
  hostile_onnx::lies(visit);
  hostile_onnx::graphs(visit);
  hostile_onnx::attributes(visit);
  hostile_onnx::bombs(visit);
  const auto folder = std::filesystem::temp_directory_path() / ("dsmm_onnx_replay_" + std::to_string(::getpid()));
  const std::string inside = (folder / "inside").string();
  bool good_read = false;
  hostile_onnx::external(folder, [&](const std::string& name, const std::string& file, bool must_fail) {
    const std::size_t before = t.refused;
    check(t, name, file, must_fail, &inside);
    if (!must_fail) good_read = t.refused == before;
  });
  std::filesystem::remove_all(folder);
  rusage use{};
  ::getrusage(RUSAGE_SELF, &use);
  std::printf("%zu hostile files: %zu refused, slowest %.3f s (%s), peak %ld MiB\n", t.files, t.refused, t.slowest,
              t.slowest_name.c_str(), use.ru_maxrss / 1024);
  return t.wrong == 0 && good_read && use.ru_maxrss < most_memory ? 0 : 1;
}

int write_seeds(const std::string& folder) {
  std::size_t n = 0;
  bool ok =
      static_cast<bool>(dsmm::write_file((folder + "/good.onnx").c_str(), onnx_writer::bytes(hostile_onnx::good())));
  const auto visit = [&](const std::string&, const std::string& file, bool) {
    if (file.size() > 65'536) return;
    const std::string path = folder + "/" + std::to_string(n++) + ".onnx";
    ok = static_cast<bool>(dsmm::write_file(path.c_str(), onnx_writer::bytes(file))) && ok;
  };
  hostile_onnx::lies(visit);
  hostile_onnx::graphs(visit);
  hostile_onnx::attributes(visit);
  return ok ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--write") == 0) return write_seeds(argv[2]);
  if (argc == 1) return replay_all();
  for (int i = 1; i < argc; ++i) {
    const auto file = dsmm::read_file(argv[i]);
    if (!file) return 1;
    dsmm::convert::import_options options;
    options.general = &find_general_op;
    const auto imported = dsmm::convert::import_onnx(file->bytes(), options);
    std::printf("%s: %s\n", argv[i], imported ? "imports" : imported.error().text);
  }
  return 0;
}
