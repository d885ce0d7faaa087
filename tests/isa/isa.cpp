// SPDX-License-Identifier: Apache-2.0
#include "dsmm/isa/isa.hpp"

#include <doctest/doctest.h>

#include <cstdlib>
#include <string_view>

#include "dsmm/isa/dispatch.hpp"

using namespace dsmm;

TEST_CASE("generic is everywhere, and a set contains the ones below it") {
  CHECK(has_isa(isa::generic));
  for (const isa_row& row : isa_rows) {
    CHECK(covers(row.id, row.id));
    CHECK(covers(row.id, isa::generic));
    CHECK(covers(row.id, row.below));
    if (row.id != isa::generic) CHECK_FALSE(covers(isa::generic, row.id));
    if (has_isa(row.id)) CHECK(has_isa(row.below));
  }
}

TEST_CASE("a set of another architecture is nobody's") {
  const isa foreign = DSMM_X86 ? isa::arm_neondot : isa::x86_avx512vnni;
  CHECK(row_of(foreign) == nullptr);
  CHECK_FALSE(has_isa(foreign));
  CHECK_FALSE(covers(best_isa(), foreign));
  CHECK(std::string_view(to_string(foreign)) == "foreign");
}

TEST_CASE("best_isa is on this machine, and nothing above it is") {
  const isa best = best_isa();
  CHECK(has_isa(best));
  for (const isa_row& row : isa_rows)
    if (row.id != best && covers(row.id, best)) CHECK_FALSE(has_isa(row.id));
}

TEST_CASE("names lead back to their sets; unknown and missing ones are failures that say which") {
  for (const isa_row& row : isa_rows) {
    const result<isa> found = find_isa(row.name);
    if (has_isa(row.id)) {
      REQUIRE(found);
      CHECK(*found == row.id);
    } else {
      CHECK(found.error().code == errc::unsupported);
      CHECK(std::string_view(found.error().name) == row.name);
    }
  }
  const result<isa> unknown = find_isa("x86_mmx");
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code == errc::not_found);
  CHECK(std::string_view(unknown.error().name) == "x86_mmx");
}

TEST_CASE("DSMM_ISA, if set, is what selected_isa says") {
  const char* const name = std::getenv("DSMM_ISA");
  const result<isa> selected = selected_isa();
  if (name == nullptr || *name == '\0') {
    REQUIRE(selected);
    CHECK(*selected == best_isa());
  } else if (const result<isa> named = find_isa(name)) {
    REQUIRE(selected);
    CHECK(*selected == *named);
  } else {
    CHECK(selected.error().code == named.error().code);
  }
}

namespace {

struct small {
  static constexpr isa required = isa::generic;
};
struct middle {
  static constexpr isa required = DSMM_X86 ? isa::x86_avx2 : isa::arm_neon;
};
struct large {
  static constexpr isa required = DSMM_X86 ? isa::x86_avx512vnni : isa::arm_neondot;
};

}  // namespace

TEST_CASE("a kernel list answers with the first variant that the level covers") {
  using variants = kernel_list<large, middle, small>;
  const auto chosen = [](isa level) {
    return variants::choose(level, []<class V>(std::type_identity<V>) { return V::required; });
  };
  if (DSMM_X86 || DSMM_ARM64) {
    CHECK(chosen(large::required) == large::required);
    CHECK(chosen(middle::required) == middle::required);
  }
  CHECK(chosen(isa::generic) == isa::generic);
  CHECK(kernel_list<large, small>::choose(middle::required,
                                          []<class V>(std::type_identity<V>) { return V::required; }) == isa::generic);
  int count = 0;
  variants::for_each([&count]<class V>(std::type_identity<V>) { ++count; });
  CHECK(count == 3);
}
