// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/inspect/sensor_need.hpp"

namespace dsmm::inline DSMM_ABI {

/// The "hop" program of one level and the tensors that it reads.
struct hop_port {
  std::uint32_t program = 0;
  std::uint32_t hop = 1;   ///< samples of the beat per run
  std::uint32_t beat = 0;  ///< tensor of the sensor that sets the beat, (hop, 1, channels)
  std::uint32_t slow = 0;  ///< tensor of the slow ones' means, (1, 1, channels); unused if there are none

  /// slow_channels  of all slow sensors together. Errors: wrong_product, not_found.
  static result<hop_port> bind(const session& s, const sensor_need& beat, std::uint32_t slow_channels) {
    hop_port p;
    const auto program = s.source().find_program("hop");
    if (!program) return failure{errc::wrong_product, "a level of the model has no hop program"};
    p.program = *program;
    const auto input = s.find(beat.name);
    if (!input) return input.error();
    p.beat = *input;
    p.hop = static_cast<std::uint32_t>(s.f32(p.beat).shape.h);
    if (s.f32(p.beat).shape.c != static_cast<std::int32_t>(beat.channels))
      return failure{errc::wrong_product, "META and the hop program disagree on the channels of a sensor"};
    if (slow_channels == 0) return p;
    const auto slow = s.find("slow");
    if (!slow) return slow.error();
    p.slow = *slow;
    if (s.f32(p.slow).shape.c != static_cast<std::int32_t>(slow_channels))
      return failure{errc::wrong_product, "META and the hop program disagree on the slow channels"};
    return p;
  }
};

}  // namespace dsmm::inline DSMM_ABI
