// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <cstdio>
#include <span>
#include <string>
#include <string_view>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::report {

/// Text that is safe inside HTML and attribute values.
inline std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&': out += "&amp;"; break;
      case '<': out += "&lt;"; break;
      case '>': out += "&gt;"; break;
      case '"': out += "&quot;"; break;
      default: out += c;
    }
  }
  return out;
}

/// A number with `digits` decimals; a dash if it is not one.
inline std::string fixed(double value, int digits = 1) {
  if (!std::isfinite(value)) return "&ndash;";
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", digits, value);
  return text;
}

/// A drawing as SVG text. Colours are CSS classes of the page.
class svg {
public:
  svg(double width, double height, std::string_view label)
      : text_("<svg viewBox=\"0 0 " + fixed(width) + " " + fixed(height) + "\" role=\"img\" aria-label=\"" +
              escaped(label) + "\">") {}

  void rect(double x, double y, double w, double h, std::string_view css, std::string_view title = {}) {
    text_ += "<rect x=\"" + fixed(x) + "\" y=\"" + fixed(y) + "\" width=\"" + fixed(std::max(w, 0.0)) + "\" height=\"" +
             fixed(std::max(h, 0.0)) + "\" rx=\"2\" class=\"" + std::string(css) + "\"";
    close(title, "rect");
  }
  void line(double x1, double y1, double x2, double y2, std::string_view css) {
    text_ += "<line x1=\"" + fixed(x1) + "\" y1=\"" + fixed(y1) + "\" x2=\"" + fixed(x2) + "\" y2=\"" + fixed(y2) +
             "\" class=\"" + std::string(css) + "\"/>";
  }
  void circle(double x, double y, double r, std::string_view css, std::string_view title = {}) {
    text_ += "<circle cx=\"" + fixed(x) + "\" cy=\"" + fixed(y) + "\" r=\"" + fixed(r) + "\" class=\"" +
             std::string(css) + "\"";
    close(title, "circle");
  }
  /// anchor: start, middle or end.
  void text(double x, double y, std::string_view words, std::string_view anchor = "start", std::string_view css = "t") {
    text_ += "<text x=\"" + fixed(x) + "\" y=\"" + fixed(y) + "\" text-anchor=\"" + std::string(anchor) +
             "\" class=\"" + std::string(css) + "\">" + escaped(words) + "</text>";
  }
  /// values over `x0..x1`, low..high mapped to y1..y0.
  void curve(std::span<const float> values, std::size_t step, double x0, double x1, double y0, double y1, float low,
             float high, std::string_view css) {
    const std::size_t count = values.size() / step;
    if (count < 2) return;
    text_ += "<polyline class=\"" + std::string(css) + "\" points=\"";
    for (std::size_t i = 0; i < count; ++i) {
      const double x = x0 + (x1 - x0) * static_cast<double>(i) / static_cast<double>(count - 1);
      const double share =
          static_cast<double>(values[i * step] - low) / static_cast<double>(high > low ? high - low : 1.0f);
      text_ += fixed(x) + "," + fixed(y1 - (y1 - y0) * std::min(std::max(share, 0.0), 1.0)) + " ";
    }
    text_ += "\"/>";
  }

  std::string finish() && { return std::move(text_) + "</svg>"; }

private:
  void close(std::string_view title, std::string_view tag) {
    if (title.empty()) text_ += "/>";
    else text_ += "><title>" + escaped(title) + "</title></" + std::string(tag) + ">";
  }

  std::string text_;
};

}  // namespace dsmm::inline DSMM_ABI::report
