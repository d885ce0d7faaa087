// SPDX-License-Identifier: Apache-2.0
#include "tools/line/csv.hpp"
#include "tools/line/grey_image.hpp"
#include "tools/line/recorded.hpp"

namespace dsmm::inline DSMM_ABI::line {

namespace {

constexpr int photo_width = 768, photo_height = 320;
constexpr std::int64_t fps = 10;

struct shot {
  std::string part, image;
  int label = -1;  ///< 1 = worn, 0 = sound, -1 = nobody knows
};

/// Photos of a wearing surface, position after position, ten per second of line time. There is no other sensor.
class wear_feed final : public feed {
public:
  wear_feed(std::filesystem::path folder, std::vector<shot> shots)
      : folder_(std::move(folder)), shots_(std::move(shots)) {
    about_ = {"wearing ball screw, recorded", "wear.dsmm", photo_width, photo_height, fps, 200, {}};
    about_.duration_s = static_cast<double>(shots_.size()) / fps;
  }

  const line_description& about() const noexcept override { return about_; }

  bool next_picture(picture& out) override {
    if (next_ == shots_.size()) return false;
    const shot& s = shots_[next_];
    out = {};
    out.time_ns = static_cast<std::int64_t>(++next_) * (1'000'000'000 / fps);
    out.part = s.part;
    out.truth_known = s.label >= 0, out.defective = s.label == 1;
    out.kind = s.label == 1 ? "pitting" : "good";
    out.seen_by = s.label == 1 ? evidence::image : evidence::none;
    grey_image photo;
    std::string why;
    if (read_jpeg(folder_ / s.image, photo, why)) {
      out.pixels = fitted(photo, photo_width, photo_height).pixels;
    } else {
      out.pixels.assign(static_cast<std::size_t>(photo_width) * photo_height, 0);
      out.damaged = true;
      out.trouble = s.image + ": " + why;
    }
    return true;
  }

  bool next_chunk(std::size_t, sensor_chunk&) override { return false; }

private:
  std::filesystem::path folder_;
  std::vector<shot> shots_;
  line_description about_;
  std::size_t next_ = 0;
};

}  // namespace

std::unique_ptr<feed> open_wear_line(const std::filesystem::path& folder, complaint& why) {
  const std::filesystem::path index = folder / "sequence.csv";
  const std::optional<csv_table> table = read_csv(index);
  why = {"sequence.csv does not list photos", index.string(),
         "it needs the columns position, frame, image, pitting_label, usable"};
  if (!table) return nullptr;
  const auto position = table->column("position"), frame = table->column("frame"), image = table->column("image"),
             label = table->column("pitting_label"), usable = table->column("usable");
  if (!position || !frame || !image || !label || !usable) return nullptr;
  std::vector<shot> shots;
  for (const auto& row : table->rows) {
    if (row.size() < table->header.size()) continue;
    const int worn = number(row, *label).value_or(-1) > 0.5 ? 1 : 0;
    const bool known = number(row, *usable).value_or(0) > 0.5;
    shots.push_back({row[*position] + " #" + row[*frame], row[*image], known ? worn : -1});
  }
  if (shots.empty()) return nullptr;
  return std::make_unique<wear_feed>(folder, std::move(shots));
}

}  // namespace dsmm::inline DSMM_ABI::line
