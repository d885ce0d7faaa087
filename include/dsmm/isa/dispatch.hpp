// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <tuple>
#include <type_traits>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/isa/isa.hpp"

namespace dsmm::inline DSMM_ABI {

/// The variants of a kernel family, best first, each a struct with `static constexpr isa required`. The last one needs
/// nothing, so that there always is an answer. Dispatch, tests and benches walk the same list.
template <class... Variants>
struct kernel_list {
  static constexpr std::size_t size = sizeof...(Variants);
  using last = std::tuple_element_t<size - 1, std::tuple<Variants...>>;
  static_assert(last::required == isa::generic, "a kernel list ends in the generic variant");

  /// f(std::type_identity<V>{}) for the first V that a machine with `level` runs.
  template <class F>
  static constexpr decltype(auto) choose(isa level, F&& f) {
    return choose_from<F, Variants...>(level, std::forward<F>(f));
  }

  /// f(std::type_identity<V>{}) for every V.
  template <class F>
  static constexpr void for_each(F&& f) {
    (f(std::type_identity<Variants>{}), ...);
  }

private:
  template <class F, class First, class... Rest>
  static constexpr decltype(auto) choose_from(isa level, F&& f) {
    if constexpr (sizeof...(Rest) == 0) {
      return f(std::type_identity<First>{});
    } else {
      if (covers(level, First::required)) return f(std::type_identity<First>{});
      return choose_from<F, Rest...>(level, std::forward<F>(f));
    }
  }
};

}  // namespace dsmm::inline DSMM_ABI
