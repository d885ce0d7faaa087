// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dnnl.hpp>
#include <unordered_map>

#include "contender.hpp"

/// oneDNN (Debian's libdnnl-dev), u8 x s8 -> u8 or f32; it may lay out all three tensors as it likes.
class onednn_layer {
public:
  using type = dnnl::memory::data_type;
  using tag = dnnl::memory::format_tag;

  onednn_layer(const problem& p, bool integers) : p_(p), integers_(integers) {
    using namespace dnnl;
    const memory::dim h = p.l.height, w = p.l.width, oh = p.l.output().h, ow = p.l.output().w, k = p.l.kernel;
    const memory::dims x{1, p.l.in, h, w}, y{1, p.l.out, oh, ow};
    const memory::dims weights =
        p.l.depthwise ? memory::dims{p.l.out, 1, 1, k, k} : memory::dims{p.l.out, p.l.in, k, k};
    const type from = integers ? type::u8 : type::f32, of = integers ? type::s8 : type::f32;
    primitive_attr attributes;
    if (integers) {
      attributes.set_output_scales(0, {p.scale});
      attributes.set_zero_points(DNNL_ARG_DST, 0, {p.zero});
    }
    const convolution_forward::desc d(
        prop_kind::forward_inference, algorithm::convolution_direct, {x, from, tag::any}, {weights, of, tag::any},
        {y, from, tag::any}, {p.l.stride, p.l.stride}, {p.pad(), p.pad()},
        {p.pad_after(p.l.height, p.l.output().h), p.pad_after(p.l.width, p.l.output().w)});
    const convolution_forward::primitive_desc made(d, attributes, engine_);
    primitive_ = convolution_forward(made);
    x_ = memory(made.src_desc(), engine_);
    y_ = memory(made.dst_desc(), engine_);
    w_ = memory(made.weights_desc(), engine_);
    fill(x_, x, tag::nhwc, p.x);
    fill(w_, weights, p.l.depthwise ? tag::goihw : tag::ohwi, p.w);
    result_ = memory({y, from, tag::nhwc}, engine_);
  }

  void run() {
    primitive_.execute(stream_, {{DNNL_ARG_SRC, x_}, {DNNL_ARG_WEIGHTS, w_}, {DNNL_ARG_DST, y_}});
    stream_.wait();
  }
  const void* output() {
    dnnl::reorder(y_, result_).execute(stream_, y_, result_);
    stream_.wait();
    return result_.get_data_handle();
  }

private:
  /// Bytes in a given order, as f32 where the primitive wants f32.
  template <class T>
  void fill(dnnl::memory& to, const dnnl::memory::dims& dims, tag order, const std::vector<T>& values) {
    std::vector<float> floats;
    void* data = const_cast<T*>(values.data());
    if (!integers_) floats.assign(values.begin(), values.end()), data = floats.data();
    const type of = !integers_ ? type::f32 : std::is_signed_v<T> ? type::s8 : type::u8;
    dnnl::memory plain({dims, of, order}, engine_, data);
    dnnl::reorder(plain, to).execute(stream_, plain, to);
    stream_.wait();
  }

  problem p_;
  bool integers_;
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::convolution_forward primitive_;
  dnnl::memory x_, w_, y_, result_;
};
