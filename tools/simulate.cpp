// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "tools/commands.hpp"
#include "tools/line/dataset.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

void run(const line::dataset_request& request) {
  std::error_code error;
  std::filesystem::create_directories(request.folder, error);
  if (error)
    throw problem{"the folder cannot be made: " + error.message(), request.folder.string(),
                  "give another with --output"};
  const bool status = ::isatty(STDERR_FILENO) != 0;
  const auto progress = [&](std::int64_t done) {
    if (status && (done % 50 == 0 || done == request.parts))
      std::fprintf(stderr, "\r%lld of %lld parts", static_cast<long long>(done), static_cast<long long>(request.parts));
    return true;
  };
  const result<void> written = line::write_dataset(request, progress);
  if (status) std::fprintf(stderr, "\n");
  need(result<void>(written), request.folder.string());
  std::printf("%lld parts of %lld sessions in %s\n", static_cast<long long>(request.parts),
              static_cast<long long>(request.sessions), request.folder.c_str());
}

}  // namespace

void simulate(CLI::App& app) {
  const auto request = std::make_shared<line::dataset_request>();
  app.add_option("-o,--output", request->folder, "folder for images.npy, masks.npy, the sensors' .npy and parts.csv")
      ->required()
      ->type_name("DIR");
  app.add_option("--parts", request->parts, "how many parts")->check(CLI::Range(1, 10'000'000))->capture_default_str();
  app.add_option("--seed", request->seed, "of the first session; the others follow it")->capture_default_str();
  app.add_option("--sessions", request->sessions, "spread the parts over so many sessions")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app.add_option("--fps", request->fps, "parts per second")->check(CLI::Range(1, 240))->capture_default_str();
  const auto shares = std::make_shared<std::vector<int>>();
  app.add_option("--shares", *shares, "defects that show in the picture, in the sensors, in both: parts per thousand")
      ->delimiter(',')
      ->expected(3)
      ->check(CLI::Range(0, 1000))
      ->type_name("PICTURE,SENSORS,BOTH")
      ->default_str("150,150,150");
  app.callback([request, shares] {
    line::part_mix& mix = request->mix;
    if (!shares->empty()) mix.image = (*shares)[0], mix.sensor = (*shares)[1], mix.both = (*shares)[2];
    if (mix.image + mix.sensor + mix.both > 1000)
      throw problem{"the shares add up to more than 1000", "--shares", "leave the rest of 1000 to good parts"};
    run(*request);
  });
}

}  // namespace dsmm::inline DSMM_ABI::tools
