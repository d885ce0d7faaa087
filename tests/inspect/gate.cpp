// SPDX-License-Identifier: Apache-2.0
#include "dsmm/inspect/gate.hpp"

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdint>

namespace {

constexpr std::array flags{
    &dsmm::evidence::frame_present, &dsmm::evidence::intact,       &dsmm::evidence::caps_match,
    &dsmm::evidence::tag_match,     &dsmm::evidence::fresh,        &dsmm::evidence::not_repeated,
    &dsmm::evidence::well_exposed,  &dsmm::evidence::model_armed,  &dsmm::evidence::score_valid,
    &dsmm::evidence::in_time,       &dsmm::evidence::sensors_good, &dsmm::evidence::log_durable,
};
static_assert(sizeof(dsmm::evidence) == flags.size() + 1, "a new flag belongs into this table");

constexpr dsmm::evidence from_bits(std::uint32_t bits, bool defect) {
  dsmm::evidence e;
  for (std::size_t i = 0; i < flags.size(); ++i) e.*flags[i] = (bits >> i & 1) != 0;
  e.defect = defect;
  return e;
}

constexpr std::uint32_t all = (1u << flags.size()) - 1;
constexpr std::uint32_t sensors = 1u << 10, log_bit = 1u << 11;

}  // namespace

TEST_CASE("one input of all 8192 passes: every flag good and no defect") {
  int passes = 0;
  for (std::uint32_t bits = 0; bits <= all; ++bits)
    for (const bool defect : {false, true}) {
      const dsmm::decision d = dsmm::decide(from_bits(bits, defect));
      if (d.verdict == dsmm::verdict::pass) {
        ++passes;
        CHECK(bits == all);
        CHECK_FALSE(defect);
      }
    }
  CHECK(passes == 1);
}

TEST_CASE("a defect fails exactly when the picture and the model can be trusted") {
  for (std::uint32_t bits = 0; bits <= all; ++bits) {
    const bool trusted = (bits | sensors | log_bit) == all;
    CHECK((dsmm::decide(from_bits(bits, true)).verdict == dsmm::verdict::fail) == trusted);
  }
}

TEST_CASE("the reason is none with a judgement, and the first broken link otherwise") {
  constexpr std::array reasons{dsmm::reason::no_frame, dsmm::reason::integrity, dsmm::reason::caps,
                               dsmm::reason::tag,      dsmm::reason::too_old,   dsmm::reason::repeated,
                               dsmm::reason::exposure, dsmm::reason::model,     dsmm::reason::model,
                               dsmm::reason::deadline, dsmm::reason::sensor,    dsmm::reason::log};
  for (std::uint32_t bits = 0; bits <= all; ++bits) {
    const dsmm::decision d = dsmm::decide(from_bits(bits, false));
    CHECK((d.reason == dsmm::reason::none) == (d.verdict != dsmm::verdict::unknown));
    if (bits == all) continue;
    std::size_t first = 0;
    while ((bits >> first & 1) != 0) ++first;
    CHECK(d.reason == reasons[first]);
  }
}

TEST_CASE("nothing known is UNKNOWN, and late is never PASS") {
  CHECK(dsmm::decide({}) == dsmm::decision{dsmm::verdict::unknown, dsmm::reason::no_frame});
  dsmm::evidence e = from_bits(all, false);
  e.in_time = false;
  CHECK(dsmm::decide(e) == dsmm::decision{dsmm::verdict::unknown, dsmm::reason::deadline});
}
