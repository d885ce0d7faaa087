// SPDX-License-Identifier: Apache-2.0
#include <sys/resource.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <system_error>
#include <thread>

#include "dsmm/model/file.hpp"
#include "dsmm/inspect/model_meta.hpp"
#include "tools/commands.hpp"
#include "tools/demo/page.hpp"
#include "tools/demo/player.hpp"
#include "tools/demo/summary.hpp"
#include "tools/line/simulated_feed.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

namespace fs = std::filesystem;

struct demo_options {
  std::int64_t fps = 60;
  double seconds = 20, deadline_ms = 50;
  std::uint64_t seed = 2024;
  bool fast = false, headless = false;
  std::string data, output = "dsmm-demo", model;
};

std::atomic<bool> stop_asked{false};

/// The first Ctrl-C ends the line cleanly, the second one at once.
void on_interrupt(int) {
  stop_asked = true;
  std::signal(SIGINT, SIG_DFL);
}

[[noreturn]] void fail(const line::complaint& c) { throw problem{c.what, c.where, c.what_to_do}; }

/// The model that belongs to a line: beside the sources, beside the program, or where `cmake --install` puts it.
std::string find_model(const std::string& name) {
  std::error_code ignored;
  const fs::path program = fs::read_symlink("/proc/self/exe", ignored).parent_path();
  for (const fs::path& folder :
       {fs::path("models"), program / "models", program / "../models", program / "../../models",
        program / "../../../models", program / "../share/dsmm/models"})
    if (fs::exists(folder / name, ignored)) return (folder / name).lexically_normal().string();
  return {};
}

/// Refuses a model made for another picture or other sensors before anything starts.
void check_fit(const model& m, const model_meta& meta, const line::line_description& line, const std::string& file) {
  const auto refuse = [&](const std::string& what) {
    throw problem{what, file, "choose the model that was made for this line, " + line.model};
  };
  if (const auto image = m.find_tensor("image")) {
    const auto& dims = m.tensors()[*image].dims;
    if (dims[0] != line.height || dims[1] != line.width)
      refuse("the model looks at " + std::to_string(dims[1]) + "x" + std::to_string(dims[0]) +
             " pixels, the line gives " + std::to_string(line.width) + "x" + std::to_string(line.height));
  }
  for (const sensor_need& need : meta.sensors) {
    const auto found =
        std::find_if(line.sensors.begin(), line.sensors.end(), [&](const auto& s) { return s.name == need.name; });
    if (need.required && found == line.sensors.end())
      refuse("the model needs a sensor named " + std::string(need.name));
    if (found != line.sensors.end() && static_cast<std::uint32_t>(found->channels) != need.channels)
      refuse("the model wants " + std::to_string(need.channels) + " channels of " + std::string(need.name));
  }
}

demo::single_limits limits_of(const model& m) {
  demo::single_limits limits;
  const auto read = [&](const char* key, double& to) {
    if (const auto text = m.meta(key))
      if (const auto value = dsmm::detail::parse_number<float>(*text)) to = static_cast<double>(*value);
  };
  read("threshold.image", limits.image);
  read("threshold.series", limits.series);
  return limits;
}

/// The folder exists and takes files; found out before the line runs.
void prepare_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    throw problem{"the report's folder cannot be made: " + error.message(), folder.string(),
                  "give another with --output"};
  need(write_file((folder / ".dsmm-probe").c_str(), {}), folder.string());
  fs::remove(folder / ".dsmm-probe", error);
}

/// Writes overlays and report; takes back what it wrote if the disk refuses one.
void write_report(const fs::path& folder, const demo::run_facts& facts, const demo::tally& counts,
                  const std::vector<demo::gallery_item>& gallery) {
  std::vector<fs::path> written;
  const auto write = [&](const fs::path& path, std::span<const std::byte> bytes) {
    if (const auto ok = write_file(path.c_str(), bytes); !ok) {
      std::error_code ignored;
      for (const fs::path& p : written) fs::remove(p, ignored);
      throw problem{ok.error().text, path.string(), "make room or give another folder with --output"};
    }
    written.push_back(path);
  };
  for (const demo::gallery_item& g : gallery) {
    std::string name = "part_" + g.part.part + "_" + g.part.kind + "_" + to_string(g.part.verdict) + ".png";
    std::replace_if(
        name.begin(), name.end(), [](char c) { return c == ' ' || c == ',' || c == '#' || c == '/'; }, '_');
    write(folder / name, std::as_bytes(std::span(g.overlay)));
  }
  const std::string page = demo::make_page(facts, counts, gallery);
  write(folder / "report.html", std::as_bytes(std::span(page)));
}

std::string machine_name() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name")) return line.substr(std::min(line.size(), line.find(':') + 2));
  return "this machine";
}

std::string today() {
  const std::time_t now = std::time(nullptr);
  char text[32] = {};
  std::tm local{};
  if (localtime_r(&now, &local) != nullptr) std::strftime(text, sizeof(text), "%Y-%m-%d %H:%M", &local);
  return text;
}

std::unique_ptr<line::feed> open_line(const demo_options& o) {
  if (o.data.empty()) return std::make_unique<line::simulated_feed>(o.seed, o.fps);
  line::complaint why;
  auto feed = line::open_recorded_line(o.data, why);
  if (feed == nullptr) fail(why);
  return feed;
}

void run(const demo_options& o) {
  prepare_folder(o.output);
  const auto feed = open_line(o);
  const line::line_description& about = feed->about();

  demo::player_options play;
  play.real_time = !o.fast, play.deadline_ms = o.deadline_ms;
  if (about.duration_s == 0)
    play.parts = std::max<std::int64_t>(1, std::llround(o.seconds * static_cast<double>(o.fps)));
  else play.speed = std::max(1.0, about.duration_s / o.seconds);
  play.model_file = o.model.empty() ? find_model(about.model) : o.model;
  demo::run_facts facts;
  demo::single_limits limits;
  if (!play.model_file.empty()) {
    const owned_model m = need(owned_model::open(play.model_file.c_str()), play.model_file);
    const model_meta meta = need(model_meta::read(*m), play.model_file);
    check_fit(*m, meta, about, play.model_file);
    limits = limits_of(*m);
    facts.model = fs::path(play.model_file).filename().string(), facts.identity = m->short_identity().data();
    facts.product = meta.product.empty() ? std::string(meta.name) : std::string(meta.product);
  } else if (o.data.empty()) {
    throw problem{"there is no model of this line", "models/" + about.model, "give one with --model"};
  }

  std::signal(SIGINT, on_interrupt);
  const bool status = !o.headless && ::isatty(STDERR_FILENO) != 0;
  demo::run_result result;
  line::complaint why;
  const bool played = demo::play(
      *feed, play, limits, stop_asked,
      [&](const demo::tally& t) {
        if (status) demo::print_status(t);
      },
      result, why);
  if (status) std::fprintf(stderr, "\r\033[K");
  if (!played) fail(why);

  facts.title = about.title, facts.machine = machine_name(), facts.date = today();
  facts.cores = static_cast<int>(std::thread::hardware_concurrency());
  facts.version = std::to_string(DSMM_VERSION_MAJOR) + "." + std::to_string(DSMM_VERSION_MINOR) + "." +
                  std::to_string(DSMM_VERSION_PATCH);
  facts.pacing = o.fast           ? "as fast as it goes"
                 : play.speed > 1 ? demo::number(play.speed, 1) + " times the recorded pace"
                                  : "at the pace of the line";
  facts.width = about.width, facts.height = about.height;
  for (const auto& s : about.sensors) facts.sensor_channels += static_cast<std::size_t>(s.channels);
  facts.wall_s = result.wall_s, facts.deadline_ms = o.deadline_ms, facts.stopped = result.stopped;
  facts.stale = result.stale, facts.recovered = result.recovered, facts.damaged = result.damaged;
  facts.inspected = !play.model_file.empty();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  facts.peak_mib = static_cast<double>(usage.ru_maxrss) / 1024;

  std::vector<demo::gallery_item> gallery;
  const double stroke_ms = 1000.0 / static_cast<double>(std::max<std::int64_t>(about.fps, 1));
  if (!demo::make_gallery(result.exhibits, about, stroke_ms, gallery, why)) fail(why);
  demo::print_summary(facts, result.counts);
  write_report(o.output, facts, result.counts, gallery);
  std::printf("report: %s\n", (fs::path(o.output) / "report.html").c_str());
}

}  // namespace

void demo(CLI::App& app) {
  const auto o = std::make_shared<demo_options>();
  app.add_option("--fps", o->fps, "parts per second of the simulated line")
      ->check(CLI::Range(1, 240))
      ->capture_default_str();
  app.add_option("--seconds", o->seconds, "how long to run; a recording is played faster to fit")
      ->check(CLI::Range(0.1, 86400.0))
      ->capture_default_str();
  app.add_option("--seed", o->seed, "session of the simulated line: other textures, light, speeds")
      ->capture_default_str();
  app.add_option("--deadline", o->deadline_ms, "ms from the arrival of a frame to its decision; later is UNKNOWN")
      ->check(CLI::Range(0.1, 10000.0))
      ->capture_default_str();
  app.add_option("--data", o->data, "play recorded parts from a folder instead")->type_name("DIR");
  app.add_option("--model", o->model, "the model to inspect with (default: the one made for the line)")
      ->type_name("FILE");
  app.add_option("-o,--output", o->output, "folder of the report")->type_name("DIR")->capture_default_str();
  app.add_flag("--fast", o->fast, "do not keep the line's pace");
  app.add_flag("--headless", o->headless, "no live status, even on a terminal");
  app.callback([o] { run(*o); });
}

}  // namespace dsmm::inline DSMM_ABI::tools
