// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "tools/line/camera.hpp"
#include "tools/line/process.hpp"

namespace dsmm::inline DSMM_ABI::line {

/// One session of the simulated line: a camera and a machine that make part after part. Seeds that differ give other
/// textures, light, speeds and resonances of the same product. Any part and any sample can be made on its own.
class simulated_line {
public:
  explicit simulated_line(std::uint64_t seed, std::int64_t fps = 60, const part_mix& mix = {})
      : seed_(seed), mix_(mix), clock_{fps}, eye_(scramble(seed)), machine_(scramble(seed), clock_, mix) {}

  const line_clock& clock() const noexcept { return clock_; }
  camera& eye() noexcept { return eye_; }
  process& machine() noexcept { return machine_; }
  std::uint64_t seed() const noexcept { return seed_; }
  part_truth truth(std::int64_t part) const noexcept { return plan_part(scramble(seed_), part, mix_); }

private:
  std::uint64_t seed_;
  part_mix mix_;
  line_clock clock_;
  camera eye_;
  process machine_;
};

}  // namespace dsmm::inline DSMM_ABI::line
