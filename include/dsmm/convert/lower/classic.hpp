// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/matmul.hpp"
#include "dsmm/convert/build/reduce.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/lower/index.hpp"
#include "dsmm/convert/node_scope.hpp"

/// ai.onnx.ml: preprocessing and linear models, as scikit-learn's converter writes them around networks and alone.
namespace dsmm::inline DSMM_ABI::convert {

/// A list of floats as a constant vector.
inline var vector_of(builder& to, std::span<const float> values) {
  return to.constant(dtype::f32, {static_cast<std::int64_t>(values.size())}, values);
}

/// (N, scores) after attribute post_transform.
inline var post_transformed(node_scope& s, var scores) {
  const std::string_view how = s.text("post_transform", "NONE");
  if (how == "NONE") return scores;
  if (how == "LOGISTIC") return sigmoid(scores);
  if (how == "SOFTMAX") return softmax(softmax_fn::softmax, scores, 1);
  return s.to.fail(errc::unsupported, "attribute post_transform must be NONE, LOGISTIC or SOFTMAX");
}

/// The label of the largest score of each row; labels are integers.
inline var labels_of(node_scope& s, var scores, std::string_view attribute) {
  const dim_list labels = s.integers(attribute);
  if (s.to.failed()) return scores;
  if (static_cast<std::int64_t>(labels.size()) != scores.dim(1))
    return s.to.fail(errc::unsupported, "labels must be integers, one per score; export text labels as numbers");
  const var best = s.to.emit(op_kind::nd_arg, {scores}, {0, 1, 0, 0}, dtype::s64, {scores.dim(0)});
  return gather(s.to.integers(labels), best, 0);
}

/// The input as (N, C) of f32.
inline var feature_rows(node_scope& s) {
  const var x = s.in(0);
  if (s.to.failed()) return x;
  if (x.rank() < 1 || x.rank() > 2) return s.to.fail(errc::shape_mismatch, "features must be (N, C)");
  return cast(x.rank() == 2 ? x : unsqueeze(x, 0), dtype::f32);
}

/// Columns by index, constant or computed.
inline void lower_array_feature_extractor(node_scope& s) {
  var x = s.in(0);
  const var index = s.in(1);
  if (s.to.failed() || x.rank() < 1 || !check_indices(s, index, x.dim(x.rank() - 1))) return;
  if (x.rank() == 1) x = unsqueeze(x, 0);
  if (!s.to.failed()) s.out[0] = gather(x, s.to.reshape(index, {index.count()}), x.rank() - 1);
}

inline void lower_scaler(node_scope& s) {
  const auto offset = s.reals("offset"), scale = s.reals("scale");
  var x = cast(s.in(0), dtype::f32);
  if (!offset.empty()) x = x - vector_of(s.to, offset);
  s.out[0] = scale.empty() ? x : x * vector_of(s.to, scale);
}

/// Rows divided by their largest value, their sum or their length; rows of zeros stay.
inline void lower_normalizer(node_scope& s) {
  const var x = feature_rows(s);
  const std::string_view norm = s.text("norm", "MAX");
  if (norm != "MAX" && norm != "L1" && norm != "L2") s.fail(errc::bad_value, "Normalizer: attribute norm is unknown");
  if (s.to.failed()) return;
  var size = reduce(norm == "MAX" ? reduce_fn::max : norm == "L1" ? reduce_fn::l1 : reduce_fn::l2, x, {1}, true);
  const var zero = binary(binary_fn::equal, size, scalar(s.to, dtype::f32, 0));
  s.out[0] = x / where(zero, scalar(s.to, dtype::f32, 1), size);
}

inline void lower_binarizer(node_scope& s) {
  const var x = s.in(0);
  const auto threshold = static_cast<double>(s.real("threshold", 0.0f));
  s.out[0] = cast(binary(binary_fn::greater, x, scalar(s.to, x.type(), threshold)), x.type());
}

/// NaN, or another value, replaced column by column.
inline void lower_imputer(node_scope& s) {
  const var x = s.in(0);
  const auto values = s.reals("imputed_value_floats");
  const float replaced = s.real("replaced_value_float", 0.0f);
  if (s.to.failed()) return;
  if (values.empty() || x.type() != dtype::f32) return s.fail(errc::unsupported, "Imputer: only floats are supported");
  const var missing = std::isnan(replaced) ? unary(unary_fn::is_nan, x)
                                           : binary(binary_fn::equal, x, scalar(s.to, dtype::f32, replaced));
  s.out[0] = where(missing, vector_of(s.to, values), x);
}

/// x (N, C), coefficients (scores, C), intercepts (scores).
inline var linear_scores(node_scope& s) {
  const var x = feature_rows(s);
  const auto w = s.reals("coefficients"), b = s.reals("intercepts");
  if (s.to.failed()) return x;
  const std::int64_t columns = x.dim(1), rows = columns == 0 ? 0 : static_cast<std::int64_t>(w.size()) / columns;
  if (rows < 1 || rows * columns != static_cast<std::int64_t>(w.size()))
    return s.to.fail(errc::shape_mismatch, "attribute coefficients does not fit the features");
  const var y = matmul(x, s.to.constant(dtype::f32, {rows, columns}, w), {}, {false, true});
  return b.empty() ? y : y + vector_of(s.to, b);
}

inline void lower_linear_regressor(node_scope& s) { s.out[0] = post_transformed(s, linear_scores(s)); }

inline void lower_linear_classifier(node_scope& s) {
  const var scores = linear_scores(s);
  s.out[0] = labels_of(s, scores, "classlabels_ints");
  if (s.wants(1) && !s.to.failed()) s.out[1] = post_transformed(s, scores);
}

/// Similarity of each row to each support vector, (N, S).
inline var svm_kernel(node_scope& s, var x, var support) {
  const std::string_view kind = s.text("kernel_type", "LINEAR");
  const auto given = s.reals("kernel_params");
  const auto parameter = [&](std::size_t i, double otherwise) {
    return i < given.size() ? static_cast<double>(given[i]) : otherwise;
  };
  if (kind == "RBF") {
    const var apart = reduce(reduce_fn::sum_square, unsqueeze(x, 1) - support, {2}, false);
    return unary(unary_fn::exp, apart * -parameter(0, 0));
  }
  const var product = matmul(x, support, {}, {false, true});
  if (kind == "LINEAR") return product;
  const var scaled = product * parameter(0, 0) + parameter(1, 0);
  if (kind == "SIGMOID") return unary(unary_fn::tanh, scaled);
  if (kind == "POLY") return binary(binary_fn::pow, scaled, scalar(s.to, dtype::f32, parameter(2, 3)));
  return s.to.fail(errc::bad_value, "attribute kernel_type is unknown");
}

/// The sum over the support vectors, or over the features if there are none; its sign for a machine of one class.
inline void lower_svm_regressor(node_scope& s) {
  const var x = feature_rows(s);
  const auto w = s.reals("coefficients"), vectors = s.reals("support_vectors"), rho = s.reals("rho");
  const std::int64_t n = s.integer("n_supports", 0);
  if (s.text("post_transform", "NONE") != "NONE")
    return s.fail(errc::unsupported, "attribute post_transform must be NONE");
  if (s.to.failed()) return;
  const std::int64_t terms = n > 0 ? n : x.dim(1);
  if (rho.size() != 1 || static_cast<std::int64_t>(w.size()) != terms || n < 0 || n > format::max_extent ||
      static_cast<std::int64_t>(vectors.size()) != n * x.dim(1))
    return s.fail(errc::shape_mismatch, "the support vectors or coefficients do not fit the features");
  const var near = n == 0 ? x : svm_kernel(s, x, s.to.constant(dtype::f32, {n, x.dim(1)}, vectors));
  const var y = matmul(near, s.to.constant(dtype::f32, {terms, 1}, w)) + vector_of(s.to, rho);
  const auto number = [&](double v) { return scalar(s.to, dtype::f32, v); };
  s.out[0] = s.flag("one_class") ? where(binary(binary_fn::greater, y, number(0)), number(1), number(-1)) : y;
}

inline void lower_feature_vectorizer(node_scope& s) {
  std::vector<var> parts;
  for (std::size_t i = 0; i < s.inputs(); ++i) parts.push_back(cast(s.in(i), dtype::f32));
  for (const var& p : parts)
    if (p.rank() != 2) return s.fail(errc::shape_mismatch, "FeatureVectorizer: features must be (N, C)");
  if (!parts.empty()) s.out[0] = concat(s.to, parts, 1);
}

inline constexpr lowering classic_lowerings[] = {
    {classic, "ArrayFeatureExtractor", lower_array_feature_extractor},
    {classic, "Binarizer", lower_binarizer},
    {classic, "FeatureVectorizer", lower_feature_vectorizer},
    {classic, "Imputer", lower_imputer},
    {classic, "LinearClassifier", lower_linear_classifier},
    {classic, "LinearRegressor", lower_linear_regressor},
    {classic, "Normalizer", lower_normalizer},
    {classic, "SVMRegressor", lower_svm_regressor},
    {classic, "Scaler", lower_scaler},
};

}  // namespace dsmm::inline DSMM_ABI::convert
