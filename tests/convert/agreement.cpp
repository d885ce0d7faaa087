// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/quantize/agreement.hpp"

#include <doctest/doctest.h>

#include <array>

using dsmm::convert::output_agreement;

TEST_CASE("agreement: what all classes share is no loss of logits, but of other outputs") {
  const std::array<float, 3> real{1, 2, 6}, shifted{2, 3, 7};
  output_agreement a;
  a.ranks = true;
  a.see(real, shifted);
  CHECK(a.noise_percent() == doctest::Approx(100.0 * 3 / 41));
  output_agreement b;
  b.ranks = b.logits = true;
  b.see(real, shifted);
  CHECK(b.noise_percent() == doctest::Approx(0.0));
  CHECK(b.sqnr_db() == a.sqnr_db());
  CHECK(b.same_top1 == 1);
}
