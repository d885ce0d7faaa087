// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/inspect/sensor_need.hpp"
#include "dsmm/model/model.hpp"

namespace dsmm::inline DSMM_ABI {

/// What the META section of an inspection model says about its use; docs/format.md lists the keys.
struct model_meta {
  std::string_view product, name, decision;  ///< decision: the output that is compared with its threshold
  float threshold = 0;
  float map_threshold = 0.5f;
  bool bgr = false;  ///< channel order of a three-channel input
  std::vector<sensor_need> sensors;
  std::vector<std::string_view> labels;

  /// Errors: bad_value (a number does not parse, no decision or no threshold for it).
  static result<model_meta> read(const model& m);
};

namespace detail {

template <class T>
std::optional<T> parse_number(std::string_view text) noexcept {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// "<prefix><index>.<suffix>" without allocating.
class indexed_key {
public:
  std::string_view operator()(std::string_view prefix, std::uint32_t index, std::string_view suffix) noexcept {
    char* at = buffer_.data();
    at += prefix.copy(at, 32);
    at = std::to_chars(at, buffer_.data() + 48, index).ptr;
    at += suffix.copy(at, 32);
    return {buffer_.data(), static_cast<std::size_t>(at - buffer_.data())};
  }

private:
  std::array<char, 96> buffer_{};
};

}  // namespace detail

inline result<model_meta> model_meta::read(const model& m) {
  constexpr std::uint32_t max_sensors = 64;
  const auto bad = [](std::string_view key) {
    return failure{errc::bad_value, "this META entry of the model is missing or not a number: fit or export it again"}
        .named(key.data(), key.size());
  };
  model_meta meta;
  meta.product = m.meta("product").value_or("");
  meta.name = m.meta("name").value_or("");
  meta.decision = m.meta("decision").value_or("joint");
  meta.bgr = m.meta("image.format").value_or("gray8") == "bgr";

  detail::indexed_key key;
  const auto number = [&m](std::string_view k) -> std::optional<float> {
    const auto text = m.meta(k);
    return text ? detail::parse_number<float>(*text) : std::nullopt;
  };
  std::array<char, 64> name{};
  std::size_t n = std::string_view("threshold.").copy(name.data(), 16);
  n += meta.decision.copy(name.data() + n, 32);
  const auto threshold = number({name.data(), n});
  if (!threshold) return bad({name.data(), n});
  meta.threshold = *threshold;
  if (m.meta("threshold.map")) {
    const auto map = number("threshold.map");
    if (!map) return bad("threshold.map");
    meta.map_threshold = *map;
  }
  for (std::uint32_t i = 0; i < max_sensors; ++i) {
    const auto sensor = m.meta(key("sensor.", i, ".name"));
    if (!sensor) break;
    sensor_need need;
    need.name = *sensor;
    const auto rate = number(key("sensor.", i, ".rate_hz"));
    if (!rate || !(*rate > 0)) return bad(key("sensor.", i, ".rate_hz"));
    need.rate_hz = static_cast<double>(*rate);
    const auto channels = number(key("sensor.", i, ".channels"));
    if (!channels || !(*channels >= 1 && *channels <= 63)) return bad(key("sensor.", i, ".channels"));
    need.channels = static_cast<std::uint32_t>(*channels);
    need.role = m.meta(key("sensor.", i, ".role")).value_or("slow") == "hop" ? sensor_role::hop : sensor_role::slow;
    need.required = m.meta(key("sensor.", i, ".required")).value_or("1") != "0";
    meta.sensors.push_back(need);
  }
  for (std::string_view rest = m.meta("labels").value_or(""); !rest.empty();) {
    const std::size_t comma = rest.find(',');
    meta.labels.push_back(rest.substr(0, comma));
    rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
  }
  return meta;
}

}  // namespace dsmm::inline DSMM_ABI
