// SPDX-License-Identifier: Apache-2.0
#include <cstring>
#include <fstream>

#include "tools/line/csv.hpp"
#include "tools/line/recorded.hpp"
#include "tools/line/spectrogram.hpp"

namespace dsmm::inline DSMM_ABI::line {

namespace {

constexpr std::int64_t rate = 25'600, samples = 2560, fps = 10, channels = 2;
constexpr std::size_t chunk = 80;  // 3.1 ms

/// A .npy file of milli-g integers (snapshot, channel, sample), read one snapshot at a time.
class snapshot_file {
public:
  explicit snapshot_file(const std::filesystem::path& path) : file_(path, std::ios::binary) {
    char start[10] = {};
    if (!file_.read(start, sizeof(start)) || std::memcmp(start, "\x93NUMPY\x01", 7) != 0) return;
    const auto size =
        static_cast<std::size_t>(static_cast<unsigned char>(start[8]) | static_cast<unsigned char>(start[9]) << 8);
    std::string header(size, ' ');
    if (!file_.read(header.data(), static_cast<std::streamsize>(size))) return;
    bytes_ = header.find("'<i2'") != std::string::npos ? 2 : header.find("'<i4'") != std::string::npos ? 4 : 0;
    long long shape[3] = {};
    const std::size_t at = header.find("'shape': (");
    if (at == std::string::npos ||
        std::sscanf(header.c_str() + at, "'shape': (%lld, %lld, %lld", &shape[0], &shape[1], &shape[2]) != 3)
      return;
    if (bytes_ == 0 || shape[1] != channels || shape[2] != samples || shape[0] < 1 || shape[0] > 1'000'000) return;
    first_ = static_cast<std::int64_t>(10 + size);
    count_ = shape[0];
  }

  std::int64_t count() const noexcept { return count_; }

  /// out (samples, channels) in g; false if the file ends before.
  bool read(std::int64_t index, std::vector<float>& out) {
    std::vector<char> raw(static_cast<std::size_t>(channels * samples * bytes_));
    file_.clear();
    file_.seekg(first_ + index * static_cast<std::int64_t>(raw.size()));
    if (!file_.read(raw.data(), static_cast<std::streamsize>(raw.size()))) return false;
    out.resize(static_cast<std::size_t>(channels * samples));
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t i = 0; i < samples; ++i) {
        const char* const from = raw.data() + (c * samples + i) * bytes_;
        std::int32_t wide = 0;
        std::int16_t narrow = 0;
        if (bytes_ == 2) std::memcpy(&narrow, from, 2), wide = narrow;
        else std::memcpy(&wide, from, 4);
        out[static_cast<std::size_t>(i * channels + c)] = static_cast<float>(wide) * 0.001f;
      }
    return true;
  }

private:
  std::ifstream file_;
  std::int64_t first_ = 0, count_ = 0, bytes_ = 0;
};

/// Bearings from new to failed. Snapshots of 0.1 s follow each other without the pauses of the test rig. The line has
/// no camera: its picture is the spectrogram of the snapshot, one channel above the other.
class bearing_feed final : public feed {
public:
  bearing_feed(std::vector<std::string> names, std::vector<snapshot_file> files)
      : names_(std::move(names)), files_(std::move(files)) {
    about_ = {"bearings run to failure, recorded",
              "bearing.dsmm",
              256,
              256,
              fps,
              200,
              {{"vibration", "g", static_cast<double>(rate), static_cast<int>(channels), true}}};
    for (const snapshot_file& f : files_) about_.duration_s += static_cast<double>(f.count()) / fps;
  }

  const line_description& about() const noexcept override { return about_; }

  bool next_picture(picture& out) override {
    if (!locate(pictured_)) return false;
    out = {};
    out.time_ns = (pictured_ + 1) * (1'000'000'000 / fps);
    out.part = names_[file_] + " #" + std::to_string(index_);
    out.truth_known = index_ * 5 < files_[file_].count();  // nobody knows when damage began; the first fifth is sound
    out.kind = out.truth_known ? "good" : "ageing";
    out.pixels.assign(256 * 256, 0);
    std::vector<float> snapshot, one(samples);
    if (files_[file_].read(index_, snapshot)) {
      for (std::size_t c = 0; c < channels; ++c) {
        for (std::size_t i = 0; i < samples; ++i) one[i] = snapshot[i * channels + c];
        draw_spectrogram(one, 0.05f, out.pixels.data() + c * 256 * 128);
      }
    } else {
      out.damaged = true, out.trouble = names_[file_] + ".npy: the file ends before the last snapshot";
    }
    ++pictured_;
    return true;
  }

  bool next_chunk(std::size_t, sensor_chunk& out) override {
    while (at_ == current_.size()) {
      if (!locate(heard_)) return false;
      at_ = 0;
      if (!files_[file_].read(index_, current_)) current_.clear();
      ++heard_;
    }
    out.count = chunk;
    out.time_ns =
        (heard_ - 1) * (1'000'000'000 / fps) + static_cast<std::int64_t>(at_ / channels) * 1'000'000'000 / rate;
    out.values.assign(current_.begin() + static_cast<std::ptrdiff_t>(at_),
                      current_.begin() + static_cast<std::ptrdiff_t>(at_ + chunk * channels));
    at_ += chunk * channels;
    return true;
  }

private:
  /// Finds the file and snapshot of the n-th snapshot of all.
  bool locate(std::int64_t n) noexcept {
    for (file_ = 0; file_ < files_.size(); n -= files_[file_++].count())
      if (n < files_[file_].count()) return index_ = n, true;
    return false;
  }

  std::vector<std::string> names_;
  std::vector<snapshot_file> files_;
  line_description about_;
  std::int64_t pictured_ = 0, heard_ = 0, index_ = 0;
  std::size_t file_ = 0, at_ = 0;
  std::vector<float> current_;
};

}  // namespace

std::unique_ptr<feed> open_bearing_line(const std::filesystem::path& folder, complaint& why) {
  const std::filesystem::path index = folder / "index.csv";
  const std::optional<csv_table> table = read_csv(index);
  const auto column = table ? table->column("file") : std::nullopt;
  why = {"index.csv does not list .npy files", index.string(), "it needs a column named file"};
  if (!column) return nullptr;
  std::vector<std::string> names;
  std::vector<snapshot_file> files;
  for (const auto& row : table->rows) {
    if (row.size() <= *column) continue;
    files.emplace_back(folder / row[*column]);
    names.push_back(std::filesystem::path(row[*column]).stem().string());
    if (files.back().count() > 0) continue;
    why = {"not an array of (snapshot, 2, 2560) integers", (folder / row[*column]).string(),
           "restore the file, or take it out of index.csv"};
    return nullptr;
  }
  if (files.empty()) return nullptr;
  return std::make_unique<bearing_feed>(std::move(names), std::move(files));
}

}  // namespace dsmm::inline DSMM_ABI::line
