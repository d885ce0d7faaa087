// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/checked.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/kernels/nd/cast.hpp"
#include "dsmm/kernels/nd/view.hpp"
#include "dsmm/ops/op.hpp"

/// From a general kernel to an operator of the registry.
namespace dsmm::inline DSMM_ABI::ops::nd {

using kernels::nd::call;
using kernels::nd::view;

inline constexpr std::size_t scratch_alignment = 64;

inline view view_of(const format::tensor_row& t, std::byte* data) noexcept {
  view v;
  v.data = data;
  v.type = type_of(t);
  v.rank = t.rank;
  std::copy(t.dims.begin(), t.dims.end(), v.dims.begin());
  return v;
}

/// The call that an op of a verified model stands for. Without a binding its tensors have shapes but no memory: `data`
/// then only says which inputs are there.
inline call call_of(const op_view& op, const op_binding* bind, isa level) noexcept {
  alignas(64) static std::byte nowhere[1];
  call c;
  c.level = level;
  c.inputs = op.inputs();
  c.outputs = op.outputs();
  for (std::uint32_t i = 0; i < c.inputs; ++i)
    if (op.has_input(i)) c.in[i] = view_of(op.input(i), bind != nullptr ? bind->input[i].data : nowhere);
  for (std::uint32_t k = 0; k < c.outputs; ++k)
    c.out[k] = view_of(op.output(k), bind == nullptr ? nowhere : k == 0 ? bind->output.data : bind->more[k - 1].data);
  c.attributes = op.source().attributes().data() + op.first_attribute();
  return c;
}

/// How a kernel becomes an operator. Kernels compute in f32, f64 and integers; tensors of narrower floats are widened
/// into scratch before and rounded once after, unless the kernel only moves elements or looks after them itself.
struct general_kernel {
  op_kind kind{};
  void (*run)(const call&) noexcept = nullptr;
  std::size_t (*scratch)(const call&) noexcept = nullptr;
  bool widens = true;
  /// Bytes that pack() fills once, at prepare, from constant inputs; 0 if it can pack nothing. It sees types as stored.
  std::size_t (*packed_bytes)(const call&) noexcept = nullptr;
  void (*pack)(const call&, std::byte*) noexcept = nullptr;
  std::size_t (*pack_scratch)(const call&) noexcept = nullptr;  ///< bytes of scratch that pack() needs
  std::uint32_t packed_inputs = 0b10;                           ///< those that must be constant, where they are there
};

/// The kernel of a general kind, or nullptr: the table of ops/nd/definitions.hpp.
inline const general_kernel* find_kernel(std::uint32_t kind) noexcept;

/// One class for all kinds: what differs is in the row of its kernel.
struct general_op {
  static constexpr op_kind kind = op_kind::nd_unary;  // define() wants one; the registry puts the right one in

  struct prepared {
    const general_kernel* kernel = nullptr;
    call c;
    std::array<view, 16> in;  ///< as they lie in memory, where c.in is their widened copy
    std::array<view, 3> out;
    std::size_t kernel_scratch = 0;  ///< offset behind the widened copies
    bool widened = false;
  };

  static result<op_request> request(const op_view& op, isa level) noexcept {
    const general_kernel& kernel = *find_kernel(op.kind());
    call c = call_of(op, nullptr, level);
    op_request r;
    if (packs(kernel, op)) r.prepared_bytes = kernel.packed_bytes(c);
    if (r.prepared_bytes != 0) {
      c.packed = c.out[0].data;  // not null: scratch need not hold what is packed
      if (kernel.pack_scratch != nullptr) r.temporary_bytes = kernel.pack_scratch(c);
    }
    std::size_t at = 0;
    if (kernel.widens) {
      for (std::uint32_t i = 0; i < c.inputs; ++i) at += widened_bytes(c.in[i]);
      for (std::uint32_t k = 0; k < c.outputs; ++k) at += widened_bytes(c.out[k]);
      widen_types(c);
    }
    r.scratch_bytes = at + (kernel.scratch != nullptr ? kernel.scratch(c) : 0);
    return r;
  }

  static result<void> prepare(const op_view& op, const op_binding& bind, prepared& p,
                              std::span<std::byte> memory) noexcept {
    const general_kernel& kernel = *find_kernel(op.kind());
    p.kernel = &kernel;
    p.c = call_of(op, &bind, bind.level);
    p.in = p.c.in;
    p.out = p.c.out;
    if (packs(kernel, op) && !memory.empty()) {
      p.c.scratch = bind.temporary.data();
      kernel.pack(p.c, memory.data());
      p.c.packed = memory.data();
    }
    if (kernel.widens) {
      for (std::uint32_t i = 0; i < p.c.inputs; ++i) p.kernel_scratch += widened_bytes(p.c.in[i]);
      for (std::uint32_t k = 0; k < p.c.outputs; ++k) p.kernel_scratch += widened_bytes(p.c.out[k]);
      widen_types(p.c);
    }
    p.widened = p.kernel_scratch != 0;
    return {};
  }

  static void run(const prepared& p, const run_context& context) noexcept {
    call c = p.c;
    c.exec = context.exec;
    c.scratch = context.scratch + p.kernel_scratch;
    if (!p.widened) return p.kernel->run(c);
    std::byte* at = context.scratch;
    for (std::uint32_t i = 0; i < c.inputs; ++i) {
      if (widened_bytes(p.in[i]) == 0) continue;
      c.in[i].data = at;
      at += widened_bytes(p.in[i]);
      kernels::nd::for_runs(c.exec, p.in[i].count(), kernels::nd::element_grain,
                            [&](std::int64_t begin, std::int64_t end) {
                              kernels::nd::widen_all(p.in[i], c.in[i].as<float>(), begin, end);
                            });
    }
    for (std::uint32_t k = 0; k < c.outputs; ++k) {
      if (widened_bytes(p.out[k]) == 0) continue;
      c.out[k].data = at;
      at += widened_bytes(p.out[k]);
    }
    p.kernel->run(c);
    for (std::uint32_t k = 0; k < c.outputs; ++k) {
      if (widened_bytes(p.out[k]) == 0) continue;
      kernels::nd::for_runs(c.exec, p.out[k].count(), kernels::nd::element_grain,
                            [&](std::int64_t begin, std::int64_t end) {
                              kernels::nd::narrow_all(c.out[k].as<const float>(), p.out[k], begin, end, false);
                            });
    }
  }

private:
  /// Of the f32 copy of a narrow tensor; 0 for every other one.
  static std::size_t widened_bytes(const view& v) noexcept {
    if (!v || !is_narrow_float(v.type)) return 0;
    return round_up(static_cast<std::size_t>(v.count()) * sizeof(float) + 1, scratch_alignment);
  }
  static void widen_types(call& c) noexcept {
    for (view& v : c.in)
      if (is_narrow_float(v.type)) v.type = dtype::f32;
    for (view& v : c.out)
      if (is_narrow_float(v.type)) v.type = dtype::f32;
  }
  static bool packs(const general_kernel& kernel, const op_view& op) noexcept {
    if (kernel.pack == nullptr) return false;
    for (std::uint32_t i = 0; i < op.inputs(); ++i)
      if ((kernel.packed_inputs >> i & 1) != 0 && op.has_input(i) && op.input(i).kind != format::tensor_kind::constant)
        return false;
    return true;
  }
};

}  // namespace dsmm::inline DSMM_ABI::ops::nd

#include "dsmm/ops/nd/definitions.hpp"  // find_kernel; last, because its rows are made of what stands here
