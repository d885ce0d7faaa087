// SPDX-License-Identifier: Apache-2.0
#include "tools/line/simulated_line.hpp"

#include <doctest/doctest.h>

#include <span>
#include <vector>

#include "dsmm/core/crc32c.hpp"

using namespace dsmm;
using namespace dsmm::line;

namespace {

struct shot {
  std::vector<std::uint8_t> pixels = std::vector<std::uint8_t>(512 * 512);
  truth_mask mask{};
  std::uint32_t hash() const {
    return crc32c(std::as_bytes(std::span(pixels)), crc32c(std::as_bytes(std::span(mask.cells))));
  }
};

shot take(simulated_line& line, std::int64_t part) {
  shot s;
  line.eye().take(line.truth(part), s.pixels.data(), s.mask);
  return s;
}

}  // namespace

TEST_CASE("pictures and masks have the same bits on every machine") {
  const std::uint32_t golden[] = {1384014218u, 1705370647u, 2004541147u};
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    simulated_line line(seed);
    std::uint32_t hash = 0;
    for (std::int64_t k = 0; k < 24; ++k) hash = hash * 31 + take(line, k).hash();
    CHECK(hash == golden[seed - 1]);
  }
}

TEST_CASE("sensors have the same bits on every machine, however they are asked for") {
  simulated_line line(5);
  std::vector<float> whole(6000 * 3), pieces(6000 * 3), slow(300), force(300), temperature(300);
  line.machine().vibration(0, 6000, whole.data());
  for (std::int64_t first = 5993; first >= 0; first -= 7)  // backwards, in pieces
    line.machine().vibration(first, 7, pieces.data() + 3 * first);
  line.machine().vibration(0, 7, pieces.data());
  CHECK(std::equal(whole.begin(), whole.end(), pieces.begin()));
  line.machine().current(0, 300, slow.data());
  line.machine().force(0, 300, force.data());
  line.machine().temperature(0, 300, temperature.data());
  std::uint32_t hash = crc32c(std::as_bytes(std::span(whole)));
  for (const auto* s : {&slow, &force, &temperature}) hash = crc32c(std::as_bytes(std::span(*s)), hash);
  CHECK(hash == 435344809u);
}

TEST_CASE("a part is the same alone and in sequence") {
  simulated_line first(9), second(9);
  for (std::int64_t k = 0; k < 12; ++k) take(first, k);
  CHECK(take(first, 12).hash() == take(second, 12).hash());
  CHECK(take(first, 3).hash() == take(second, 3).hash());
}

TEST_CASE("sessions differ") {
  simulated_line a(1), b(2);
  CHECK(take(a, 0).hash() != take(b, 0).hash());
  CHECK(a.machine().profile().spindle_hz != b.machine().profile().spindle_hz);
}

TEST_CASE("the mix of kinds is the promised one, and a weak sign alone is harmless") {
  const simulated_line line(77);
  int count[10] = {}, alone_mark = 0, alone_event = 0;
  constexpr int n = 20'000;
  for (std::int64_t k = 0; k < n; ++k) {
    const part_truth t = line.truth(k);
    ++count[static_cast<int>(t.kind)];
    CHECK((t.weak_mark && t.weak_event) == (t.kind == part_kind::tool_rub));
    if (t.kind == part_kind::good) alone_mark += t.weak_mark, alone_event += t.weak_event;
    if (is_image_only(t.kind) || is_sensor_only(t.kind)) CHECK_FALSE((t.weak_mark || t.weak_event));
    if (t.event_length > 0) CHECK((t.event_phase >= 0.14f && t.event_phase + t.event_length <= 0.601f));
  }
  const auto share = [](int c) { return static_cast<double>(c) / n; };
  CHECK(share(count[0]) == doctest::Approx(0.55).epsilon(0.03));
  CHECK(share(count[9]) == doctest::Approx(0.15).epsilon(0.06));
  CHECK(share(alone_mark) == doctest::Approx(0.55 * 0.125).epsilon(0.1));
  CHECK(share(alone_event) == doctest::Approx(0.55 * 0.125).epsilon(0.1));
  for (int kind = 1; kind <= 5; ++kind) CHECK(share(count[kind]) == doctest::Approx(0.03).epsilon(0.2));
  for (int kind = 6; kind <= 8; ++kind) CHECK(share(count[kind]) == doctest::Approx(0.05).epsilon(0.15));
}

TEST_CASE("the mask shows exactly what the camera can see") {
  simulated_line line(31);
  for (std::int64_t k = 0; k < 300; ++k) {
    const part_truth t = line.truth(k);
    const shot s = take(line, k);
    const auto cells = [&](std::uint8_t value) { return std::count(s.mask.cells.begin(), s.mask.cells.end(), value); };
    CAPTURE(to_string(t.kind));
    CHECK((cells(truth_mask::defect) > 0) == is_image_only(t.kind));
    CHECK((cells(truth_mask::weak) > 0) == t.weak_mark);
    CHECK(cells(truth_mask::defect) + cells(truth_mask::weak) < 60);
  }
}

TEST_CASE("a defect changes the picture inside its mask alone") {
  simulated_line line(12);
  for (std::int64_t k = 0; k < 120; ++k) {
    const part_truth t = line.truth(k);
    if (!is_image_only(t.kind)) continue;
    part_truth clean = t;
    clean.kind = part_kind::good;
    const shot with = take(line, k);
    shot without;
    line.eye().take(clean, without.pixels.data(), without.mask);
    int outside = 0, inside = 0;
    for (int y = 0; y < 512; ++y)
      for (int x = 0; x < 512; ++x) {
        const auto i = static_cast<std::size_t>(y * 512 + x);
        if (with.pixels[i] == without.pixels[i]) continue;
        bool near = false;  // within one cell of a marked one
        for (int cy = std::max(0, y / 8 - 1); cy <= std::min(63, y / 8 + 1); ++cy)
          for (int cx = std::max(0, x / 8 - 1); cx <= std::min(63, x / 8 + 1); ++cx)
            near = near || with.mask.cells[static_cast<std::size_t>(cy * 64 + cx)] != 0;
        ++(near ? inside : outside);
      }
    CAPTURE(to_string(t.kind));
    CHECK(inside > 40);
    CHECK(outside * 20 <= inside);
  }
}

TEST_CASE("events lie inside the part's own stroke, which ends before the exposure") {
  const line_clock clock;
  for (std::int64_t k = 0; k < 1000; ++k) {
    CHECK(clock.part_at(clock.exposure_ns(k)) == k);
    CHECK(clock.part_at(clock.exposure_ns(k) + 1) == k + 1);
    const std::int64_t last = clock.samples_until(k, vibration_rate) - 1;
    CHECK(last * 50'000 <= clock.exposure_ns(k));
    CHECK((last + 1) * 50'000 > clock.exposure_ns(k));
  }
  CHECK(line_clock{30}.phase_at(line_clock{30}.exposure_ns(4) - 20'000'000, 4) < 0);  // a slower line waits
}

TEST_CASE("sensor defects hide in the level of the vibration") {
  simulated_line line(3);
  double squares[10] = {};
  int parts[10] = {};
  std::vector<float> v(340 * 3);
  for (std::int64_t k = 1; k < 1200; ++k) {
    const std::int64_t begin = line.clock().samples_until(k - 1, vibration_rate),
                       end = line.clock().samples_until(k, vibration_rate);
    line.machine().vibration(begin, static_cast<std::size_t>(end - begin), v.data());
    double sum = 0;
    for (std::int64_t i = 0; i < 3 * (end - begin); ++i) {
      const auto x = static_cast<double>(v[static_cast<std::size_t>(i)]);
      sum += x * x;
    }
    const auto kind = static_cast<std::size_t>(line.truth(k).kind);
    squares[kind] += sum / static_cast<double>(3 * (end - begin)), ++parts[kind];
  }
  const auto level = [&](part_kind k) {
    const auto i = static_cast<std::size_t>(k);
    return squares[i] / parts[i] / (squares[0] / parts[0]);
  };
  for (const part_kind k : {part_kind::chatter, part_kind::impacts, part_kind::misfeed, part_kind::tool_rub}) {
    CAPTURE(to_string(k));
    CHECK(level(k) > 0.65);
    CHECK(level(k) < 1.35);
  }
}
