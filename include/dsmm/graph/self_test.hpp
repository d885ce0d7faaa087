// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/core/narrow_float.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/core/rng.hpp"
#include "dsmm/core/sha256.hpp"
#include "dsmm/graph/session.hpp"

namespace dsmm::inline DSMM_ABI {

namespace detail {

/// Visits each (H, W) row of C elements of a u8 or f32 tensor.
template <class F>
void each_pixel(const session& s, std::uint32_t index, F&& f) noexcept {
  const format::tensor_row& t = s.source().tensors()[index];
  const auto visit = [&](const auto& view) {
    using element = std::remove_pointer_t<decltype(view.data)>;
    for (std::int32_t y = 0; y < view.shape.h; ++y)
      for (std::int32_t x = 0; x < view.shape.w; ++x)
        f(std::span<element>(view.at(y, x), static_cast<std::size_t>(view.shape.c)));
  };
  if (ops::type_of(t) == dtype::u8) visit(s.u8(index));
  else visit(s.f32(index));
}

/// Neither u8 nor f32 of rank 3: only general operators know such tensors.
inline bool is_plain_only(const format::tensor_row& t) noexcept {
  return t.rank != 3 || (ops::type_of(t) != dtype::u8 && ops::type_of(t) != dtype::f32);
}

/// Values in [0, 8) for integers, in [-1, 1) for floats, true or false.
inline void fill_plain(std::span<std::byte> bytes, dtype type, rng& random) noexcept {
  const std::size_t size = size_of(type);
  for (std::size_t i = 0; i + size <= bytes.size(); i += size) {
    std::uint64_t bits = random.below(type == dtype::b8 ? 2 : 8);
    const float real = random.uniform(-1.0f, 1.0f);
    if (type == dtype::f32) bits = std::bit_cast<std::uint32_t>(real);
    if (type == dtype::f64) bits = std::bit_cast<std::uint64_t>(static_cast<double>(real));
    if (is_narrow_float(type)) bits = narrow(real, narrow_format_of(type));
    for (std::size_t b = 0; b < size; ++b) bytes[i + b] = static_cast<std::byte>(bits >> 8 * b);
  }
}

inline bool touches(const model& m, std::uint32_t program, std::uint32_t tensor, bool as_input) noexcept {
  for (const format::op_row& op : m.ops(m.programs()[program]))
    for (const std::uint32_t i : as_input ? m.inputs(op) : m.outputs(op))
      if (i == tensor) return true;
  return false;
}

}  // namespace detail

/// The digest of a program's outputs and states, tensor by tensor, after each of `runs` runs on fresh states, inputs
/// drawn from rng(seed), tensor by tensor in file order, before each run: (H, W, C) of u8 uniform, of f32 uniform in
/// [-1, 1), plain tensors as fill_plain(). The same on every machine.
inline sha256_digest run_digest(session& s, std::uint32_t program, std::uint64_t seed, std::uint32_t runs) noexcept {
  const model& m = s.source();
  rng random(seed);
  sha256 hash;
  s.reset();
  const auto count = static_cast<std::uint32_t>(m.tensors().size());
  for (std::uint32_t r = 0; r < runs; ++r) {
    for (std::uint32_t i = 0; i < count; ++i) {
      if (m.tensors()[i].kind != format::tensor_kind::input || !detail::touches(m, program, i, true)) continue;
      if (detail::is_plain_only(m.tensors()[i])) {
        detail::fill_plain(s.plain(i), ops::type_of(m.tensors()[i]), random);
        continue;
      }
      detail::each_pixel(s, i, [&]<class T>(std::span<T> row) {
        for (T& v : row)
          if constexpr (sizeof(T) == 1) v = static_cast<T>(random.u32() >> 24);
          else v = random.uniform(-1.0f, 1.0f);
      });
    }
    s.run(program);
    for (std::uint32_t i = 0; i < count; ++i) {
      const format::tensor_kind kind = m.tensors()[i].kind;
      if ((kind == format::tensor_kind::output && detail::touches(m, program, i, false)) ||
          (kind == format::tensor_kind::state && detail::touches(m, program, i, true))) {
        if (detail::is_plain_only(m.tensors()[i])) hash.update(s.plain(i));
        else detail::each_pixel(s, i, [&](auto row) { hash.update(std::as_bytes(row)); });
      }
    }
  }
  s.reset();
  return hash.finish();
}

/// Repeats the golden runs that the file stores. Errors: self_test_failed, with the entry's index: this machine, this
/// compiler or this memory does not compute what the model's author saw, and the model must not be armed.
inline result<void> self_test(session& s) noexcept {
  const auto tests = s.source().self_tests();
  for (std::size_t i = 0; i < tests.size(); ++i)
    if (run_digest(s, tests[i].program, tests[i].seed, tests[i].runs) != tests[i].hash)
      return failure{errc::self_test_failed,
                     "the model's golden result is not reproduced here: check compiler flags and memory, do not arm",
                     static_cast<std::int64_t>(i)};
  return {};
}

}  // namespace dsmm::inline DSMM_ABI
