// SPDX-License-Identifier: Apache-2.0
#include "dsmm/convert/onnx_tensor.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <string>
#include <vector>

#include "dsmm/convert/onnx_proto.hpp"
#include "tests/convert/onnx_writer.hpp"

namespace onnx = dsmm::convert::onnx;
using dsmm::dtype;
using dsmm::errc;
using onnx_writer::message;

namespace {

template <class T>
std::vector<T> values(const onnx::tensor& t) {
  std::vector<T> out(t.bytes.size() / sizeof(T));
  if (!out.empty()) std::memcpy(out.data(), t.bytes.data(), t.bytes.size());
  return out;
}

}  // namespace

TEST_CASE("raw data are looked at, not copied") {
  const std::string s = onnx_writer::floats("w", {3}, {1, 2, 3});
  const auto t = onnx::read_tensor_file(onnx_writer::bytes(s));
  REQUIRE(t);
  CHECK(t->name == "w");
  CHECK(values<float>(*t) == std::vector<float>{1, 2, 3});
  CHECK(t->bytes.data() >= onnx_writer::bytes(s).data());
  CHECK(t->bytes.data() < onnx_writer::bytes(s).data() + s.size());
}

TEST_CASE("typed fields hold every type as onnx.proto says") {
  const auto read = [](std::int64_t type, std::uint32_t field, const onnx_writer::dims& v) {
    const std::string s =
        message().number(1, static_cast<std::int64_t>(v.size())).number(2, type).packed(field, v).bytes();
    return onnx::read_tensor_file(onnx_writer::bytes(s));
  };
  CHECK(values<std::int64_t>(*read(7, 7, {1, -2})) == std::vector<std::int64_t>{1, -2});
  CHECK(values<std::int32_t>(*read(6, 5, {1, -2})) == std::vector<std::int32_t>{1, -2});
  CHECK(values<std::int8_t>(*read(3, 5, {1, -2})) == std::vector<std::int8_t>{1, -2});
  CHECK(values<std::uint16_t>(*read(10, 5, {0x3C00})) == std::vector<std::uint16_t>{0x3C00});
  CHECK(values<std::uint64_t>(*read(13, 11, {-1})) == std::vector<std::uint64_t>{~std::uint64_t{0}});
  CHECK(values<std::uint8_t>(*read(9, 5, {1, 0})) == std::vector<std::uint8_t>{1, 0});
  CHECK(!read(7, 5, {1}));
  CHECK(!read(6, 7, {1}));
}

TEST_CASE("4-bit values leave their bytes, low half first") {
  const auto s4 = onnx_writer::tensor("w", 22, {3}, std::string("\x8F\x07", 2)),
             u4 = onnx_writer::tensor("w", 21, {3}, std::string("\x8F\x07", 2));
  CHECK(values<std::int8_t>(*onnx::read_tensor_file(onnx_writer::bytes(s4))) == std::vector<std::int8_t>{-1, -8, 7});
  CHECK(values<std::uint8_t>(*onnx::read_tensor_file(onnx_writer::bytes(u4))) == std::vector<std::uint8_t>{15, 8, 7});
  CHECK(!onnx::read_tensor_file(onnx_writer::bytes(onnx_writer::tensor("w", 22, {5}, "ab"))));
}

TEST_CASE("external data need a folder") {
  const std::string s = message()
                            .number(1, 4)
                            .number(2, 1)
                            .text(8, "w")
                            .number(14, 1)
                            .text(13, message().text(1, "location").text(2, "data.bin").bytes())
                            .bytes();
  const auto t = onnx::read_tensor_file(onnx_writer::bytes(s));
  REQUIRE(!t);
  CHECK(t.error().code == errc::unsupported);
  CHECK(std::string(t.error().name) == "w");
}
