// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <vector>

#include "dsmm/core/result.hpp"
#include "tools/line/npy_stream.hpp"
#include "tools/line/simulated_line.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// What to simulate: `parts` parts, spread evenly over `sessions` sessions with seeds seed, seed + 1, ...
struct dataset_request {
  std::filesystem::path folder;
  std::int64_t parts = 1000, sessions = 1, fps = 60;
  std::uint64_t seed = 1;
  part_mix mix{};

  std::int64_t first_part(std::int64_t session) const noexcept { return parts * session / sessions; }
  std::int64_t parts_of(std::int64_t session) const noexcept { return first_part(session + 1) - first_part(session); }
};

namespace detail {

inline constexpr std::int64_t stream_rates[4] = {vibration_rate, current_rate, force_rate, temperature_rate};

/// Samples of a stream in all sessions before `session`.
inline std::int64_t samples_before(const dataset_request& r, std::int64_t session, std::int64_t rate) {
  std::int64_t sum = 0;
  for (std::int64_t s = 0; s < session; ++s) sum += line_clock{r.fps}.samples_until(r.parts_of(s) - 1, rate);
  return sum;
}

inline const char* csv_header() {
  return "part,session,seed,part_in_session,time_ns,kind,label,evidence,weak_mark,weak_event,stain,oil,brush,dust,"
         "thump,"
         "x,y,angle,size,contrast,hole,event_start_ms,event_ms,event_strength,"
         "vibration_begin,vibration_end,current_begin,current_end,force_begin,force_end,temperature_begin,temperature_"
         "end\n";
}

inline void write_row(std::ofstream& csv, const dataset_request& r, std::int64_t session, std::int64_t k,
                      const part_truth& t) {
  const line_clock clock{r.fps};
  const double stroke_ms = 1000.0 / static_cast<double>(std::max<std::int64_t>(r.fps, 60));
  csv << r.first_part(session) + k << ',' << session << ',' << r.seed + static_cast<std::uint64_t>(session) << ',' << k
      << ',' << clock.exposure_ns(k) << ',' << to_string(t.kind) << ',' << t.defective() << ','
      << evidence_names[static_cast<std::size_t>(evidence_of(t.kind))] << ',' << t.weak_mark << ',' << t.weak_event
      << ',' << t.stain << ',' << t.oil << ',' << t.brush << ',' << t.dust << ',' << t.thump << ',' << t.x << ',' << t.y
      << ',' << t.angle << ',' << t.size << ',' << t.contrast << ',' << t.hole << ','
      << static_cast<double>(t.event_phase) * stroke_ms << ',' << static_cast<double>(t.event_length) * stroke_ms << ','
      << t.event_strength;
  for (const std::int64_t rate : stream_rates) {
    const std::int64_t begin = samples_before(r, session, rate);
    csv << ',' << begin << ',' << begin + clock.samples_until(k, rate);
  }
  csv << '\n';
}

}  // namespace detail

/// Writes images, masks, sensors and parts.csv into r.folder, which must exist. Memory does not grow with `parts`.
/// progress(done) is called after each part; it returns false to stop.
/// Errors: io when the folder cannot be written, or is full; invalid_argument.
inline result<void> write_dataset(const dataset_request& r, const std::function<bool(std::int64_t)>& progress) {
  if (r.sessions < 1 || r.parts < r.sessions || r.fps < 1 || r.fps > 1000)
    return failure{errc::invalid_argument, "give at least one part per session and 1 to 1000 frames per second"};
  const std::int64_t n = r.parts;
  const auto total = [&](std::int64_t rate) { return detail::samples_before(r, r.sessions, rate); };
  npy_stream images(r.folder / "images.npy", "|u1", {n, camera::height, camera::width});
  npy_stream masks(r.folder / "masks.npy", "|u1", {n, truth_mask::size, truth_mask::size});
  npy_stream vibration(r.folder / "vibration.npy", "<f4", {total(vibration_rate), 3});
  npy_stream current(r.folder / "current.npy", "<f4", {total(current_rate)});
  npy_stream force(r.folder / "force.npy", "<f4", {total(force_rate)});
  npy_stream temperature(r.folder / "temperature.npy", "<f4", {total(temperature_rate)});
  std::ofstream csv(r.folder / "parts.csv");
  csv << detail::csv_header();

  std::vector<std::uint8_t> picture(static_cast<std::size_t>(camera::width) * camera::height);
  std::vector<float> samples;
  truth_mask mask;
  for (std::int64_t session = 0; session < r.sessions; ++session) {
    simulated_line line(r.seed + static_cast<std::uint64_t>(session), r.fps, r.mix);
    std::int64_t at[4] = {};
    const auto stream = [&](npy_stream& to, int which, std::int64_t part, std::size_t channels, auto&& make) {
      const std::int64_t until = line.clock().samples_until(part, detail::stream_rates[which]);
      const auto count = static_cast<std::size_t>(until - at[which]);
      samples.resize(count * channels);
      make(at[which], count, samples.data());
      to.write(samples.data(), samples.size() * sizeof(float));
      at[which] = until;
    };
    process& m = line.machine();
    for (std::int64_t k = 0; k < r.parts_of(session); ++k) {
      const part_truth t = line.truth(k);
      line.eye().take(t, picture.data(), mask);
      images.write(picture.data(), picture.size());
      masks.write(mask.cells.data(), mask.cells.size());
      stream(vibration, 0, k, 3, [&](auto first, auto count, float* out) { m.vibration(first, count, out); });
      stream(current, 1, k, 1, [&](auto first, auto count, float* out) { m.current(first, count, out); });
      stream(force, 2, k, 1, [&](auto first, auto count, float* out) { m.force(first, count, out); });
      stream(temperature, 3, k, 1, [&](auto first, auto count, float* out) { m.temperature(first, count, out); });
      detail::write_row(csv, r, session, k, t);
      if (!progress(r.first_part(session) + k + 1)) return failure{errc::io, "stopped before the end"};
    }
  }
  csv.close();
  bool written = static_cast<bool>(csv);
  for (npy_stream* stream : {&images, &masks, &vibration, &current, &force, &temperature})
    written = stream->finish() && written;
  if (!written)
    return failure{errc::io, "cannot write the data set: check that the folder is writable and the disk has room"};
  return {};
}

}  // namespace dsmm::inline DSMM_ABI::line
