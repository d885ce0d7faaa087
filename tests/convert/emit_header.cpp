// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/emit_header.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "tests/graph/sample_models.hpp"

namespace {

/// What a compiler makes of literals that stand side by side, by the rules of the language.
std::string read_literals(std::string_view text) {
  std::string out;
  bool inside = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '"') {
      inside = !inside;
    } else if (inside && text[i] == '\\') {
      ++i;
      if (text[i] < '0' || text[i] > '7') {
        out += text[i];
        continue;
      }
      int value = 0;
      for (int n = 0; n < 3 && text[i] >= '0' && text[i] <= '7'; ++n) value = value * 8 + (text[i++] - '0');
      --i;
      out += static_cast<char>(value);
    } else if (inside) {
      out += text[i];
    }
  }
  return out;
}

std::vector<std::byte> random_bytes(std::size_t n, std::uint32_t below, std::uint32_t first) {
  dsmm::rng random(n + below);
  std::vector<std::byte> out(n);
  for (auto& b : out) b = static_cast<std::byte>(first + random.below(below));
  return out;
}

}  // namespace

TEST_CASE("literals stand for their bytes, whatever follows an escape") {
  for (const std::uint32_t below : {2u, 64u, 256u}) {
    const auto bytes = random_bytes(20'000, below, 0);
    std::string text;
    dsmm::convert::append_literal(text, bytes);
    const std::string read = read_literals(text);
    REQUIRE(read.size() == bytes.size());
    CHECK(std::memcmp(read.data(), bytes.data(), bytes.size()) == 0);
    std::size_t longest = 0, start = 0;
    for (std::size_t end; (end = text.find('\n', start)) != std::string::npos; start = end + 1)
      longest = std::max(longest, end - start);
    CHECK(longest <= 120);
  }
  CHECK(dsmm::convert::quoted("a\"b\\c?\?=") == "\"a\\\"b\\\\c\\?\\?=\"");
  const std::byte digits[] = {std::byte{1}, std::byte{'7'}, std::byte{1}, std::byte{'8'}, std::byte{0}};
  std::string text;
  dsmm::convert::append_literal(text, digits);
  CHECK(text == "  \"\\0017\\18\\0\"");
}

TEST_CASE("parts are the bytes again, end in a zero, and none is longer than a literal may be") {
  const auto bytes = random_bytes(400'000, 256, 0);
  const auto parts = dsmm::convert::literal_parts(bytes);
  CHECK(parts.size() >= 7);
  const std::byte* at = bytes.data();
  for (std::size_t i = 0; i < parts.size(); ++i) {
    CHECK(parts[i].data() == at);
    CHECK(parts[i].size() <= dsmm::convert::max_literal);
    if (i + 1 != parts.size()) CHECK(parts[i].back() == std::byte{0});
    at += parts[i].size();
  }
  CHECK(at == bytes.data() + bytes.size());
  const auto dense = random_bytes(200'000, 255, 1);
  CHECK(dsmm::convert::literal_parts(dense).size() == 1);
  auto late = dense;
  late.back() = std::byte{0};
  CHECK(dsmm::convert::literal_parts(late).size() == 1);
  late[150'000] = std::byte{0};
  REQUIRE(dsmm::convert::literal_parts(late).size() == 2);
  CHECK(dsmm::convert::literal_parts(late)[0].size() == 150'001);
  CHECK(dsmm::convert::literal_parts({}).size() == 1);
}

TEST_CASE("identifiers are words of C++, each once") {
  dsmm::convert::identifiers words;
  CHECK(words.make("image") == "image");
  CHECK(words.make("image") == "image2");
  CHECK(words.make("class") == "class2");
  CHECK(words.make("run") == "run2");
  CHECK(words.make("/model.0/conv/Conv_output_0") == "model_0_conv_Conv_output_0");
  CHECK(words.make("3d") == "t3d");
  CHECK(words.make("\xE5\x83\x8F") == "tensor");
  CHECK(words.make("") == "tensor2");
  CHECK(words.make("__x__") == "x");
  for (const char* bad : {"", "1a", "_a", "a__b", "class", "a-b", "a::b", "std"})
    CHECK_FALSE(dsmm::convert::is_identifier(bad));
}

TEST_CASE("the same model gives the same header; a name that is none is refused") {
  const auto file = samples::picture_net().finish();
  REQUIRE(file);
  const auto model = dsmm::model::open(file->bytes());
  const auto one = dsmm::convert::emit_header(*model, {.name = "part"});
  const auto two = dsmm::convert::emit_header(*model, {.name = "part"});
  REQUIRE(one);
  CHECK(*one == *two);
  CHECK(dsmm::convert::emit_header(*model, {.name = "a b"}).error().code == dsmm::errc::invalid_argument);
}
