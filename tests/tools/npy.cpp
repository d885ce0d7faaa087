// SPDX-License-Identifier: Apache-2.0
#include "tools/npy.hpp"

#include <doctest/doctest.h>

#include <string>

using dsmm::errc;
using dsmm::tools::npy_type;

namespace {

std::span<const std::byte> bytes(const std::string& s) { return std::as_bytes(std::span(s)); }

/// A version 1 file with this dictionary and `data` zero bytes.
std::string file(const std::string& dictionary, std::size_t data) {
  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(dictionary.size() & 0xFF);
  out += static_cast<char>(dictionary.size() >> 8);
  return out + dictionary + std::string(data, '\0');
}
errc code(const std::string& f) {
  const auto r = dsmm::tools::parse_npy(bytes(f));
  return r ? errc::ok : r.error().code;
}

}  // namespace

TEST_CASE("npy arrays come back as they were written") {
  const std::vector<float> values{1, 2, 3, 4, 5, 6};
  for (const std::vector<std::int64_t>& shape : {std::vector<std::int64_t>{6}, {2, 3}, {1, 6, 1}, {6, 1}}) {
    const auto f = dsmm::tools::npy_bytes<float>(shape, values);
    const auto view = dsmm::tools::parse_npy(f);
    REQUIRE(view);
    CHECK(view->type == npy_type::f32);
    CHECK(view->shape == shape);
    REQUIRE(view->count() == 6);
    CHECK(view->element<float>(5) == 6);
    CHECK((f.size() - 24) % 64 == 0);  // numpy's alignment of the data
  }
  const std::vector<std::int64_t> one{};
  const std::vector<std::int64_t> value{-7};
  const auto scalar_file = dsmm::tools::npy_bytes<std::int64_t>(one, value);
  const auto scalar = dsmm::tools::parse_npy(scalar_file);
  REQUIRE(scalar);
  CHECK(scalar->shape.empty());
  CHECK(scalar->element<std::int64_t>(0) == -7);
}

TEST_CASE("npy headers that lie are refused") {
  const std::string good = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }\n";
  CHECK(code(file(good, 24)) == errc::ok);
  CHECK(code(file("{\"shape\":(6,),\"fortran_order\":False,\"descr\":\"<f4\"}", 24)) == errc::ok);
  CHECK(code(file("{'descr': '|u1', 'fortran_order': False, 'shape': (0, 5), }", 0)) == errc::ok);
  CHECK(code(file(good, 23)) == errc::truncated);
  CHECK(code(file(good, 25)) == errc::bad_layout);
  CHECK(code("") == errc::truncated);
  CHECK(code("PK\x03\x04 a zip file") == errc::bad_magic);
  CHECK(code(file("{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", 24)) == errc::unsupported);
  CHECK(code(file("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", 8)) == errc::unsupported);
  CHECK(code(file("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4)) == errc::unsupported);
  CHECK(code(file("{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 24)) == errc::unsupported);
  CHECK(code(file("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, 3), }", 24)) == errc::bad_value);
  CHECK(code(file("{'descr': '<f4', 'fortran_order': False, 'shape': (2 3), }", 24)) == errc::bad_value);
  CHECK(code(file("{'descr': '<f4', 'fortran_order': False}", 24)) == errc::bad_value);
  CHECK(code(file("{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (6,)}", 24)) == errc::bad_value);
  CHECK(code(file("{'descr': '<f4', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1), }", 4)) == errc::bad_value);
  CHECK(code(file("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9223372036854775807), }",
                  4)) == errc::too_large);
  CHECK(code(file("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", 4)) ==
        errc::bad_value);
  CHECK(code(file("{'descr': '<f4", 0)) == errc::unsupported);
  const std::string whole = file(good, 24);
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK(code(whole.substr(0, n)) != errc::ok);
  std::string version2("\x93NUMPY\x02\x00\xFF\xFF\xFF\xFF", 12);
  CHECK(code(version2) == errc::too_large);
  std::string version3 = whole;
  version3[6] = 3;
  CHECK(code(version3) == errc::bad_version);
}
