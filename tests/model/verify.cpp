// SPDX-License-Identifier: Apache-2.0
#include "dsmm/model/verify.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>

#include "tests/model/every_op_model.hpp"
#include "tests/model/sealed.hpp"

using dsmm::errc;
using dsmm::op_kind;
using dsmm::format::section_kind;
using dsmm::format::tensor_kind;

namespace {

/// Index of the op of that name in every_op_model.hpp.
std::uint32_t op_named(const dsmm::model& m, std::string_view name) {
  for (std::uint32_t i = 0; i < m.ops().size(); ++i)
    if (m.name(m.ops()[i].name) == name) return i;
  FAIL("no op of this name");
  return 0;
}
std::uint32_t tensor_named(const dsmm::model& m, std::string_view name) {
  for (std::uint32_t i = 0; i < m.tensors().size(); ++i)
    if (m.name(m.tensors()[i].name) == name) return i;
  FAIL("no tensor of this name");
  return 0;
}

/// Opens a changed copy of the model and says how it failed.
template <class Change>
dsmm::failure refused(Change&& change) {
  const auto file = every_op::file();
  const dsmm::model m = *dsmm::model::open(file.bytes());
  sealed_file f(file.bytes());
  change(f, m);
  const auto opened = dsmm::model::open(f.seal().bytes());
  if (opened) return {};
  CHECK(std::string(opened.error().text).size() > 10);
  return opened.error();
}

/// Changes one attribute of a named op.
errc with_attribute(const char* op, std::uint32_t i, std::int32_t value) {
  return refused([&](sealed_file& f, const dsmm::model& m) {
           f.attribute(m.ops()[op_named(m, op)].first_attribute + i) = value;
         })
      .code;
}
/// Changes the row of a named tensor.
template <class Change>
errc with_tensor(const char* name, Change&& change) {
  return refused([&](sealed_file& f, const dsmm::model& m) { change(f.tensor(tensor_named(m, name))); }).code;
}
/// Changes element i of a named constant.
template <class T>
errc with_element(const char* name, std::size_t i, T value) {
  return refused([&](sealed_file& f, const dsmm::model& m) {
           const auto& t = m.tensors()[tensor_named(m, name)];
           std::memcpy(f.bytes().data() + f.section(section_kind::weights).offset + t.offset + i * sizeof(T), &value,
                       sizeof(T));
         })
      .code;
}

}  // namespace

TEST_CASE("an untouched file opens, sealed again or not") {
  CHECK(refused([](sealed_file&, const dsmm::model&) {}).code == errc::ok);
}

TEST_CASE("every damaged byte is noticed") {
  const auto file = every_op::file();
  for (std::size_t i = 0; i < file.bytes().size(); ++i) {
    sealed_file f(file.bytes());
    f.bytes()[i] ^= std::byte{0x10};
    REQUIRE_MESSAGE(!dsmm::model::open(f.bytes()), "byte ", i);
  }
}

TEST_CASE("every truncation is noticed") {
  const auto file = every_op::file();
  for (std::size_t size = 0; size < file.bytes().size(); ++size) {
    sealed_file f(file.bytes(), size);
    REQUIRE_MESSAGE(!dsmm::model::open(f.bytes()), "size ", size);
    if (size < 128) continue;
    f.header().file_size = size;  // a liar who knows the format
    REQUIRE_MESSAGE(!dsmm::model::open(f.seal().bytes()), "size ", size);
  }
}

TEST_CASE("header") {
  const auto code = [](auto change) { return refused([&](sealed_file& f, const dsmm::model&) { change(f); }).code; };
  CHECK(code([](auto& f) { f.header().magic[0] = 'X'; }) == errc::bad_magic);
  CHECK(code([](auto& f) { f.header().major = 2; }) == errc::bad_version);
  CHECK(code([](auto& f) { f.header().minor = 2; }) == errc::bad_version);
  CHECK(code([](auto& f) { f.header().endian = 0x04030201; }) == errc::bad_value);
  CHECK(code([](auto& f) { ++f.header().file_size; }) == errc::truncated);
  CHECK(code([](auto& f) { --f.header().file_size; }) == errc::bad_layout);
  CHECK(code([](auto& f) { f.header().file_size = ~0ull; }) == errc::truncated);
  CHECK(code([](auto& f) { f.header().section_count = 0; }) == errc::too_large);
  CHECK(code([](auto& f) { f.header().section_count = 65; }) == errc::too_large);
  CHECK(code([](auto& f) { f.header().section_count = 0xFFFFFFFF; }) == errc::too_large);
  CHECK(code([](auto& f) { f.header().reserved0 = 1; }) == errc::bad_value);
  CHECK(code([](auto& f) { f.header().reserved1[63] = 1; }) == errc::bad_value);
}

TEST_CASE("sections") {
  const auto code = [](auto change) { return refused([&](sealed_file& f, const dsmm::model&) { change(f); }).code; };
  CHECK(code([](auto& f) { f.section(1).offset += 64; }) == errc::bad_layout);
  CHECK(code([](auto& f) { f.section(1).offset -= 64; }) == errc::bad_layout);
  CHECK(code([](auto& f) { f.section(1).offset += 1; }) == errc::bad_layout);
  CHECK(code([](auto& f) { f.section(1).offset = ~0ull; }) == errc::bad_layout);
  CHECK(code([](auto& f) { f.section(0).length = ~0ull; }) == errc::truncated);
  CHECK(code([](auto& f) { f.section(0).length = 0; }) == errc::bad_layout);
  CHECK(code([](auto& f) { f.section(3).length -= 1; }) == errc::bad_layout);
  CHECK(code([](auto& f) { f.section(1).flags = 2; }) == errc::bad_value);
  CHECK(code([](auto& f) { f.section(1).reserved = 1; }) == errc::bad_value);
  CHECK(code([](auto& f) { f.section(3).kind = f.section(0).kind; }) == errc::bad_layout);
  CHECK(code([](auto& f) { f.section(3).kind = static_cast<section_kind>(99); }) == errc::unsupported);
  CHECK(code([](auto& f) { f.section(0).kind = static_cast<section_kind>(99), f.section(0).flags = 0; }) ==
        errc::truncated);  // no GRAPH
  // an unknown section that is not required is skipped: the model merely has no META then
  CHECK(code([](auto& f) { f.section(3).kind = static_cast<section_kind>(99), f.section(3).flags = 0; }) == errc::ok);
  CHECK(code([](auto& f) { f.bytes()[f.section(0).offset + f.section(0).length] = std::byte{1}; }) == errc::bad_layout);
}

TEST_CASE("graph counts") {
  const auto code = [](auto change) { return refused([&](sealed_file& f, const dsmm::model&) { change(f); }).code; };
  CHECK(code([](auto& f) { f.graph().tensor_count = 0xFFFFFFFF; }) == errc::too_large);
  CHECK(code([](auto& f) { f.graph().op_count = 65537; }) == errc::too_large);
  CHECK(code([](auto& f) { f.graph().op_count = 0; }) == errc::bad_value);
  CHECK(code([](auto& f) { f.graph().program_count = 17; }) == errc::too_large);
  CHECK(code([](auto& f) { f.graph().program_count = 0; }) == errc::bad_value);
  CHECK(code([](auto& f) { f.graph().index_count = 0xFFFFFFFF; }) == errc::bad_layout);
  CHECK(code([](auto& f) { f.graph().attribute_count -= 1; }) == errc::bad_layout);
  CHECK(code([](auto& f) { ++f.graph().tensor_count; }) == errc::bad_layout);
  CHECK(code([](auto& f) { f.graph().reserved[1] = 1; }) == errc::bad_value);
}

TEST_CASE("tensors") {
  constexpr std::int32_t low = std::numeric_limits<std::int32_t>::min(),
                         high = std::numeric_limits<std::int32_t>::max();
  for (const std::int32_t bad : {-1, low, high, (1 << 24) + 1})
    CHECK(with_tensor("image", [&](auto& t) { t.dims[1] = bad; }) == errc::too_large);
  CHECK(with_tensor("image", [](auto& t) { t.dims[1] = 0; }) == errc::dtype_mismatch);
  CHECK(with_tensor("image", [](auto& t) { t.dims = {1 << 24, 1 << 24, 1 << 24, 1, 1, 1}; }) == errc::too_large);
  CHECK(with_tensor("image", [](auto& t) { t.dims[3] = 2; }) == errc::too_large);
  CHECK(with_tensor("image", [](auto& t) { t.dims[5] = 0; }) == errc::too_large);
  CHECK(with_tensor("image", [](auto& t) { t.rank = 0; }) == errc::too_large);
  CHECK(with_tensor("image", [](auto& t) { t.rank = 7; }) == errc::too_large);
  CHECK(with_tensor("image", [](auto& t) { t.rank = 4; }) == errc::dtype_mismatch);
  CHECK(with_tensor("image", [](auto& t) { t.type = 6; }) == errc::bad_value);
  CHECK(with_tensor("image", [](auto& t) { t.type = 2; }) == errc::bad_value);
  CHECK(with_tensor("image", [](auto& t) { t.kind = static_cast<tensor_kind>(6); }) == errc::bad_value);
  CHECK(with_tensor("image", [](auto& t) { t.kind = static_cast<tensor_kind>(0); }) == errc::bad_value);
  CHECK(with_tensor("image", [](auto& t) { t.group = 32; }) == errc::bad_value);
  CHECK(with_tensor("image", [](auto& t) { t.zero_point = 256; }) == errc::bad_value);
  CHECK(with_tensor("image", [](auto& t) { t.zero_point = -1; }) == errc::bad_value);
  for (const float bad :
       {0.0f, -1.0f, 1e-40f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()})
    CHECK(with_tensor("image", [&](auto& t) { t.scale = bad; }) == errc::bad_value);
  CHECK(with_tensor("logits", [](auto& t) { t.scale = -0.0f; }) == errc::bad_value);
  CHECK(with_tensor("image", [](auto& t) { t.reserved0 = 1; }) == errc::bad_value);
  CHECK(with_tensor("image", [](auto& t) { t.reserved1 = 1; }) == errc::bad_value);
  CHECK(with_tensor("image", [](auto& t) { t.length = 1; }) == errc::bad_layout);
  CHECK(with_tensor("image", [](auto& t) { t.name.offset = ~0u; }) == errc::bad_index);
  CHECK(with_tensor("image", [](auto& t) { t.name.length = ~0u; }) == errc::bad_index);
  CHECK(with_tensor("image", [](auto& t) { t.name.length = 0; }) == errc::bad_value);
  CHECK(refused([](sealed_file& f, const dsmm::model& m) {
          f.tensor(tensor_named(m, "image")).name = m.tensors()[tensor_named(m, "score")].name;
        }).code == errc::bad_value);
  CHECK(refused([](sealed_file& f, const dsmm::model&) {
          f.bytes()[f.section(section_kind::strings).offset] = std::byte{0x07};
        }).code == errc::bad_value);
}

TEST_CASE("constants") {
  CHECK(with_tensor("conv.w", [](auto& t) { t.offset += 64; }) == errc::bad_layout);
  CHECK(with_tensor("conv.w", [](auto& t) { t.offset = ~0ull; }) == errc::bad_layout);
  CHECK(with_tensor("dw.w", [](auto& t) { t.offset = 0; }) == errc::bad_layout);  // overlaps conv.w
  CHECK(with_tensor("conv.w", [](auto& t) { ++t.length; }) == errc::bad_layout);
  CHECK(with_tensor("conv.w", [](auto& t) { t.length = 0; }) == errc::bad_layout);
  CHECK(with_tensor("conv.w", [](auto& t) { t.dims[0] = 1 << 24; }) == errc::bad_layout);
  CHECK(with_tensor("conv.w", [](auto& t) { t.group = 33; }) == errc::bad_value);
  CHECK(with_tensor("causal.w", [](auto& t) { t.group = 0; }) == errc::bad_layout);
  CHECK(with_tensor("rb", [](auto& t) { t.dims[1] = 1 << 20, t.length = std::uint64_t{2} << 22; }) == errc::truncated);
  CHECK(with_tensor("rb", [](auto& t) { t.dims[1] = 15, t.length = 120; }) == errc::bad_layout);  // 8 bytes left over
  CHECK(with_element("norm.gamma", 3, std::numeric_limits<float>::infinity()) == errc::bad_value);
  CHECK(with_element("norm.gamma", 3, -std::numeric_limits<float>::quiet_NaN()) == errc::bad_value);
  CHECK(with_element("conv.s", 0, 0.0f) == errc::bad_value);
  CHECK(with_element("conv.s", 7, -1.0f) == errc::bad_value);
  CHECK(with_element<std::uint8_t>("causal.w", 8 * 21, 0) == errc::bad_value);  // integer scale
  CHECK(with_element<std::uint8_t>("causal.w", 8 * 21, 17) == errc::bad_value);
  CHECK(with_element<std::uint8_t>("causal.w", 8 * 21, 16) == errc::ok);
  CHECK(with_element<std::uint8_t>("conv.w", 8 * 9, 1) == errc::bad_layout);  // the gap behind it
  CHECK(with_element<std::int32_t>("sigmoid.table", 255, 256) == errc::bad_value);
  CHECK(with_element<std::int32_t>("sigmoid.table", 0, -1) == errc::bad_value);
  CHECK(with_element<std::int32_t>("edges", 4, 34) == errc::bad_value);
  CHECK(with_element<std::int32_t>("edges", 0, -1) == errc::bad_value);
  CHECK(with_element<std::int32_t>("edges", 1, 5) == errc::bad_value);
  CHECK(with_element("knots", 1, -1.0f) == errc::bad_value);
  CHECK(with_element<std::int32_t>("rb", 0, std::numeric_limits<std::int32_t>::min()) == errc::bad_value);
}

TEST_CASE("an accumulator that could overflow is refused at the exact limit") {
  const auto file = every_op::file();
  const dsmm::model m = *dsmm::model::open(file.bytes());
  for (const char* op : {"conv", "depthwise", "dense", "causal"}) {
    const auto& row = m.ops()[op_named(m, op)];
    const auto w = m.constant(m.inputs(row)[1]);
    const auto& t = m.tensors()[m.inputs(row)[1]];
    const auto depth = static_cast<std::size_t>(t.dims[1] * t.dims[2] * t.dims[3]);
    std::int64_t sum = 0;  // of the second channel, straight from the definition
    for (std::size_t i = 0; i < depth; ++i) {
      if (t.type == static_cast<std::uint8_t>(dsmm::dtype::s8)) {
        sum += std::abs(static_cast<int>(static_cast<std::int8_t>(w[depth + i])));
        continue;
      }
      const auto byte = std::to_integer<int>(w[(depth + 1) / 2 + i / 2]);
      const int nibble = i % 2 == 0 ? byte & 15 : byte >> 4;
      const std::size_t groups = t.group == 0 ? 0 : (depth + t.group - 1) / t.group;
      const int scale =
          t.group == 0
              ? 16
              : std::to_integer<int>(w[static_cast<std::size_t>(t.dims[0]) * ((depth + 1) / 2) + groups + i / t.group]);
      sum += std::abs((nibble - 8) * scale);
    }
    const std::int64_t most = (std::int64_t{1} << 31) - 1 - 255 * sum;
    const std::string bias(m.name(m.tensors()[m.inputs(row)[2]].name));
    CHECK(with_element(bias.c_str(), 1, static_cast<std::int32_t>(most)) == errc::ok);
    CHECK(with_element(bias.c_str(), 1, static_cast<std::int32_t>(-most)) == errc::ok);
    CHECK(with_element(bias.c_str(), 1, static_cast<std::int32_t>(most + 1)) == errc::too_large);
    CHECK(with_element(bias.c_str(), 1, static_cast<std::int32_t>(-most - 1)) == errc::too_large);
    CHECK(with_element(bias.c_str(), 1, std::numeric_limits<std::int32_t>::min()) == errc::too_large);
  }
}

TEST_CASE("ops and the order of a graph") {
  const auto with_op = [](const char* name, auto change) {
    return refused([&](sealed_file& f, const dsmm::model& m) { change(f.op(op_named(m, name)), f); }).code;
  };
  CHECK(with_op("add", [](auto& op, auto&) { op.kind = 0; }) == errc::unsupported);
  CHECK(with_op("add", [](auto& op, auto&) { op.kind = 23; }) == errc::unsupported);
  CHECK(with_op("add", [](auto& op, auto&) { op.kind = ~0u; }) == errc::unsupported);
  CHECK(with_op("add", [](auto& op, auto&) { op.input_count = 1; }) == errc::bad_value);
  CHECK(with_op("add", [](auto& op, auto&) { op.input_count = ~0u; }) == errc::bad_value);
  CHECK(with_op("add", [](auto& op, auto&) { op.output_count = 0; }) == errc::bad_value);
  CHECK(with_op("add", [](auto& op, auto&) { op.first_input = ~0u; }) == errc::bad_index);
  CHECK(with_op("add", [](auto& op, auto&) { op.first_output = ~0u - 1; }) == errc::bad_index);
  CHECK(with_op("add", [](auto& op, auto&) { op.first_attribute = ~0u; }) == errc::bad_index);
  CHECK(with_op("add", [](auto& op, auto& f) { f.index(op.first_input) = 10'000; }) == errc::bad_index);
  CHECK(with_op("add", [](auto& op, auto& f) { f.index(op.first_input) = ~0u; }) == errc::bad_index);  // not optional
  CHECK(with_op("add", [](auto& op, auto& f) { f.index(op.first_output) = ~0u; }) == errc::bad_index);
  CHECK(with_op("attend", [](auto& op, auto& f) { f.index(op.first_input + 3) = ~0u; }) == errc::ok);
  CHECK(with_op("attend", [](auto& op, auto& f) { f.index(op.first_input + 4) = ~0u; }) == errc::ok);
  // reads its own output, reads a later one, writes twice, writes an input, reads across programs
  CHECK(with_op("add", [](auto& op, auto& f) { f.index(op.first_input) = f.index(op.first_output); }) ==
        errc::bad_layout);
  const auto swap = [](const char* a, const char* b) {
    return refused([&](sealed_file& f, const dsmm::model& m) { std::swap(f.op(op_named(m, a)), f.op(op_named(m, b))); })
        .code;
  };
  CHECK(swap("add", "mul") == errc::bad_layout);
  CHECK(swap("late", "real") == errc::ok);
  const auto move_index = [](const char* to, bool output, const char* tensor) {
    return refused([&](sealed_file& f, const dsmm::model& m) {
             const auto& op = m.ops()[op_named(m, to)];
             f.index(output ? op.first_output : op.first_input) = tensor_named(m, tensor);
           })
        .code;
  };
  CHECK(move_index("mul", true, "c") == errc::bad_layout);
  CHECK(move_index("mul", true, "image") == errc::bad_value);
  CHECK(move_index("mul", true, "series") == errc::bad_value);
  CHECK(move_index("query", false, "j") == errc::bad_layout);
  CHECK(move_index("spectrum", false, "has_series") == errc::bad_layout);
  CHECK(move_index("remember", false, "keys") == errc::bad_layout);  // pushes a state into itself
  CHECK(refused([](sealed_file& f, const dsmm::model& m) {
          f.index(m.ops()[op_named(m, "publish")].first_input + 1) = tensor_named(m, "keys");
        }).code == errc::bad_layout);  // two ops push into one state
  CHECK(refused([](sealed_file& f, const dsmm::model& m) {
          f.index(m.ops()[op_named(m, "publish")].first_input + 1) = tensor_named(m, "y");
        }).code == errc::bad_value);
  CHECK(with_tensor("k", [](auto& t) { t.kind = tensor_kind::state; }) == errc::bad_value);
}

TEST_CASE("a value that is written twice is refused") {
  dsmm::model_writer w;
  const auto x = w.input("x", dsmm::dtype::f32, {1, 1, 4}), y = w.output("y", dsmm::dtype::f32, {1, 1, 4});
  w.program("main");
  w.op(op_kind::softmax, "first", {x}, {y});
  CHECK(w.finish());
  w.op(op_kind::softmax, "second", {x}, {y});
  CHECK(w.finish().error().code == errc::bad_layout);
}

TEST_CASE("programs") {
  const auto code = [](auto change) { return refused([&](sealed_file& f, const dsmm::model&) { change(f); }).code; };
  CHECK(code([](auto& f) { f.program(0).first_op = 1; }) == errc::bad_layout);
  CHECK(code([](auto& f) { f.program(0).op_count = 0; }) == errc::bad_layout);
  CHECK(code([](auto& f) { f.program(1).op_count = ~0u; }) == errc::bad_layout);
  CHECK(code([](auto& f) { f.program(1).op_count -= 1; }) == errc::bad_layout);
  CHECK(code([](auto& f) { f.program(1).name = f.program(0).name; }) == errc::bad_value);
  CHECK(code([](auto& f) { f.program(1).name.length = 0; }) == errc::bad_value);
  CHECK(code([](auto& f) { f.program(1).name.offset = ~0u; }) == errc::bad_index);
}

TEST_CASE("attributes of every kind") {
  constexpr std::int32_t low = std::numeric_limits<std::int32_t>::min(),
                         high = std::numeric_limits<std::int32_t>::max();
  const auto hostile = [&](const char* op, std::initializer_list<std::uint32_t> which,
                           std::initializer_list<std::int32_t> bad) {
    for (const std::uint32_t i : which)
      for (const std::int32_t value : bad) {
        INFO(op, " attribute ", i, " = ", value);
        CHECK(with_attribute(op, i, value) != errc::ok);
      }
  };
  hostile("conv", {0, 1, 6, 7, 8}, {0, -1, low, high});  // strides, dilations, groups
  hostile("conv", {2, 3, 4, 5}, {-1, 3, low, high});     // padding
  hostile("conv", {9}, {-1, 2, low, high});              // relu
  hostile("depthwise", {0, 1, 6, 7}, {0, -1, low, high});
  hostile("depthwise", {2, 3, 4, 5}, {-1, low, high});
  hostile("dense", {0}, {-1, 2, low, high});
  hostile("causal", {0, 1}, {-1, 3, low, high});
  hostile("causal", {0}, {0});
  hostile("max", {0, 1, 2, 3}, {0, -1, low, high});
  hostile("max", {4, 5, 6, 7}, {-1, 2, low, high});
  hostile("average", {0, 1, 2, 3, 4, 5, 6, 7}, {-1, 2, low, high});
  hostile("add", {0}, {-1, 2, low, high});
  hostile("mul", {0}, {-1, 2, low, high});
  hostile("join", {0}, {-1, 0, 1, 3, low, high});
  hostile("up", {0}, {-1, 2, low, high});
  hostile("up", {1, 2}, {0, -1, 7, low, high});
  hostile("norm", {0}, {0, -1, low, high, 1});  // epsilon: zero, NaN, -0, NaN, subnormal
  hostile("attend", {0}, {0, -1, 3, 9, low, high});
  hostile("attend", {1}, {-1, 2, low, high});
  hostile("late", {0}, {-1, 2, low, high});
}

TEST_CASE("shapes and types are inferred, not believed") {
  CHECK(with_tensor("a", [](auto& t) { t.dims[0] = 9; }) == errc::shape_mismatch);
  CHECK(with_tensor("map", [](auto& t) { t.dims[2] = 4; }) == errc::shape_mismatch);
  CHECK(with_tensor("logits", [](auto& t) { t.dims[2] = 4; }) == errc::shape_mismatch);
  CHECK(with_tensor("features", [](auto& t) { t.dims[2] = 13; }) == errc::shape_mismatch);
  CHECK(with_tensor("keys", [](auto& t) { t.dims[2] = 4; }) == errc::shape_mismatch);
  CHECK(with_tensor("conv.past", [](auto& t) { t.dims[0] = 3; }) == errc::shape_mismatch);
  CHECK(with_tensor("conv.past", [](auto& t) { t.zero_point = 3; }) == errc::dtype_mismatch);
  CHECK(with_tensor("vibration.past", [](auto& t) { t.dims[0] = 63; }) == errc::bad_value);
  CHECK(with_tensor("vibration.past", [](auto& t) { t.dims[0] = 8192; }) == errc::bad_value);
  CHECK(with_tensor("e", [](auto& t) { t.scale = 2; }) == errc::dtype_mismatch);  // max_pool keeps the scale
  CHECK(with_tensor("real", [](auto& t) { t.type = 1, t.scale = 1; }) == errc::dtype_mismatch);
  CHECK(with_tensor("has_series", [](auto& t) { t.dims[2] = 2; }) == errc::shape_mismatch);
  CHECK(with_tensor("absent", [](auto& t) { t.zero_point = 1; }) == errc::dtype_mismatch);
  CHECK(with_tensor("score", [](auto& t) { t.dims[2] = 2; }) == errc::shape_mismatch);
  CHECK(with_tensor("r", [](auto& t) { t.dims[0] = 8, t.dims[1] = 16; }) == errc::shape_mismatch);
  CHECK(with_tensor("rb", [](auto& t) { t.dims[0] = 4, t.dims[1] = 8; }) == errc::shape_mismatch);
  CHECK(with_tensor("knots", [](auto& t) { t.dims[0] = 2, t.dims[1] = 3; }) == errc::shape_mismatch);
}

TEST_CASE("META") {
  const auto with_meta = [](std::string_view key, std::string_view value) {
    dsmm::model_writer w = every_op::writer();
    w.meta(key, value);
    const auto file = w.finish();
    return file ? errc::ok : file.error().code;
  };
  CHECK(with_meta("part", "gro\xC3\x9F") == errc::ok);
  CHECK(with_meta("part", "") == errc::ok);
  CHECK(with_meta("", "x") == errc::bad_value);
  CHECK(with_meta("a b", "x") == errc::bad_value);
  CHECK(with_meta("part", "\xC3") == errc::bad_value);
  CHECK(with_meta("part", "\x1B[2J") == errc::bad_value);
  CHECK(with_meta("part", "two\nproduct=lies") == errc::bad_value);
  CHECK(with_meta("part", std::string(70'000, 'x')) == errc::too_large);
  dsmm::model_writer w = every_op::writer();
  for (int i = 0; i < 600; ++i) w.meta("k" + std::to_string(i), "v");
  CHECK(w.finish().error().code == errc::too_large);
}

TEST_CASE("SELFTEST") {
  const auto with_row = [](std::uint32_t program, std::uint32_t runs, int count = 1) {
    dsmm::model_writer w = every_op::writer();
    for (int i = 0; i < count; ++i) w.self_test(program, runs, 1, {});
    const auto file = w.finish();
    return file ? errc::ok : file.error().code;
  };
  CHECK(with_row(1, 4096) == errc::ok);
  CHECK(with_row(3, 1) == errc::bad_index);
  CHECK(with_row(0, 0) == errc::bad_value);
  CHECK(with_row(0, 4097) == errc::bad_value);
  CHECK(with_row(0, 1, 65) == errc::bad_layout);
}

TEST_CASE("only printable UTF-8 is text") {
  using dsmm::verify_impl::is_text;
  CHECK(is_text("Gru\xC3\x9F \xE2\x82\xAC \xF0\x9F\x98\x80"));
  CHECK(is_text(""));
  for (const char* bad :
       {"\x01", "a\x7F", "\x80", "\xC0\x80", "\xC1\xBF", "\xC3", "\xC3(", "\xE0\x9F\xBF", "\xED\xA0\x80",
        "\xF0\x8F\xBF\xBF", "\xF4\x90\x80\x80", "\xF5\x80\x80\x80", "\xC2\x85", "\xE2\x82"})
    CHECK(!is_text(bad));
}
