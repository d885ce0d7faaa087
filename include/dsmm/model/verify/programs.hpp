// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <bitset>
#include <cstddef>
#include <cstdint>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/model_rows.hpp"
#include "dsmm/model/op_kind.hpp"
#include "dsmm/model/verify/tables.hpp"

/// Fourth layer of the verifier: programs tile the ops, and every value is written once before it is read. One pass in
/// file order, so a cycle cannot even be expressed.
namespace dsmm::inline DSMM_ABI::verify_impl {

using tensor_set = std::bitset<format::max_tensors>;  // 8 KiB: on the stack, so that verifying allocates nothing

/// Input of an op that it pushes rows into, or -1.
constexpr int pushed_input(op_kind kind) noexcept {
  switch (kind) {
    case op_kind::causal_conv1d: return 4;
    case op_kind::append:
    case op_kind::spectral: return 1;
    default: return -1;
  }
}

/// What is known while the ops are walked.
struct tensor_use {
  tensor_set written;  ///< by any op so far: values, outputs, and states that are pushed into
  tensor_set read;     ///< inputs that some program has read
  tensor_set here;     ///< what the current program may read besides constants and states
};

inline result<void> check_op_order(const model_rows& rows, std::size_t index, tensor_use& use) noexcept {
  const format::op_row& op = rows.ops[index];
  const auto fail = [&](errc code, const char* text) { return fail_row(rows, code, text, index, op.name); };
  const int pushed = pushed_input(static_cast<op_kind>(op.kind));
  for (std::uint32_t k = 0; k < op.input_count; ++k) {
    const std::uint32_t t = rows.inputs(op)[k];
    if (t == format::no_tensor) continue;
    const format::tensor_kind kind = rows.tensors[t].kind;
    if (pushed >= 0 && k == static_cast<std::uint32_t>(pushed)) {
      if (kind != format::tensor_kind::state)
        return fail(errc::bad_value, "op: it pushes rows, so this input must be a state");
      if (use.written[t]) return fail(errc::bad_layout, "op: another op pushes into the same state");
      for (std::uint32_t other = 0; other < op.input_count; ++other)
        if (other != k && rows.inputs(op)[other] == t)
          return fail(errc::bad_layout, "op: it cannot push a state into itself");
      use.written.set(t);
    } else if (kind == format::tensor_kind::input) {
      if (use.read[t] && !use.here[t])
        return fail(errc::bad_layout, "op: it reads an input that belongs to another program");
      use.read.set(t);
      use.here.set(t);
    } else if (kind == format::tensor_kind::value || kind == format::tensor_kind::output) {
      if (!use.here[t])
        return fail(errc::bad_layout, "op: it reads a value that no earlier op of its program has written");
    }
  }
  for (const std::uint32_t t : rows.outputs(op)) {
    const format::tensor_kind kind = rows.tensors[t].kind;
    if (kind != format::tensor_kind::value && kind != format::tensor_kind::output)
      return fail(errc::bad_value, "op: it may write only values and outputs");
    if (use.written[t]) return fail(errc::bad_layout, "op: its output is written already");
    use.written.set(t);
    use.here.set(t);
  }
  return {};
}

inline result<void> check_programs(const model_rows& rows) noexcept {
  tensor_use use;
  std::size_t next = 0;
  for (std::size_t p = 0; p < rows.programs.size(); ++p) {
    const format::program_row& program = rows.programs[p];
    const auto fail = [&](errc code, const char* text) { return fail_row(rows, code, text, p, program.name); };
    if (auto r = check_name(rows, program.name, p, "program: its name is outside STRINGS, too long or not UTF-8"); !r)
      return r;
    if (program.name.length == 0) return fail(errc::bad_value, "program: it needs a name");
    for (std::size_t q = 0; q < p; ++q)
      if (rows.name(rows.programs[q].name) == rows.name(program.name))
        return fail(errc::bad_value, "program: one of this name exists already");
    if (program.first_op != next || program.op_count == 0 || program.op_count > rows.ops.size() - next)
      return fail(errc::bad_layout, "program: programs must cover the ops in order, without gap or overlap");
    use.here.reset();
    for (const std::size_t end = next + program.op_count; next < end; ++next)
      if (auto r = check_op_order(rows, next, use); !r) return r;
  }
  if (next != rows.ops.size()) return failure{errc::bad_layout, "program: ops that belong to no program"};
  for (std::size_t t = 0; t < rows.tensors.size(); ++t) {
    const format::tensor_row& row = rows.tensors[t];
    const auto fail = [&](const char* text) { return fail_row(rows, errc::bad_layout, text, t, row.name); };
    if (row.kind == format::tensor_kind::input && !use.read[t]) return fail("tensor: no op reads this input");
    if (row.kind != format::tensor_kind::input && row.kind != format::tensor_kind::constant && !use.written[t])
      return fail("tensor: no op writes it");
  }
  return {};
}

}  // namespace dsmm::inline DSMM_ABI::verify_impl
