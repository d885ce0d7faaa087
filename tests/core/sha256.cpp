// SPDX-License-Identifier: Apache-2.0
#include "dsmm/core/sha256.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>
#include <vector>

#include "dsmm/core/rng.hpp"

namespace {

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }

std::string hex(const dsmm::sha256_digest& digest) {
  std::string out;
  for (const std::uint8_t b : digest) {
    out += "0123456789abcdef"[b >> 4];
    out += "0123456789abcdef"[b & 15];
  }
  return out;
}

}  // namespace

TEST_CASE("sha256 reproduces the published examples") {
  CHECK(hex(dsmm::sha256_of({})) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(hex(dsmm::sha256_of(bytes("abc"))) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(hex(dsmm::sha256_of(bytes("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"))) ==
        "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(hex(dsmm::sha256_of(bytes(std::string(1'000'000, 'a')))) ==
        "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST_CASE("sha256 does not depend on how the bytes arrive") {
  dsmm::rng random(1);
  std::vector<std::byte> data(1000);
  for (std::byte& b : data) b = static_cast<std::byte>(random.u32());
  for (std::size_t size = 0; size < 300; ++size) {
    const auto whole = dsmm::sha256_of({data.data(), size});
    dsmm::sha256 pieces;
    for (std::size_t at = 0; at < size;) {
      const std::size_t n = std::min<std::size_t>(random.below(90), size - at);
      pieces.update({data.data() + at, n});
      at += n;
    }
    REQUIRE(pieces.finish() == whole);
    REQUIRE(pieces.finish() == whole);  // asking does not change it
  }
}

#if DSMM_X86
TEST_CASE("the SHA instructions equal the generic rounds" * doctest::skip(!dsmm::sha256_impl::x86_sha::available())) {
  dsmm::rng random(2);
  for (int round = 0; round < 50; ++round) {
    std::vector<std::byte> data(64 * (1 + random.below(5)));
    for (std::byte& b : data) b = static_cast<std::byte>(random.u32());
    dsmm::sha256_impl::state a{}, b{};
    for (std::size_t i = 0; i < 8; ++i) a[i] = b[i] = random.u32();
    dsmm::sha256_impl::generic::fold(a, data.data(), data.size() / 64);
    dsmm::sha256_impl::x86_sha::fold(b, data.data(), data.size() / 64);
    REQUIRE(a == b);
  }
}
#endif
