// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string_view>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/core/executor.hpp"
#include "dsmm/core/nanos.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/inspect/exposure_limits.hpp"
#include "dsmm/inspect/frame_view.hpp"
#include "dsmm/inspect/inspection.hpp"
#include "dsmm/inspect/sensor_need.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/stream/sensor_span.hpp"

namespace dsmm::inline DSMM_ABI {

/// Time of std::chrono::steady_clock; tests pass their own.
nanos steady_now() noexcept;

struct inspector_options {
  executor exec{};
  nanos deadline{50'000'000};                                 ///< arrival to decision; later is UNKNOWN
  nanos max_age{1'000'000'000};                               ///< an older frame is not this part's
  float threshold = std::numeric_limits<float>::quiet_NaN();  ///< NaN: the model's own
  exposure_limits exposure{};
  bool refuse_repeats = true;  ///< a picture equal to the one before is a frozen camera
  bool heat_map = true;        ///< regions and map are filled in
  nanos (*now)() noexcept = steady_now;
};

struct frame_context {
  static constexpr std::uint32_t by_deadline = std::numeric_limits<std::uint32_t>::max();

  std::uint64_t frame_id = 0;
  nanos arrival{};                    ///< when the frame reached this machine, on the clock of options.now
  bool damaged = false;               ///< the transport reported missing or broken data
  std::uint32_t level = by_deadline;  ///< to run this one, as in a replay; the smallest for numbers beyond it
};

/// Judges parts: one frame, the sensor windows that belong to it, one verdict through the gate.
/// Where the file holds several levels, each part gets the largest that will be done by the deadline (level_choice);
/// the series go on in all of them. One level's verdict does not depend on which levels ran before.
/// Owns the model file, its memory and the sensor streams' state. Movable; results stay valid. One thread at a time.
class inspector {
public:
  /// Copies and verifies the file, packs it, repeats its self-test; of several levels each, and takes their times.
  /// Errors: those of model::open and elastic_session::prepare, self_test_failed, wrong_product (META does not fit the
  /// graph, or levels differ in the picture, the sensors or the labels).
  static result<inspector> open(std::span<const std::byte> file, const inspector_options& options = {});

  inspector(inspector&& other) noexcept : parts_(std::exchange(other.parts_, nullptr)) {}
  inspector& operator=(inspector other) noexcept {
    std::swap(parts_, other.parts_);
    return *this;
  }
  ~inspector();

  /// Frame size in pixels; 0 x 0 if the model looks at sensors alone.
  std::int32_t width() const noexcept;
  std::int32_t height() const noexcept;
  std::span<const sensor_need> sensors() const noexcept;
  std::string_view product() const noexcept;
  /// Label of a class index; empty outside the list.
  std::string_view label(std::int32_t i) const noexcept;
  std::size_t label_count() const noexcept;
  /// The first 16 hexadecimal digits of the file's identity.
  std::string_view identity() const noexcept;
  const model& source() const noexcept;
  /// Of the largest level.
  float threshold() const noexcept;
  /// At least 1.
  std::uint32_t levels() const noexcept;
  /// What a level stands for, as a share of the multiply-adds of the whole network.
  float level_share(std::uint32_t level) const noexcept;

  /// Judges one part. frame.data may be null (no picture came). Spans may be in any order and more than needed.
  /// Returns the result; it and its views hold until the next call. Neither allocates, locks nor throws.
  const inspection& inspect(const frame_view& frame, std::span<const sensor_span> sensors,
                            const frame_context& context) noexcept;

  /// A new batch of parts: forgets sensor states and the last picture.
  void reset() noexcept;

private:
  struct parts;
  explicit inspector(parts* owned) noexcept : parts_(owned) {}

  parts* parts_;
};

}  // namespace dsmm::inline DSMM_ABI

#if !DSMM_COMPILED
#include "dsmm/inspect/inspector.inl.hpp"
#endif
