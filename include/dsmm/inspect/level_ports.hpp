// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/inspect/model_meta.hpp"

namespace dsmm::inline DSMM_ABI {

/// Where one level of an inspection model takes its picture and leaves its scores, and the thresholds that its META
/// gives for them: levels are models of their own, so each is compared with its own threshold.
struct level_ports {
  using port = std::optional<std::uint32_t>;

  std::optional<std::uint32_t> frame_program{};
  port image{}, has_image{}, has_series{}, decision_score{}, image_score{}, series_score{}, joint_score{}, classes{},
      map{};
  float threshold = std::numeric_limits<float>::quiet_NaN(), map_threshold = 0.5f;

  /// Errors: wrong_product (no output for the decision's score, a picture of two or of more than three channels).
  static result<level_ports> bind(const session& s, const model_meta& meta) {
    const auto find = [&s](std::string_view name) { return s.source().find_tensor(name); };
    level_ports p{s.source().find_program("frame"),
                  find("image"),
                  find("has_image"),
                  find("has_series"),
                  {},
                  find("image_score"),
                  find("series_score"),
                  find("joint_score"),
                  find("class"),
                  find("map"),
                  meta.threshold,
                  meta.map_threshold};
    std::array<char, 64> name{};
    std::size_t n = meta.decision.copy(name.data(), 48);
    n += std::string_view("_score").copy(name.data() + n, 8);
    p.decision_score = find({name.data(), n});
    if (!p.decision_score)
      return failure{errc::wrong_product, "the model has no output for its decision score"}.named(name.data(), n);
    if (const std::int32_t c = extents_of(s, p.image).c; p.image && c != 1 && c != 3)
      return failure{errc::wrong_product, "the model's image has neither one nor three channels"};
    return p;
  }

  /// Zeros where the model has no such tensor.
  static extents extents_of(const session& s, const port& tensor) noexcept {
    return tensor ? s.u8(*tensor).shape : extents{0, 0, 0};
  }
  static float scalar(const session& s, const port& tensor) noexcept {
    return tensor ? s.f32(*tensor).data[0] : std::numeric_limits<float>::quiet_NaN();
  }
  static void set_flag(session& s, const port& tensor, bool on) noexcept {
    if (tensor) s.f32(*tensor).data[0] = on ? 1.0f : 0.0f;
  }
};

}  // namespace dsmm::inline DSMM_ABI
