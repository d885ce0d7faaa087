// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"

/// Fields of a GstStructure that the result meta is made of, written and read by one pair of functions each.
namespace dsmm::inline DSMM_ABI::gst {

inline void set_text(GstStructure* to, const char* field, std::string_view text) {
  GValue value = G_VALUE_INIT;
  g_value_init(&value, G_TYPE_STRING);
  g_value_take_string(&value, g_strndup(text.data(), text.size()));
  gst_structure_take_value(to, field, &value);
}

/// The text lives as long as the structure.
inline std::string_view get_text(const GstStructure* from, const char* field) noexcept {
  const gchar* const text = gst_structure_get_string(from, field);
  return text == nullptr ? std::string_view() : std::string_view(text);
}

inline std::chrono::nanoseconds get_time(const GstStructure* from, const char* field) noexcept {
  gint64 ns = 0;
  gst_structure_get_int64(from, field, &ns);
  return std::chrono::nanoseconds(ns);
}

inline float get_fraction(const GstStructure* from, const char* field) noexcept {
  gdouble value = 0;
  gst_structure_get_double(from, field, &value);
  return static_cast<float>(value);
}

/// The enumerator whose to_string() is `name`, up to `last`; `otherwise` if there is none.
template <class Enum>
Enum parse_enum(const char* name, Enum last, Enum otherwise) noexcept {
  if (name == nullptr) return otherwise;
  for (int i = 0; i <= static_cast<int>(last); ++i)
    if (std::strcmp(name, to_string(static_cast<Enum>(i))) == 0) return static_cast<Enum>(i);
  return otherwise;
}

/// A list of structures; make(item) returns a new one.
template <class Range, class Make>
void set_list(GstStructure* to, const char* field, const Range& items, Make make) {
  GValue list = G_VALUE_INIT;
  gst_value_array_init(&list, static_cast<guint>(items.size()));
  for (const auto& item : items) {
    GValue value = G_VALUE_INIT;
    g_value_init(&value, GST_TYPE_STRUCTURE);
    g_value_take_boxed(&value, make(item));
    gst_value_array_append_and_take_value(&list, &value);
  }
  gst_structure_take_value(to, field, &list);
}

/// Reads at most N entries with parse(structure); returns how many there were room for.
template <class T, std::size_t N, class Parse>
std::size_t get_list(const GstStructure* from, const char* field, std::array<T, N>& items, Parse parse) noexcept {
  const GValue* const list = gst_structure_get_value(from, field);
  if (list == nullptr || !GST_VALUE_HOLDS_ARRAY(list)) return 0;
  const std::size_t count = std::min<std::size_t>(gst_value_array_get_size(list), N);
  for (std::size_t i = 0; i < count; ++i) {
    const GValue* const value = gst_value_array_get_value(list, static_cast<guint>(i));
    if (!GST_VALUE_HOLDS_STRUCTURE(value)) return i;
    items[i] = parse(gst_value_get_structure(value));
  }
  return count;
}

/// heat (h, w, 1), copied densely into a reference-counted block.
inline void set_map(GstStructure* to, tensor_view<const std::uint8_t> heat) {
  const auto h = static_cast<std::size_t>(heat.shape.h), w = static_cast<std::size_t>(heat.shape.w);
  auto* const dense = static_cast<std::uint8_t*>(g_malloc(h * w));
  for (std::int32_t y = 0; y < heat.shape.h; ++y)
    for (std::int32_t x = 0; x < heat.shape.w; ++x)
      dense[static_cast<std::size_t>(y) * w + static_cast<std::size_t>(x)] = *heat.at(y, x);
  GBytes* const block = g_bytes_new_take(dense, h * w);
  gst_structure_set(to, "heat", G_TYPE_BYTES, block, "heat-width", G_TYPE_INT, heat.shape.w, "heat-height", G_TYPE_INT,
                    heat.shape.h, nullptr);
  g_bytes_unref(block);
}

/// The map lives as long as the structure; empty if there is none or its size does not add up.
inline tensor_view<const std::uint8_t> get_map(const GstStructure* from) noexcept {
  const GValue* const value = gst_structure_get_value(from, "heat");
  gint width = 0, height = 0;
  if (value == nullptr || !G_VALUE_HOLDS(value, G_TYPE_BYTES) || g_value_get_boxed(value) == nullptr ||
      !gst_structure_get_int(from, "heat-width", &width) || !gst_structure_get_int(from, "heat-height", &height) ||
      width <= 0 || height <= 0)
    return {};
  gsize size = 0;
  const gconstpointer data = g_bytes_get_data(static_cast<GBytes*>(g_value_get_boxed(value)), &size);
  if (data == nullptr || static_cast<std::uint64_t>(width) * static_cast<std::uint64_t>(height) != size) return {};
  return dense_view(static_cast<const std::uint8_t*>(data), {height, width, 1});
}

}  // namespace dsmm::inline DSMM_ABI::gst
