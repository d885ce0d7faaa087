// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <string>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "dsmm/kernels/nd/functions.hpp"
#include "dsmm/model/writer.hpp"

/// A model of a few kilobytes that uses every general operator, each at least once, in several element types. Every
/// result is an output, so that a digest of the outputs covers it.
namespace general_model {

using dsmm::dtype;
using dsmm::op_kind;
using dims_list = std::vector<std::int32_t>;

inline std::int32_t bits(float value) { return std::bit_cast<std::int32_t>(value); }

class builder {
public:
  dsmm::model_writer w;

  void build() {
    w.program("main");
    x = input("x", dtype::f32, {2, 4, 6, 6});
    row = input("row", dtype::f32, {4, 6});
    index = input("index", dtype::s64, {3});
    flags = input("flags", dtype::b8, {4, 6});
    half = input("half", dtype::f16, {4, 6});
    wide = input("wide", dtype::f64, {4, 6});
    integers = input("integers", dtype::s32, {4, 6});
    bytes = input("bytes", dtype::u8, {4, 6});
    elementwise();
    moves();
    windows();
    along_axes();
    indexed();
    integer_products();
    w.meta("product", "every general operator");
  }

private:
  template <class Enum>
  static std::int32_t value(Enum e) {
    return static_cast<std::int32_t>(e);
  }
  std::uint32_t input(const char* name, dtype type, const dims_list& dims) {
    return w.plain(dsmm::format::tensor_kind::input, name, type, dims);
  }
  std::uint32_t output(dtype type, const dims_list& dims) {
    return w.plain(dsmm::format::tensor_kind::output, "y" + std::to_string(outputs++), type, dims);
  }
  std::uint32_t constant(dtype type, const dims_list& dims, float low = -1, float high = 1) {
    std::size_t n = 1;
    for (const std::int32_t d : dims) n *= static_cast<std::size_t>(d);
    std::vector<std::byte> data(n * dsmm::size_of(type));
    for (std::size_t i = 0; i < n; ++i) {
      const float real = random.uniform(low, high);
      const auto whole = static_cast<std::int64_t>(real);
      if (type == dtype::f32) std::memcpy(data.data() + 4 * i, &real, 4);
      else std::memcpy(data.data() + dsmm::size_of(type) * i, &whole, dsmm::size_of(type));
    }
    return w.constant("c", type, dims, data);
  }
  std::uint32_t op(op_kind kind, std::vector<std::uint32_t> in, dtype type, const dims_list& dims,
                   std::vector<std::int32_t> attributes) {
    const std::uint32_t y = output(type, dims);
    const std::uint32_t outs[] = {y};
    w.op(kind, "op", in, outs, attributes);
    return y;
  }

  void elementwise() {
    using enum dsmm::kernels::nd::unary_fn;
    for (std::int32_t f = 0; f < value(count); ++f) {
      const auto fn = static_cast<dsmm::kernels::nd::unary_fn>(f);
      if (fn == logical_not) op(op_kind::nd_unary, {flags}, dtype::b8, {4, 6}, {f, 0, 0});
      else if (fn == bitwise_not) op(op_kind::nd_unary, {integers}, dtype::s32, {4, 6}, {f, 0, 0});
      else {
        const bool asks = fn == is_nan || fn == is_inf;
        op(op_kind::nd_unary, {row}, asks ? dtype::b8 : dtype::f32, {4, 6}, {f, bits(0.5f), bits(1.5f)});
        if (f % 4 == 0) op(op_kind::nd_unary, {half}, asks ? dtype::b8 : dtype::f16, {4, 6}, {f, bits(0.5f), bits(1)});
        if (f % 4 == 1) op(op_kind::nd_unary, {wide}, asks ? dtype::b8 : dtype::f64, {4, 6}, {f, bits(0.5f), bits(1)});
      }
    }
    const auto part = constant(dtype::f32, {6}), number = constant(dtype::s32, {4, 1}, 1, 5);
    for (std::int32_t f = 0; f < 23; ++f) {
      const bool asks = f >= 9 && f <= 13;
      if (f >= 14 && f <= 16) op(op_kind::nd_binary, {flags, flags}, dtype::b8, {4, 6}, {f});
      else op(op_kind::nd_binary, {integers, number}, asks ? dtype::b8 : dtype::s32, {4, 6}, {f});
      if (f < 14 || f == 22) op(op_kind::nd_binary, {row, part}, asks ? dtype::b8 : dtype::f32, {4, 6}, {f});
    }
    op(op_kind::nd_where, {flags, row, part}, dtype::f32, {4, 6}, {});
    for (std::uint8_t t = 1; t <= dsmm::dtype_count; ++t)
      if (const auto type = static_cast<dtype>(t); type != dtype::i4s) {
        const std::uint32_t y = op(op_kind::nd_cast, {row}, type, {4, 6}, {1});
        op(op_kind::nd_cast, {y}, dtype::f64, {4, 6}, {0});
      }
  }

  void moves() {
    op(op_kind::nd_copy, {x}, dtype::f32, {6, 2, 4, 6}, {0, 1, 144, 36, 6, 0, 0});
    op(op_kind::nd_copy, {half}, dtype::f16, {2, 3}, {23, -6, -2, 0, 0, 0, 0});
    for (std::int32_t mode = 0; mode < 4; ++mode)
      op(op_kind::nd_pad, {row, constant(dtype::f32, {1})}, dtype::f32, {7, 8}, {mode, 1, 3, 0, 0, 0, 0});
    op(op_kind::nd_concat, {row, row, constant(dtype::f32, {4, 2})}, dtype::f32, {4, 14}, {1});
    op(op_kind::nd_trilu, {row}, dtype::f32, {4, 6}, {1, 1});
    for (std::int32_t mode = 0; mode < 3; ++mode)
      op(op_kind::nd_resize, {x}, dtype::f32, {2, 4, 9, 4}, {mode,    mode,       0, bits(-0.75f),
                                                             0,       mode == 1,  0, bits(1),
                                                             bits(1), bits(1.5f), 0, 0,
                                                             0,       0,          0, 0,
                                                             0,       0,          0, 0,
                                                             0,       0,          0, 0,
                                                             0});
  }

  void windows() {
    const auto weights = constant(dtype::f32, {5, 4, 3, 3}), bias = constant(dtype::f32, {5});
    op(op_kind::nd_conv, {x, weights, bias}, dtype::f32, {2, 5, 6, 6},
       {1, 2, 1, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0});
    op(op_kind::nd_conv, {x, constant(dtype::f32, {4, 1, 3, 3})}, dtype::f32, {2, 4, 3, 3},
       {4, 2, 0, 0, 0, 2, 2, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0});
    op(op_kind::nd_conv_transpose, {x, constant(dtype::f32, {4, 3, 2, 2})}, dtype::f32, {2, 3, 12, 12},
       {1, 2, 0, 0, 0, 2, 2, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    for (std::int32_t f = 1; f < 3; ++f)
      op(op_kind::nd_pool, {x}, dtype::f32, {2, 4, 3, 3},
         {f, 2, 2, 0, 1, 0, 3, 3, 1, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0});
    const auto best = output(dtype::f32, {2, 4, 3, 3}), where = output(dtype::s64, {2, 4, 3, 3});
    w.op(op_kind::nd_pool, "max", {x}, {best, where}, {0, 2, 1, 0, 1, 0, 3, 3, 1, 2, 2, 1, 1, 1, 1, 1, 1, 0, 0, 0, 0});
    const auto one = bits(1);
    op(op_kind::nd_matmul, {x, constant(dtype::f32, {6, 7}), constant(dtype::f32, {7})}, dtype::f32, {2, 4, 6, 7},
       {0, 0, one, one, 16, 0, 0});
    op(op_kind::nd_matmul, {integers, integers}, dtype::s32, {4, 4}, {0, 1, one, one, 0, 0, 0});
    op(op_kind::nd_matmul, {half, half}, dtype::f16, {6, 6}, {1, 0, one, one, 0, 0, 0});
    const auto series = constant(dtype::f32, {3, 2, 4});
    for (std::int32_t kind = 0; kind < 3; ++kind) {
      const std::int32_t gates = kind == 0 ? 4 : kind == 1 ? 3 : 1;
      const auto y = output(dtype::f32, {3, 2, 2, 5}), last = output(dtype::f32, {2, 2, 5});
      w.op(op_kind::nd_rnn, "rnn",
           {series, constant(dtype::f32, {2, gates * 5, 4}), constant(dtype::f32, {2, gates * 5, 5})}, {y, last},
           {kind, 2, 5, 1, 0, 0, 8, 11, 11, 8, 11, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
    }
    op(op_kind::nd_grid_sample, {x, constant(dtype::f32, {2, 3, 5, 2}, -1.5f, 1.5f)}, dtype::f32, {2, 4, 3, 5},
       {2, 2, 0});
    op(op_kind::nd_roi_align, {x, constant(dtype::f32, {3, 4}, 0, 6), index}, dtype::f32, {3, 4, 2, 2}, {0, 1, 2, one});
  }

  void along_axes() {
    for (std::int32_t f = 0; f < 10; ++f) op(op_kind::nd_reduce, {x}, dtype::f32, {2, 1, 6, 1}, {f, 0b1010, 1});
    for (const std::int32_t f : {0, 1, 2, 3, 4, 5, 7}) op(op_kind::nd_reduce, {integers}, dtype::s32, {6}, {f, 1, 0});
    op(op_kind::nd_arg, {x}, dtype::s64, {2, 6, 6}, {0, 1, 0, 1});
    for (std::int32_t f = 0; f < 3; ++f) {
      op(op_kind::nd_softmax, {x}, dtype::f32, {2, 4, 6, 6}, {f, 1});
      op(op_kind::nd_softmax, {wide}, dtype::f64, {4, 6}, {f, 1});
    }
    const auto y = output(dtype::f32, {2, 4, 6, 6}), mean = output(dtype::f32, {2, 4, 1, 1}),
               inverse = output(dtype::f32, {2, 4, 1, 1});
    w.op(op_kind::nd_layer_norm, "norm", {x, constant(dtype::f32, {6}), constant(dtype::f32, {6, 1})},
         {y, mean, inverse}, {2, bits(1e-5f), 0});
    op(op_kind::nd_group_norm, {x, constant(dtype::f32, {4}), constant(dtype::f32, {2})}, dtype::f32, {2, 4, 6, 6},
       {2, bits(1e-5f)});
    op(op_kind::nd_lp_norm, {x}, dtype::f32, {2, 4, 6, 6}, {1, 2});
    op(op_kind::nd_lrn, {x}, dtype::f32, {2, 4, 6, 6}, {3, bits(1e-4f), bits(0.75f), bits(1)});
    op(op_kind::nd_cumsum, {x}, dtype::f32, {2, 4, 6, 6}, {2, 1, 1});
    const auto values = output(dtype::f32, {2, 4, 3, 6}), places = output(dtype::s64, {2, 4, 3, 6});
    w.op(op_kind::nd_topk, "top", {x}, {values, places}, {2, 1, 1});
  }

  void indexed() {
    op(op_kind::nd_gather, {row, index}, dtype::f32, {4, 3}, {1});
    op(op_kind::nd_gather_elements, {row, constant(dtype::s64, {2, 6}, -4, 4)}, dtype::f32, {2, 6}, {0});
    op(op_kind::nd_gather_nd, {x, constant(dtype::s32, {2, 3, 2}, -4, 4)}, dtype::f32, {2, 3, 6}, {1});
    op(op_kind::nd_scatter_elements, {row, constant(dtype::s64, {2, 6}, -9, 9), constant(dtype::f32, {2, 6})},
       dtype::f32, {4, 6}, {0, 1});
    const auto positions = output(dtype::s64, {3, 1});
    w.op(op_kind::nd_copy, "column", std::vector<std::uint32_t>{index}, std::vector<std::uint32_t>{positions},
         std::vector<std::int32_t>{0, 1, 0, 0, 0, 0, 0});
    op(op_kind::nd_scatter_nd, {half, positions, constant(dtype::f16, {3, 6}, 0, 9)}, dtype::f16, {4, 6}, {2});
    const auto found = output(dtype::s64, {2, 24}), length = output(dtype::s64, {});
    w.op(op_kind::nd_nonzero, "nonzero", {flags}, {found, length});
    const auto kept = output(dtype::s64, {6, 3}), boxes = output(dtype::s64, {});
    w.op(op_kind::nd_nms, "nms", {constant(dtype::f32, {1, 5, 4}, 0, 4), constant(dtype::f32, {1, 2, 5}, 0, 1)},
         {kept, boxes}, {0, 3, bits(0.5f), bits(0.1f)});
    op(op_kind::nd_one_hot, {index, constant(dtype::f32, {2})}, dtype::f32, {5, 3}, {0});
  }

  void integer_products() {
    const auto scale = constant(dtype::f32, {4}, 0.01f, 0.1f), zero = constant(dtype::s8, {4}, -9, 9);
    const auto q = op(op_kind::nd_quantize, {row, scale, zero}, dtype::s8, {4, 6}, {0, 0, 0});
    op(op_kind::nd_dequantize, {q, constant(dtype::f32, {2, 6}, 0.1f, 1)}, dtype::f32, {4, 6}, {0, 2});
    const auto y = output(dtype::u8, {4, 6}), s = output(dtype::f32, {}), z = output(dtype::u8, {});
    w.op(op_kind::nd_dynamic_quantize, "dynamic", {row}, {y, s, z});
    op(op_kind::nd_matmul_integer, {bytes, constant(dtype::s8, {6, 3}, -100, 100), constant(dtype::u8, {}, 0, 9)},
       dtype::s32, {4, 3}, {});
    op(op_kind::nd_conv_integer,
       {constant(dtype::u8, {1, 2, 5, 5}, 0, 255), constant(dtype::s8, {3, 2, 3, 3}, -100, 100)}, dtype::s32,
       {1, 3, 5, 5}, {1, 2, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 0, 1, 1, 0});
    op(op_kind::nd_matmul_nbits,
       {constant(dtype::f32, {2, 40}), constant(dtype::u8, {3, 3, 8}, 0, 255), constant(dtype::f32, {3, 3})},
       dtype::f32, {2, 3}, {40, 3, 4, 16});
  }

  dsmm::rng random{7};
  std::uint32_t x = 0, row = 0, index = 0, flags = 0, half = 0, wide = 0, integers = 0, bytes = 0;
  int outputs = 0;
};

inline dsmm::model_writer writer() {
  builder b;
  b.build();
  return b.w;
}

}  // namespace general_model
