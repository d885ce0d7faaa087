// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tools/demo/player.hpp"

namespace dsmm::inline DSMM_ABI::demo {

/// A part as the report shows it.
struct gallery_item {
  judged_part part;
  std::vector<std::uint8_t> overlay;  ///< PNG, full size
  std::vector<std::uint8_t> preview;  ///< PNG, at most 360 pixels wide
  std::string traces;                 ///< SVG of the sensors until the exposure; empty if the line has none
};

/// Draws verdict, regions and heat map onto the frames that were kept, through dsmmoverlay, and their sensor traces.
/// stroke_ms  the time before the exposure that belongs to the part itself; it is shaded.
/// Returns false and fills `why` if GStreamer or libpng failed.
bool make_gallery(const std::vector<exhibit>& exhibits, const line::line_description& about, double stroke_ms,
                  std::vector<gallery_item>& out, line::complaint& why);

}  // namespace dsmm::inline DSMM_ABI::demo
