// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dsmm/core/rng.hpp"
#include "dsmm/graph/self_test.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/info.hpp"
#include "dsmm/model/model.hpp"
#include "tools/level.hpp"
#include "tools/problem.hpp"
#include "tools/timing/percentiles.hpp"

namespace dsmm::inline DSMM_ABI::tools {

/// An op and its median time.
struct timed_op {
  std::uint32_t index = 0;
  double us = 0;
  work cost{};
  std::uint64_t bytes = 0;  ///< of tensors and constants that it reads and writes
};

/// A model under the stopwatch: one program, random inputs.
class timed_model {
public:
  /// share  of the level, or whole_file.
  timed_model(const std::string& path, double share, const std::string& program, const session_options& options,
              std::uint64_t seed)
      : path_(share == whole_file ? path : path + "@" + share_text(share)),
        file_(open_level(path, share)),
        arena_(need(file_bytes::allocate(need(session::required(*file_, options), path)), path)),
        session_(need(session::prepare(*file_, arena_.bytes(), options), path)) {
    need(self_test(session_), path);
    if (!program.empty()) {
      const auto found = file_->find_program(program);
      if (!found) throw problem{"the model has no program of this name", program, "see dsmm info " + path, 2};
      program_ = *found;
    }
    fill_inputs(seed);
  }

  const model& source() const noexcept { return *file_; }
  /// With the level behind it, if one was asked for.
  const std::string& path() const noexcept { return path_; }
  const format::program_row& program() const noexcept { return source().programs()[program_]; }
  std::size_t arena_bytes() const noexcept { return arena_.bytes().size(); }
  std::uint64_t weight_bytes() const noexcept {
    std::uint64_t sum = 0;
    for (const format::tensor_row& t : source().tensors())
      if (t.kind == format::tensor_kind::constant) sum += t.length;
    return sum;
  }

  /// Microseconds of one run.
  double run() noexcept {
    const auto start = clock::now();
    session_.run(program_);
    return us(clock::now() - start);
  }

  /// Runs `runs` times under observation; the median time of each op. Reading the clock costs about 25 ns per op.
  std::vector<timed_op> profile(std::size_t runs) {
    const format::program_row& p = program();
    std::vector<std::vector<double>> times(p.op_count, std::vector<double>(runs));
    for (std::size_t r = 0; r < runs; ++r) {
      auto last = clock::now();
      session_.run_observed(program_, [&](std::uint32_t op) {
        const auto now = clock::now();
        times[op - p.first_op][r] = us(now - last);
        last = now;
      });
    }
    std::vector<timed_op> out;
    for (std::uint32_t i = 0; i < p.op_count; ++i) {
      const format::op_row& op = source().ops(p)[i];
      out.push_back({p.first_op + i, percentiles::of(times[i]).p50, work_of(source(), op), bytes_of(op)});
    }
    return out;
  }

private:
  using clock = std::chrono::steady_clock;
  static double us(clock::duration d) { return std::chrono::duration<double, std::micro>(d).count(); }

  /// u8 uniform, floats in [-1, 1), other integers in [0, 8): the same for the same seed.
  void fill_inputs(std::uint64_t seed) {
    rng random(seed);
    for (std::uint32_t i = 0; i < source().tensors().size(); ++i) {
      const format::tensor_row& t = source().tensors()[i];
      if (t.kind != format::tensor_kind::input || !detail::touches(source(), program_, i, true)) continue;
      if (detail::is_plain_only(t)) {
        detail::fill_plain(session_.plain(i), ops::type_of(t), random);
        continue;
      }
      detail::each_pixel(session_, i, [&]<class T>(std::span<T> row) {
        for (T& v : row)
          if constexpr (sizeof(T) == 1) v = static_cast<T>(random.u32() >> 24);
          else v = random.uniform(-1.0f, 1.0f);
      });
    }
  }

  std::uint64_t bytes_of(const format::op_row& op) const {
    std::uint64_t sum = 0;
    const auto add = [&](std::uint32_t i) {
      if (i == format::no_tensor) return;
      const format::tensor_row& t = source().tensors()[i];
      sum += t.kind == format::tensor_kind::constant ? t.length : verify_impl::elements(t) * size_of(ops::type_of(t));
    };
    for (const std::uint32_t i : source().inputs(op)) add(i);
    for (const std::uint32_t i : source().outputs(op)) add(i);
    return sum;
  }

  std::string path_;
  owned_model file_;
  file_bytes arena_;
  session session_;
  std::uint32_t program_ = 0;
};

}  // namespace dsmm::inline DSMM_ABI::tools
