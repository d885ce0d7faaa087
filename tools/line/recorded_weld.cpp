// SPDX-License-Identifier: Apache-2.0
#include <sndfile.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "tools/line/csv.hpp"
#include "tools/line/grey_image.hpp"
#include "tools/line/recorded.hpp"

namespace dsmm::inline DSMM_ABI::line {

namespace {

namespace fs = std::filesystem;

constexpr std::array<const char*, 6> channels{"Pressure",      "CO2 Weld Flow",         "Feed", "Primary Weld Current",
                                              "Wire Consumed", "Secondary Weld Voltage"};
constexpr int photo_width = 640, photo_height = 480;
constexpr std::int64_t second = 1'000'000'000, sound_rate = 16'000, pause = 3 * second;
constexpr std::int64_t untimed_period = 109'500'000;  // examples without a clock: the period of the timed runs

struct record {
  std::int64_t time_ns;
  std::array<float, 6> values;
};

/// One weld on the line's time base.
struct weld {
  std::string name, kind, trouble;
  bool defective = false;
  std::int64_t start_ns = 0, end_ns = 0;
  fs::path sound;              ///< empty once decoded
  std::vector<float> samples;  ///< of the sound, until it was played
  std::vector<fs::path> photos;
  std::vector<record> records;
};

/// Time of day "07:50:26.295" in ns.
std::optional<std::int64_t> clock_time(const std::string& text) {
  int h = 0, m = 0, s = 0, ms = 0;
  if (std::sscanf(text.c_str(), "%d:%d:%d.%d", &h, &m, &s, &ms) != 4) return std::nullopt;
  return ((std::int64_t{h} * 60 + m) * 60 + s) * second + std::int64_t{ms} * 1'000'000;
}

/// Row `i` (from 0, without the header) is not what it should be: the weld must not pass.
void damage(weld& w, std::size_t i) {
  if (w.trouble.empty()) w.trouble = "row " + std::to_string(i + 2) + " of the sensor table is damaged";
}

/// Reads the six channels; a cell that is no number becomes NaN, so that the sensor is flagged at that time.
bool read_records(const fs::path& file, weld& w) {
  const std::optional<csv_table> table = read_csv(file);
  if (!table) return false;
  std::array<std::size_t, 6> at{};
  for (std::size_t c = 0; c < channels.size(); ++c) {
    const auto column = table->column(channels[c]);
    if (!column) return false;
    at[c] = *column;
  }
  const auto clock = table->column("Time");
  std::optional<std::int64_t> first;
  std::int64_t last = -1;
  for (std::size_t i = 0; i < table->rows.size(); ++i) {
    const auto& row = table->rows[i];
    std::int64_t time = static_cast<std::int64_t>(i) * untimed_period;
    if (clock && *clock < row.size()) {
      const auto t = clock_time(row[*clock]);
      if (!t || (first && *t - *first <= last)) {
        damage(w, i);
        continue;
      }
      if (!first) first = *t;
      time = *t - *first;
    }
    record r{last = time, {}};
    for (std::size_t c = 0; c < channels.size(); ++c) {
      const std::optional<double> value = number(row, at[c]);
      if (!value) damage(w, i);
      r.values[c] = static_cast<float>(value.value_or(std::numeric_limits<double>::quiet_NaN()));
    }
    w.records.push_back(r);
  }
  return !w.records.empty();
}

std::vector<fs::path> sorted(const fs::path& folder, const char* extension) {
  std::vector<fs::path> files;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (extension == nullptr ? entry.is_directory() : entry.path().extension() == extension)
      files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

class weld_feed final : public feed {
public:
  explicit weld_feed(const fs::path& folder) {
    about_ = {"robot welds, recorded",
              "weld_raw.dsmm",
              photo_width,
              photo_height,
              1,
              60'000,
              {{"weld", "", 1e9 / static_cast<double>(untimed_period), 6, false},
               {"sound", "", static_cast<double>(sound_rate), 1, true}}};
    for (const fs::path& run : sorted(folder / "raw_good_runs", nullptr)) {
      weld w{run.filename().string(), "good", "", false, 0, 0, {}, {}, sorted(run / "images", ".jpg"), {}};
      const auto sounds = sorted(run, ".flac"), tables = sorted(run, ".csv");
      if (!sounds.empty()) w.sound = sounds.front();
      if (tables.empty() || !read_records(tables.front(), w)) w.trouble = "the sensor table is missing or damaged";
      add(std::move(w));
    }
    for (const fs::path& file : sorted(folder / "raw_class_examples", ".csv")) {
      std::string kind = file.stem().string();
      kind.resize(std::min(kind.size(), kind.find_first_of("0123456789")));
      while (!kind.empty() && kind.back() == '_') kind.pop_back();
      const bool good = kind == "good_weld";
      weld w{file.stem().string(), good ? "good" : kind, "", !good, 0, 0, {}, {}, {}, {}};
      if (!read_records(file, w)) w.trouble = "the sensor table is missing or damaged";
      add(std::move(w));
    }
  }

  bool empty() const noexcept { return welds_.empty(); }
  const line_description& about() const noexcept override { return about_; }

  bool next_picture(picture& out) override {
    if (pictured_ == welds_.size()) return false;
    weld& w = welds_[pictured_];
    decode_sound(w);
    const std::size_t shots = std::max<std::size_t>(w.photos.size(), 1);
    out = {};
    out.part = w.name, out.kind = w.kind, out.truth_known = true, out.defective = w.defective;
    out.seen_by = w.defective ? evidence::sensor : evidence::none;
    out.time_ns = w.end_ns + 20'000'000 * static_cast<std::int64_t>(shot_ + 1);
    out.pixels.assign(static_cast<std::size_t>(photo_width) * photo_height, 0);
    out.trouble = w.trouble;
    grey_image photo;
    std::string why;  // a weld without photos has a black picture: models that look at pictures refuse its exposure
    if (!w.photos.empty() && !read_jpeg(w.photos[shot_], photo, why))
      out.trouble = w.photos[shot_].filename().string() + ": " + why;
    else if (!w.photos.empty()) out.pixels = fitted(photo, photo_width, photo_height).pixels;
    out.damaged = !out.trouble.empty();
    if (++shot_ == shots) shot_ = 0, ++pictured_;
    return true;
  }

  bool next_chunk(std::size_t sensor, sensor_chunk& out) override {
    return sensor == 0 ? next_record(out) : next_sound(out);
  }

private:
  void add(weld w) {
    w.start_ns = welds_.empty() ? second : welds_.back().end_ns + pause;
    w.end_ns = w.start_ns + (w.records.empty() ? 0 : w.records.back().time_ns);
    about_.duration_s = static_cast<double>(w.end_ns) * 1e-9;
    welds_.push_back(std::move(w));
  }

  bool next_record(sensor_chunk& out) {
    while (recorded_ < welds_.size() && record_ == welds_[recorded_].records.size()) record_ = 0, ++recorded_;
    if (recorded_ == welds_.size()) return false;
    const record& r = welds_[recorded_].records[record_++];
    out.time_ns = welds_[recorded_].start_ns + r.time_ns;
    out.count = 1;
    out.values.assign(r.values.begin(), r.values.end());
    return true;
  }

  bool next_sound(sensor_chunk& out) {
    constexpr std::size_t chunk = sound_rate / 200;  // 5 ms
    for (; heard_ < welds_.size(); sample_ = 0, ++heard_) {
      decode_sound(welds_[heard_]);
      if (sample_ < welds_[heard_].samples.size()) break;
      welds_[heard_].samples = {};
    }
    if (heard_ == welds_.size()) return false;
    const weld& w = welds_[heard_];
    const auto from = w.samples.begin() + static_cast<std::ptrdiff_t>(sample_);
    out.count = std::min(chunk, w.samples.size() - sample_);
    out.time_ns = w.start_ns + static_cast<std::int64_t>(sample_) * (second / sound_rate);
    out.values.assign(from, from + static_cast<std::ptrdiff_t>(out.count));
    sample_ += out.count;
    return true;
  }

  /// Once per weld, when its sound or its first photo is asked for. Damage is noted in the weld.
  static void decode_sound(weld& w) {
    if (w.sound.empty()) return;
    const std::string name = w.sound.filename().string();
    SF_INFO info{};
    SNDFILE* const file = sf_open(w.sound.c_str(), SFM_READ, &info);
    if (file == nullptr || info.channels != 1 || info.samplerate != sound_rate || info.frames > 600 * sound_rate) {
      w.trouble = name + ": the sound is damaged or not 16 kHz mono";
    } else {
      w.samples.resize(static_cast<std::size_t>(info.frames));
      const sf_count_t read = sf_readf_float(file, w.samples.data(), info.frames);
      if (read != info.frames || sf_error(file) != SF_ERR_NO_ERROR) {
        w.trouble = name + ": the sound is cut short or damaged";
        w.samples.clear();
      }
    }
    if (file != nullptr) sf_close(file);
    w.sound.clear();
  }

  line_description about_;
  std::vector<weld> welds_;
  std::size_t pictured_ = 0, shot_ = 0, recorded_ = 0, record_ = 0, heard_ = 0, sample_ = 0;
};

}  // namespace

std::unique_ptr<feed> open_weld_line(const fs::path& folder, complaint& why) {
  auto line = std::make_unique<weld_feed>(folder);
  if (!line->empty()) return line;
  why = {"no weld was recorded here", folder.string(), "fill raw_good_runs/ with one folder per weld"};
  return nullptr;
}

}  // namespace dsmm::inline DSMM_ABI::line
