// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/build/elementwise.hpp"
#include "dsmm/convert/build/reduce.hpp"
#include "dsmm/convert/build/shape.hpp"
#include "dsmm/convert/lower/classic.hpp"
#include "dsmm/convert/node_scope.hpp"

/// ai.onnx.ml: forests. All trees go down one level at a time, by tables that are indexed with the node each tree is
/// at; a leaf leads to itself, so that after as many steps as the deepest tree has levels every tree is at a leaf.
namespace dsmm::inline DSMM_ABI::convert {

namespace tree_ensemble_impl {

/// The nodes of all trees, numbered as the attributes have them.
struct forest {
  std::vector<std::int64_t> feature, yes, no, tracks, roots;
  std::vector<float> threshold;
  std::map<std::pair<std::int64_t, std::int64_t>, std::int64_t> place;  ///< of (tree, node)
  std::int64_t depth = 0;
  binary_fn test = binary_fn::less_equal;
};

inline bool read_test(node_scope& s, const std::vector<std::string_view>& modes, forest& f) {
  constexpr std::pair<std::string_view, binary_fn> tests[] = {{"BRANCH_LEQ", binary_fn::less_equal},
                                                              {"BRANCH_LT", binary_fn::less},
                                                              {"BRANCH_GTE", binary_fn::greater_equal},
                                                              {"BRANCH_GT", binary_fn::greater},
                                                              {"BRANCH_EQ", binary_fn::equal}};
  std::string_view found;
  for (const std::string_view m : modes) {
    if (m == "LEAF" || m == found) continue;
    const auto at = std::find_if(std::begin(tests), std::end(tests), [&](const auto& t) { return t.first == m; });
    if (at == std::end(tests) || !found.empty())
      return s.fail(errc::unsupported, "trees must have one kind of test in all nodes"), false;
    found = m;
    f.test = at->second;
  }
  return true;
}

/// Levels below each node, children first; a tree whose nodes do not end in leaves is refused.
inline bool measure(node_scope& s, forest& f) {
  std::vector<std::int64_t> level(f.yes.size(), -1);  // -1: not seen, -2: being measured
  std::vector<std::int64_t> open;
  for (const std::int64_t root : f.roots) {
    open.push_back(root);
    while (!open.empty()) {
      const auto i = static_cast<std::size_t>(open.back());
      const std::int64_t yes = f.yes[i], no = f.no[i];
      if (yes == open.back()) level[i] = 0;
      if (level[i] >= 0) {
        open.pop_back();
        continue;
      }
      const std::int64_t a = level[static_cast<std::size_t>(yes)], b = level[static_cast<std::size_t>(no)];
      if (a >= 0 && b >= 0) level[i] = 1 + std::max(a, b);
      else if (level[i] == -2 && (a == -2 || b == -2)) return s.fail(errc::bad_value, "a tree has a cycle"), false;
      else {
        level[i] = -2;
        if (b < 0) open.push_back(no);
        if (a < 0) open.push_back(yes);
      }
    }
    f.depth = std::max(f.depth, level[static_cast<std::size_t>(root)]);
  }
  return f.depth <= 256 || (s.fail(errc::too_large, "a tree is over 256 levels deep"), false);
}

inline bool read_forest(node_scope& s, forest& f) {
  const dim_list trees = s.integers("nodes_treeids"), ids = s.integers("nodes_nodeids"),
                 yes = s.integers("nodes_truenodeids"), no = s.integers("nodes_falsenodeids");
  f.feature = s.integers("nodes_featureids");
  f.tracks = s.integers("nodes_missing_value_tracks_true", dim_list(trees.size(), 0));
  const auto values = s.reals("nodes_values");
  f.threshold.assign(values.begin(), values.end());
  const onnx::attribute* modes = s.node.find("nodes_modes");
  const std::size_t n = trees.size();
  if (s.to.failed()) return false;
  if (n == 0 || n > (std::size_t{1} << 22) || modes == nullptr || modes->texts.size() != n || ids.size() != n ||
      yes.size() != n || no.size() != n || f.feature.size() != n || f.threshold.size() != n || f.tracks.size() != n)
    return s.fail(errc::unsupported, "the attributes of the nodes must be lists of one length, values as floats"),
           false;
  for (std::size_t i = 0; i < n; ++i) {
    const auto at = static_cast<std::int64_t>(i);
    if (!f.place.emplace(std::pair(trees[i], ids[i]), at).second)
      return s.fail(errc::bad_value, "a tree has two nodes of one number"), false;
    if (i == 0 || trees[i] != trees[i - 1]) f.roots.push_back(at);
  }
  for (std::size_t i = 0; i < n; ++i) {
    const bool leaf = modes->texts[i] == "LEAF";
    for (auto [from, to] : {std::pair(&yes, &f.yes), std::pair(&no, &f.no)}) {
      const auto at = f.place.find({trees[i], leaf ? ids[i] : (*from)[i]});
      if (at == f.place.end()) return s.fail(errc::bad_index, "a tree leads to a node that is not there"), false;
      to->push_back(at->second);
    }
    if (leaf) f.feature[i] = 0;
  }
  return read_test(s, modes->texts, f) && measure(s, f);
}

/// x (N, C) -> the leaf of each tree, (N, trees).
inline var leaves(node_scope& s, var x, const forest& f) {
  const std::int64_t rows = x.dim(0), trees = static_cast<std::int64_t>(f.roots.size());
  for (const std::int64_t c : f.feature)
    if (c < 0 || c >= x.dim(1)) return s.to.fail(errc::bad_index, "a tree asks for a feature that is not there");
  const var feature = s.to.integers(f.feature), yes = s.to.integers(f.yes), no = s.to.integers(f.no);
  const var threshold = vector_of(s.to, f.threshold);
  const bool tracks = std::any_of(f.tracks.begin(), f.tracks.end(), [](std::int64_t t) { return t != 0; });
  var at = expand(s.to.integers(f.roots), {rows, trees});
  for (std::int64_t level = 0; level < f.depth && !s.to.failed(); ++level) {
    const var value = s.to.emit(op_kind::nd_gather_elements, {x, gather(feature, at, 0)}, {1}, x.type(), {rows, trees});
    var goes = binary(f.test, value, gather(threshold, at, 0));
    if (tracks) {
      const var follows = cast(gather(s.to.integers(f.tracks), at, 0), dtype::b8);
      goes =
          binary(binary_fn::logical_or, goes, binary(binary_fn::logical_and, unary(unary_fn::is_nan, value), follows));
    }
    at = where(goes, gather(yes, at, 0), gather(no, at, 0));
  }
  return at;
}

/// What the leaves give: the weights of target or class `ids` in a table (nodes, scores), combined over the trees.
inline var combined(node_scope& s, var leaf, const forest& f, std::string_view kind, std::int64_t scores,
                    reduce_fn how) {
  const auto list = [&](const char* what) { return s.integers(std::string(kind) + what); };
  const dim_list trees = list("_treeids"), ids = list("_nodeids"), which = list("_ids");
  const auto weights = s.reals(std::string(kind) + "_weights");
  if (s.to.failed()) return leaf;
  if (weights.empty() || trees.size() != weights.size() || ids.size() != weights.size() ||
      which.size() != weights.size())
    return s.to.fail(errc::unsupported, "the attributes of the leaves must be lists of one length, weights as floats");
  if (static_cast<std::int64_t>(f.yes.size()) > format::max_extent / scores)
    return s.to.fail(errc::too_large, "the table of the leaves' weights is too large");
  std::vector<float> table(f.yes.size() * static_cast<std::size_t>(scores), 0.0f);
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const auto at = f.place.find({trees[i], ids[i]});
    if (at == f.place.end() || which[i] < 0 || which[i] >= scores)
      return s.to.fail(errc::bad_index, "a weight belongs to a node or score that is not there");
    table[static_cast<std::size_t>(at->second * scores + which[i])] += weights[i];
  }
  const var constant =
      s.to.constant(dtype::f32, {static_cast<std::int64_t>(f.yes.size()), scores}, std::span<const float>(table));
  var y = reduce(how, gather(constant, leaf, 0), {1}, false);  // (N, trees, scores) -> (N, scores)
  const auto base = s.reals("base_values");
  if (!base.empty()) y = y + vector_of(s.to, base);
  return y;
}

}  // namespace tree_ensemble_impl

inline void lower_tree_regressor(node_scope& s) {
  using namespace tree_ensemble_impl;
  const var x = feature_rows(s);
  const std::string_view how = s.text("aggregate_function", "SUM");
  const std::int64_t targets = s.integer("n_targets", 1);
  forest f;
  if (how != "SUM" && how != "AVERAGE" && how != "MIN" && how != "MAX")
    return s.fail(errc::bad_value, "attribute aggregate_function is unknown");
  if (targets < 1 || targets > format::max_extent) return s.fail(errc::bad_value, "attribute n_targets");
  if (!read_forest(s, f)) return;
  const reduce_fn fn = how == "SUM"       ? reduce_fn::sum
                       : how == "AVERAGE" ? reduce_fn::mean
                       : how == "MIN"     ? reduce_fn::min
                                          : reduce_fn::max;
  s.out[0] = post_transformed(s, combined(s, leaves(s, x, f), f, "target", targets, fn));
}

/// Labels and scores. One score for two labels speaks for the second one: against its complement if all weights are
/// probabilities, else against its negative.
inline void lower_tree_classifier(node_scope& s) {
  using namespace tree_ensemble_impl;
  const var x = feature_rows(s);
  const auto labels = static_cast<std::int64_t>(s.integers("classlabels_int64s").size());
  const dim_list ids = s.integers("class_ids");
  const auto weights = s.reals("class_weights");
  forest f;
  if (s.to.failed() || !read_forest(s, f)) return;
  if (labels < 2) return s.fail(errc::unsupported, "labels must be integers; export text labels as numbers");
  const bool single = labels == 2 && std::all_of(ids.begin(), ids.end(), [&](auto i) { return i == ids[0]; });
  var scores = combined(s, leaves(s, x, f), f, "class", labels, reduce_fn::sum);
  if (single && !s.to.failed()) {
    const bool positive = std::all_of(weights.begin(), weights.end(), [](float w) { return w >= 0; });
    const var one = slice(scores, 1, ids[0], 1);
    const var other = positive ? scalar(s.to, dtype::f32, 1) - one : unary(unary_fn::neg, one);
    scores = concat(s.to, std::vector<var>{other, one}, 1);
  }
  s.out[0] = labels_of(s, scores, "classlabels_int64s");
  if (s.wants(1) && !s.to.failed()) s.out[1] = post_transformed(s, scores);
}

inline constexpr lowering tree_ensemble_lowerings[] = {
    {classic, "TreeEnsembleClassifier", lower_tree_classifier},
    {classic, "TreeEnsembleRegressor", lower_tree_regressor},
};

}  // namespace dsmm::inline DSMM_ABI::convert
