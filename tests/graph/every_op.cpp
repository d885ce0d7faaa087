// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <string>

#include "dsmm/core/thread_pool.hpp"
#include "dsmm/graph/self_test.hpp"
#include "tests/graph/sample_models.hpp"
#include "tests/inspect/sample_line.hpp"
#include "tests/model/every_op_model.hpp"

namespace {

std::string hex(const dsmm::sha256_digest& digest) {
  std::string text;
  for (std::size_t i = 0; i < 8; ++i) {
    text += "0123456789abcdef"[digest[i] >> 4];
    text += "0123456789abcdef"[digest[i] & 15];
  }
  return text;
}

std::string digest_of(const dsmm::model_writer& writer, std::uint32_t program, const dsmm::session_options& options) {
  auto net = samples::load(writer, options);
  REQUIRE_MESSAGE(net, net.error().text << " " << net.error().name);
  return hex(dsmm::run_digest(net->session, program, 17, 3));
}

}  // namespace

TEST_CASE("golden: the same bits on every instruction set, thread count, compiler and architecture") {
  struct row {
    const char* name;
    dsmm::model_writer writer;
    std::uint32_t program;
    std::string golden;
  };
  const row rows[] = {
      {"picture", samples::picture_net(53), 0, "3c0ba54aa504c38f"},
      {"line hop", samples::line_net(), 0, "ea8bc45c3b1c9b06"},
      {"line frame", samples::line_net(), 1, "3d4c21c9807b4635"},
      {"every op, frame", every_op::writer(), 0, "fd0df92030221339"},
      {"every op, hop", every_op::writer(), 1, "658c3fdf6abde580"},
      {"every op, enter", every_op::writer(), 2, "21f38fcbd644a590"},
  };
  for (const row& r : rows) {
    CAPTURE(r.name);
    CHECK(digest_of(r.writer, r.program, {.exec = {}, .level = dsmm::isa::generic}) == r.golden);
    for (const auto& set : dsmm::isa_rows)
      if (set.here())
        CHECK_MESSAGE(digest_of(r.writer, r.program, {.exec = {}, .level = set.id}) == r.golden, set.name);
    for (const std::uint32_t width : {2u, 3u, 8u}) {
      dsmm::thread_pool pool(width);
      CHECK(digest_of(r.writer, r.program, {.exec = pool.handle(), .level = {}}) == r.golden);
    }
  }
}
