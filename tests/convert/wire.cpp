// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/wire.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "dsmm/convert/utf8.hpp"
#include "tests/convert/onnx_writer.hpp"

namespace convert = dsmm::convert;
using dsmm::errc;
using onnx_writer::message;

namespace {

errc walk(const std::string& s) {
  convert::wire_reader reader(onnx_writer::bytes(s));
  for (convert::wire_field f; reader.next(f);) continue;
  return reader.failed() ? reader.error().code : errc::ok;
}

}  // namespace

TEST_CASE("fields come back as they were written") {
  const std::string s = message()
                            .number(1, -1)
                            .text(2, "name")
                            .real(3, 0.5f)
                            .number(300, std::numeric_limits<std::int64_t>::min())
                            .bytes();
  convert::wire_reader reader(onnx_writer::bytes(s));
  convert::wire_field f;
  REQUIRE(reader.next(f));
  CHECK(f.number == 1);
  CHECK(f.integer() == -1);
  REQUIRE(reader.next(f));
  CHECK(f.text() == "name");
  REQUIRE(reader.next(f));
  CHECK(f.real() == 0.5f);
  REQUIRE(reader.next(f));
  CHECK(f.number == 300);
  CHECK(f.integer() == std::numeric_limits<std::int64_t>::min());
  CHECK(!reader.next(f));
  CHECK(!reader.failed());
}

TEST_CASE("lists are read packed and unpacked") {
  const std::string s = message().packed(1, {1, 300, -2}).number(1, 7).bytes();
  std::vector<std::int64_t> out;
  convert::wire_reader reader(onnx_writer::bytes(s));
  for (convert::wire_field f; reader.next(f);) REQUIRE(convert::append_integers(f, out));
  CHECK(out == std::vector<std::int64_t>{1, 300, -2, 7});
  convert::wire_field f;
  const std::string three_bytes("\x0A\x03xyz", 5);
  convert::wire_reader odd(onnx_writer::bytes(three_bytes));
  REQUIRE(odd.next(f));
  std::vector<float> floats;
  CHECK(!convert::append_reals(f, floats));
}

TEST_CASE("what is not the wire format is refused, where it stops being it") {
  CHECK(walk("") == errc::ok);
  CHECK(walk("\x08") == errc::truncated);
  CHECK(walk("\x08\x80") == errc::truncated);
  CHECK(walk("\x0A\x05zz") == errc::truncated);
  CHECK(walk("\x0D\x01\x02") == errc::truncated);
  CHECK(walk(std::string("\x02\x00", 2)) == errc::bad_value);
  CHECK(walk("\x0B") == errc::bad_value);
  CHECK(walk("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02") == errc::bad_value);
  CHECK(walk("\x08\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01") == errc::ok);
}

TEST_CASE("UTF-8 is told from what only looks like it") {
  for (const char* good : {"", "abc", "\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"}) CHECK(convert::is_utf8(good));
  for (const char* bad : {"\x80", "\xC3", "\xC0\xAF", "\xE0\x80\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80",
                          "\xF8\x88\x80\x80\x80", "a\xC3(b"})
    CHECK(!convert::is_utf8(bad));
  CHECK(!convert::is_utf8(std::string_view("a\0b", 3)));
}
