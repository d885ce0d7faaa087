// SPDX-License-Identifier: Apache-2.0
// Opens, and where they open runs, tens of thousands of hostile models under sanitizers: no fuzzer needed.
// fuzz_replay            checks them all
// fuzz_replay FILE…      replays files, e.g. what a fuzzer found
// fuzz_replay --good F   writes the good model that the hostile ones are made of
// fuzz_replay --nested F writes a good file of three levels
// fuzz_replay --write D  writes the lies about size and the good model into folder D, as seeds for a fuzzer
#include <chrono>
#include <cstdio>
#include <cstring>
#include <string>

#include "tests/fuzz/exercise.hpp"
#include "tests/fuzz/hostile_models.hpp"

namespace {

using std::chrono::steady_clock;

/// Longest that a check may take, ms; sanitizers slow it down several times.
#ifdef DSMM_SANITIZED
constexpr double allowed = 50.0;
#else
constexpr double allowed = 1.0;
#endif

/// The quickest of five: another process may take the processor away once, not five times.
double milliseconds(std::span<const std::byte> bytes) {
  double best = 1e9;
  for (int i = 0; i < 5 && best > allowed; ++i) {
    const auto start = steady_clock::now();
    const auto opened = dsmm::model::open(bytes);
    const std::chrono::duration<double, std::milli> spent = steady_clock::now() - start;
    best = std::min(best, spent.count());
  }
  return best;
}

int replay_all() {
  std::size_t files = 0, refused = 0, opened = 0, ran = 0, wrong = 0;
  double slowest = 0;
  hostile::all([&](const std::string& name, std::span<const std::byte> bytes, hostile::expect expect) {
    ++files;
    const outcome o = exercise(bytes);
    refused += o == outcome::refused ? 1u : 0u;
    opened += o == outcome::opened ? 1u : 0u;
    ran += o == outcome::ran ? 1u : 0u;
    const bool lied = expect == hostile::expect::refused && o != outcome::refused;
    const double spent = milliseconds(bytes);
    slowest = std::max(slowest, spent);
    if (!lied && spent < allowed) return;
    ++wrong;
    std::printf("FAILED: %s %s, %.3f ms\n", name.c_str(), lied ? "was believed" : "took too long", spent);
  });
  std::printf("%zu hostile models: %zu refused, %zu opened, %zu ran, slowest check %.3f ms\n", files, refused, opened,
              ran, slowest);
  return wrong == 0 && refused > 0 && opened + ran > 0 ? 0 : 1;
}

int write_seeds(const std::string& folder) {
  const auto write = [&](const std::string& name, std::span<const std::byte> bytes) {
    return static_cast<bool>(dsmm::write_file((folder + "/" + name + ".dsmm").c_str(), bytes));
  };
  const dsmm::file_bytes good = every_op::file();
  bool ok = write("good", good.bytes());
  hostile::sizes(good.bytes(), [&](const std::string& name, std::span<const std::byte> bytes, hostile::expect) {
    ok = write(name, bytes) && ok;
  });
  return ok ? 0 : 1;
}

int replay_files(int count, char** paths) {
  for (int i = 0; i < count; ++i) {
    const auto file = dsmm::read_file(paths[i]);
    if (!file) return 1;
    sealed_file sealed(file->bytes());
    exercise(file->bytes());
    exercise(sealed.seal().bytes());
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc == 3 && std::strcmp(argv[1], "--write") == 0) return write_seeds(argv[2]);
  if (argc == 3 && std::strcmp(argv[1], "--good") == 0)
    return dsmm::write_file(argv[2], every_op::file().bytes()) ? 0 : 1;
  if (argc == 3 && std::strcmp(argv[1], "--nested") == 0) {
    const auto file = nested_model::line_file();
    return file && dsmm::write_file(argv[2], file->bytes()) ? 0 : 1;
  }
  if (argc > 1) return replay_files(argc - 1, argv + 1);
  return replay_all();
}
