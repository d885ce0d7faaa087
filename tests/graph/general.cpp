// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <set>
#include <string>

#include "dsmm/core/thread_pool.hpp"
#include "dsmm/graph/self_test.hpp"
#include "dsmm/ops/nd/registry.hpp"
#include "tests/graph/sample_models.hpp"
#include "tests/model/general_model.hpp"

namespace {

std::string hex(const dsmm::sha256_digest& digest) {
  std::string text;
  for (std::size_t i = 0; i < 8; ++i) {
    text += "0123456789abcdef"[digest[i] >> 4];
    text += "0123456789abcdef"[digest[i] & 15];
  }
  return text;
}

std::string digest_of(const dsmm::session_options& options) {
  auto net = samples::load(general_model::writer(), options);
  REQUIRE_MESSAGE(net, net.error().text << " " << net.error().name << " " << net.error().where);
  return hex(dsmm::run_digest(net->session, 0, 17, 2));
}

}  // namespace

TEST_CASE("general operators: the model uses every one, and a session without them refuses it") {
  const auto file = general_model::writer().finish();
  REQUIRE_MESSAGE(file, file.error().text << " " << file.error().where);
  const auto m = dsmm::model::open(file->bytes());
  REQUIRE(m);
  std::set<std::uint32_t> kinds;
  for (const auto& op : m->ops()) kinds.insert(op.kind);
  CHECK(kinds.size() == std::size(dsmm::general_signatures));
  CHECK(dsmm::session::required(*m).error().code == dsmm::errc::unsupported);
}

TEST_CASE("golden: general operators give the same bits on every instruction set, thread count and architecture") {
  const std::string golden = "2d9911fb2001c34a";
  for (const auto& set : dsmm::isa_rows)
    if (set.here())
      CHECK_MESSAGE(digest_of({.exec = {}, .level = set.id, .general = &dsmm::ops::nd::find_definition}) == golden,
                    set.name);
  for (const std::uint32_t width : {2u, 3u, 8u}) {
    dsmm::thread_pool pool(width);
    CHECK(digest_of({.exec = pool.handle(), .level = {}, .general = &dsmm::ops::nd::find_definition}) == golden);
  }
}
