// SPDX-License-Identifier: Apache-2.0
#include "dsmm/graph/elastic_session.hpp"

#include <doctest/doctest.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/core/thread_pool.hpp"
#include "dsmm/graph/self_test.hpp"
#include "dsmm/ops/nd/registry.hpp"
#include "tests/model/nested_model.hpp"

namespace {

struct prepared {
  dsmm::file_bytes file, memory;
  dsmm::elastic_session levels;
};

dsmm::result<prepared> prepare(dsmm::result<dsmm::file_bytes> file, const dsmm::session_options& options) {
  if (!file) return file.error();
  const auto m = dsmm::model::open(std::as_const(*file).bytes());
  const auto bytes = dsmm::elastic_session::required(*m, options);
  if (!bytes) return bytes.error();
  auto memory = dsmm::file_bytes::allocate(*bytes);
  std::memset(memory->bytes().data(), 0xA5, *bytes);
  auto s = dsmm::elastic_session::prepare(*m, memory->bytes(), options);
  if (!s) return s.error();
  return prepared{std::move(*file), std::move(*memory), std::move(*s)};
}

/// The digest of a stand-alone file.
dsmm::sha256_digest digest_of(const dsmm::model_writer& writer, std::uint32_t program,
                              const dsmm::session_options& options) {
  const auto file = writer.finish();
  const auto m = *dsmm::model::open(file->bytes());
  auto memory = dsmm::file_bytes::allocate(*dsmm::session::required(m, options));
  auto s = dsmm::session::prepare(m, memory->bytes(), options);
  return dsmm::run_digest(*s, program, 5, 9);
}

}  // namespace

TEST_CASE("every level gives the bits of the model alone, on every instruction set, frame and stream") {
  const std::int32_t widths[] = {32, 16, 8};
  const dsmm::isa best = *dsmm::selected_isa();
  for (const auto& row : dsmm::isa_rows) {
    if (!dsmm::covers(best, row.id)) continue;
    const dsmm::session_options options{{}, row.id};
    auto p = prepare(nested_model::line_file(), options);
    REQUIRE_MESSAGE(p, std::string(p ? "" : p.error().text));
    REQUIRE(p->levels.levels() == 3);
    for (int round = 0; round < 2; ++round)  // again, after the others have used the same memory
      for (std::uint32_t k = 0; k < 3; ++k)
        for (std::uint32_t program = 0; program < 2; ++program)
          CHECK(dsmm::run_digest(p->levels.at(k), program, 5, 9) ==
                digest_of(nested_model::line(widths[k]), program, {}));
  }
}

TEST_CASE("corrected levels run like the files that they come from") {
  const dsmm::session_options options{{}, {}, &dsmm::ops::nd::find_definition};
  auto p = prepare(nested_model::dense_file(), options);
  REQUIRE_MESSAGE(p, std::string(p ? "" : p.error().text));
  REQUIRE(p->levels.levels() == 3);
  CHECK(p->levels.share(1) == 0.4f);
  CHECK(dsmm::run_digest(p->levels.at(2), 0, 5, 9) == digest_of(nested_model::dense({2, 5, 9}), 0, options));
}

TEST_CASE("levels take turns frame by frame while the stream goes on in all of them") {
  dsmm::thread_pool pool(2);
  auto p = prepare(nested_model::line_file(), {pool.handle(), {}});
  REQUIRE(p);
  const std::uint32_t frame = 0, hop = 1;
  const auto fill = [](dsmm::session& s, const char* name, std::uint64_t seed) {
    dsmm::rng random(seed);
    dsmm::detail::each_pixel(s, *s.find(name), [&]<class T>(std::span<T> row) {
      for (T& v : row) v = static_cast<T>(random.below(256));
    });
  };
  const auto scores = [](const dsmm::session& s, const char* name) {
    const auto view = s.f32(*s.find(name));
    return std::vector<float>(view.data, view.data + view.shape.c);
  };
  for (std::uint32_t k = 0; k < 3; ++k) {  // what each level gives when it is the only one that runs
    p->levels.reset();
    std::vector<std::vector<float>> alone;
    for (std::uint64_t t = 0; t < 6; ++t) {
      fill(p->levels.at(k), "image", t), fill(p->levels.at(k), "sample", 100 + t);
      p->levels.run(k, hop), p->levels.run(k, frame);
      alone.push_back(scores(p->levels.at(k), "score"));
      alone.push_back(scores(p->levels.at(k), "felt"));
    }
    p->levels.reset();
    for (std::uint64_t t = 0; t < 6; ++t) {  // and when frames go to one after the other
      for (std::uint32_t j = 0; j < 3; ++j) fill(p->levels.at(j), "image", t), fill(p->levels.at(j), "sample", 100 + t);
      p->levels.run_all(hop);
      for (std::uint32_t j = 0; j < 3; ++j) p->levels.run((static_cast<std::uint32_t>(t) + j) % 3, frame);
      CHECK(scores(p->levels.at(k), "score") == alone[2 * t]);
      CHECK(scores(p->levels.at(k), "felt") == alone[2 * t + 1]);
    }
  }
}

TEST_CASE("levels share the memory of a run, and prepare needs what required() says") {
  const auto file = nested_model::line_file();
  const auto m = *dsmm::model::open(file->bytes());
  const std::size_t bytes = *dsmm::elastic_session::required(m);
  std::size_t apart = *dsmm::session::required(m);
  for (std::uint32_t k = 1; k < 3; ++k) {
    const auto level = dsmm::extract_level(m, k);
    apart += (*level)->file().size() + *dsmm::session::required(**level);
  }
  CHECK(bytes < apart);
  auto memory = dsmm::file_bytes::allocate(bytes);
  CHECK(dsmm::elastic_session::prepare(m, memory->bytes()));
  CHECK(dsmm::elastic_session::prepare(m, memory->bytes().first(bytes - 64)).error().code ==
        dsmm::errc::arena_too_small);
  CHECK(dsmm::elastic_session::prepare(m, memory->bytes().subspan(8)).error().code != dsmm::errc::ok);
}
