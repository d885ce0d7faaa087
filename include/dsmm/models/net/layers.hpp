// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/model/op_kind.hpp"

/// The layers of a dsmm::net, and the graph that they make while the program is compiled.
namespace dsmm::inline DSMM_ABI {

namespace net_impl {

/// What does not fit together in a list of layers; a static_assert of dsmm::net names it.
enum class misfit : std::uint8_t { none, window, residual, relu, groups, after_f32 };

/// One op: its inputs as tensors (0 is the input of the net, k + 1 the output of op k).
struct node {
  op_kind kind{};
  std::array<std::int32_t, 2> from{-1, -1};
  extents in{}, out{};
  std::array<std::int32_t, 4> weights{};       ///< (out, kernel, kernel, in / groups); zeros if it has none
  std::array<std::int32_t, 10> attributes{};   ///< as in the model file
  std::size_t attribute_count = 0, relu_at = 0;
  bool has_relu = false;  ///< attribute relu_at says whether a ReLU follows
  bool f32 = false;

  constexpr std::size_t weight_count() const noexcept {
    std::size_t n = 1;
    for (const std::int32_t d : weights) n *= static_cast<std::size_t>(d);
    return n;
  }
};

template <std::size_t N>
struct graph {
  std::array<node, N> nodes{};
  std::size_t count = 0;
  extents shape{};       ///< of the newest tensor
  std::int32_t last = 0;  ///< its index
  misfit error = misfit::none;

  constexpr void fail(misfit m) noexcept {
    if (error == misfit::none) error = m;
  }
  constexpr void push(node n) noexcept {
    if (n.from[0] != 0 && nodes[static_cast<std::size_t>(n.from[0] - 1)].f32) fail(misfit::after_f32);
    nodes[count++] = n;
    shape = n.out;
    last = static_cast<std::int32_t>(count);
  }
};

/// Output extent of a window; fails if the input is smaller than the kernel.
template <std::size_t N>
constexpr extents slide(graph<N>& g, std::int32_t kernel, std::int32_t stride, std::int32_t pad, std::int32_t dilation,
                        std::int32_t channels) noexcept {
  const auto along = [&](std::int32_t n) { return (n + 2 * pad - (kernel - 1) * dilation - 1) / stride + 1; };
  const std::int32_t reach = (kernel - 1) * dilation + 1;
  if (kernel < 1 || stride < 1 || pad < 0 || dilation < 1 || channels < 1 || g.shape.h + 2 * pad < reach ||
      g.shape.w + 2 * pad < reach) {
    g.fail(misfit::window);
    return {1, 1, 1};
  }
  return {along(g.shape.h), along(g.shape.w), channels};
}

template <op_kind Kind, std::size_t N>
constexpr void add_pool(graph<N>& g, std::int32_t kernel, std::int32_t stride, std::int32_t pad) noexcept {
  node n{.kind = Kind, .from = {g.last, -1}, .in = g.shape};
  n.out = kernel == 0 ? extents{1, 1, g.shape.c} : slide(g, kernel, stride, pad, 1, g.shape.c);
  n.attributes = {kernel, kernel, stride, stride, pad, pad, pad, pad};
  n.attribute_count = 8;
  g.push(n);
}

}  // namespace net_impl

/// Input of a net: u8 (H, W, C).
template <std::int32_t H, std::int32_t W, std::int32_t C>
struct input {
  static constexpr extents shape{H, W, C};
};

/// Where a convolution looks, and what it gives.
struct conv_options {
  std::int32_t stride = 1;
  std::int32_t pad = -1;  ///< on every side; -1: keeps the extent at stride 1
  std::int32_t dilation = 1, groups = 1;
  bool f32 = false;  ///< gives f32 instead of u8
};

/// 2-D convolution with Out channels and a Kernel x Kernel window.
template <std::int32_t Out, std::int32_t Kernel, conv_options Form = conv_options{}>
struct conv {
  static constexpr std::size_t ops = 1;
  template <std::size_t N>
  static constexpr void add(net_impl::graph<N>& g) noexcept {
    const std::int32_t pad = Form.pad < 0 ? (Kernel - 1) * Form.dilation / 2 : Form.pad;
    net_impl::node n{.kind = op_kind::conv2d, .from = {g.last, -1}, .in = g.shape};
    n.out = net_impl::slide(g, Kernel, Form.stride, pad, Form.dilation, Out);
    if (Form.groups < 1 || g.shape.c % Form.groups != 0 || Out % Form.groups != 0) g.fail(net_impl::misfit::groups);
    else n.weights = {Out, Kernel, Kernel, g.shape.c / Form.groups};
    n.attributes = {Form.stride, Form.stride, pad, pad, pad, pad, Form.dilation, Form.dilation, Form.groups, 0};
    n.attribute_count = 10, n.relu_at = 9, n.has_relu = true, n.f32 = Form.f32;
    g.push(n);
  }
};

/// Fully connected layer on every pixel, or on the vector that a global pool leaves.
template <std::int32_t Out, bool F32 = false>
struct linear {
  static constexpr std::size_t ops = 1;
  template <std::size_t N>
  static constexpr void add(net_impl::graph<N>& g) noexcept {
    net_impl::node n{.kind = op_kind::linear, .from = {g.last, -1}, .in = g.shape};
    n.out = {g.shape.h, g.shape.w, Out};
    n.weights = {Out, 1, 1, g.shape.c};
    n.attribute_count = 1, n.relu_at = 0, n.has_relu = true, n.f32 = F32;
    g.push(n);
  }
};

template <std::int32_t Kernel, std::int32_t Stride = Kernel, std::int32_t Pad = 0>
struct max_pool {
  static constexpr std::size_t ops = 1;
  template <std::size_t N>
  static constexpr void add(net_impl::graph<N>& g) noexcept {
    net_impl::add_pool<op_kind::max_pool>(g, Kernel, Stride, Pad);
  }
};

template <std::int32_t Kernel, std::int32_t Stride = Kernel, std::int32_t Pad = 0>
struct avg_pool {
  static constexpr std::size_t ops = 1;
  template <std::size_t N>
  static constexpr void add(net_impl::graph<N>& g) noexcept {
    net_impl::add_pool<op_kind::avg_pool>(g, Kernel, Stride, Pad);
  }
};

/// Mean over all pixels: (H, W, C) -> (1, 1, C).
struct global_pool {
  static constexpr std::size_t ops = 1;
  template <std::size_t N>
  static constexpr void add(net_impl::graph<N>& g) noexcept {
    net_impl::add_pool<op_kind::avg_pool>(g, 0, 1, 0);
  }
};

/// Part of the layer before it, which must be a conv, linear or residual: costs nothing.
struct relu {
  static constexpr std::size_t ops = 0;
  template <std::size_t N>
  static constexpr void add(net_impl::graph<N>& g) noexcept {
    if (g.count == 0 || !g.nodes[g.count - 1].has_relu) return g.fail(net_impl::misfit::relu);
    net_impl::node& n = g.nodes[g.count - 1];
    n.attributes[n.relu_at] = 1;
  }
};

/// x + Layers(x); the layers must keep the shape.
template <class... Layers>
struct residual {
  static constexpr std::size_t ops = (Layers::ops + ... + 1);
  template <std::size_t N>
  static constexpr void add(net_impl::graph<N>& g) noexcept {
    const std::int32_t start = g.last;
    const extents shape = g.shape;
    (Layers::add(g), ...);
    if (g.shape != shape || g.last == start) g.fail(net_impl::misfit::residual);
    net_impl::node n{.kind = op_kind::add, .from = {start, g.last}, .in = shape, .out = shape};
    n.attribute_count = 1, n.relu_at = 0, n.has_relu = true;
    if (g.last != 0 && g.nodes[static_cast<std::size_t>(g.last - 1)].f32) g.fail(net_impl::misfit::after_f32);
    g.push(n);
  }
};

}  // namespace dsmm::inline DSMM_ABI
