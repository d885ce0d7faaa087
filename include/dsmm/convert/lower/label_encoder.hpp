// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/elementwise.hpp"
#include "dsmm/convert/build/reduce.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/lower/classic.hpp"
#include "dsmm/convert/lower/shape.hpp"
#include "dsmm/convert/node_scope.hpp"

/// ai.onnx.ml: numbers replaced by numbers.
namespace dsmm::inline DSMM_ABI::convert {

namespace label_encoder_impl {

/// Keys or values: the list of one of three attributes; nothing if they are texts.
inline var numbers(node_scope& s, bool keys) {
  if (const onnx::tensor* t = s.tensor(keys ? "keys_tensor" : "values_tensor"))
    return s.to.reshape(constant_of(s.to, *t), {count_of(t->dims)});
  const std::string_view whole = keys ? "keys_int64s" : "values_int64s", real = keys ? "keys_floats" : "values_floats";
  if (s.has_attribute(whole)) return s.to.integers(s.integers(whole));
  return s.has_attribute(real) ? vector_of(s.to, s.reals(real)) : var{};
}

inline var otherwise(node_scope& s, dtype type) {
  if (const onnx::tensor* t = s.tensor("default_tensor"); t != nullptr && count_of(t->dims) == 1)
    return cast(s.to.reshape(constant_of(s.to, *t), {}), type);
  if (is_float(type)) return scalar(s.to, type, static_cast<double>(s.real("default_float", -0.0f)));
  return scalar(s.to, type, static_cast<double>(s.integer("default_int64", -1)));
}

}  // namespace label_encoder_impl

inline void lower_label_encoder(node_scope& s) {
  using namespace label_encoder_impl;
  const var x = s.in(0), keys = numbers(s, true), values = numbers(s, false);
  if (s.to.failed()) return;
  if (!keys || !values) return s.fail(errc::unsupported, "LabelEncoder: only numbers are supported");
  if (keys.count() != values.count() || keys.count() < 1 || keys.type() != x.type())
    return s.fail(errc::shape_mismatch, "LabelEncoder: keys and values do not fit together, or keys the input");
  const var same = binary(binary_fn::equal, s.to.reshape(x, {x.count(), 1}), keys), hits = cast(same, dtype::f32);
  const var which = s.to.emit(op_kind::nd_arg, {hits}, {0, 1, 0, 0}, dtype::s64, {x.count()});
  const var found = cast(reduce(reduce_fn::max, hits, {1}, false), dtype::b8);
  s.out[0] = s.to.reshape(where(found, gather(values, which, 0), otherwise(s, values.type())), x.dims());
}

inline constexpr lowering label_encoder_lowerings[] = {{classic, "LabelEncoder", lower_label_encoder}};

}  // namespace dsmm::inline DSMM_ABI::convert
