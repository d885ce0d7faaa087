// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "dsmm/config.hpp"
#include "dsmm/core/dtype.hpp"
#include "dsmm/core/executor.hpp"
#include "dsmm/core/quant.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/core/tensor.hpp"
#include "dsmm/graph/plan.hpp"
#include "dsmm/graph/self_test.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/isa/isa.hpp"
#include "dsmm/model/format.hpp"
#include "dsmm/model/model.hpp"

/// What a header from `dsmm emit` is made of: a model inside the program, without file system and heap.
namespace dsmm::inline DSMM_ABI {

/// Of the headers that this version of dsmm can compile.
inline constexpr int embedded_version = 1;

/// An input, output or state of an embedded model.
struct embedded_port {
  const char* name;
  std::uint32_t tensor;  ///< for session::u8() and the like
  format::tensor_kind kind;
  dtype type;
  std::uint32_t rank;
  std::array<std::int32_t, format::max_rank> dims;
  quantization q;  ///< u8 only
};

/// The memory of one instance, sized at compile time. Make it static: it is too large for most stacks.
template <class Source>
struct embedded_memory {
  static constexpr std::size_t bytes = session::required(Source::plan);
  alignas(format::alignment) std::array<std::byte, bytes> arena;
};

/// A prepared embedded model. There is no other way to one than open(), so what runs has been verified. Source has
///   file()   the bytes of a .dsmm file, 64-byte aligned
///   plan     a plan_view from make_portable_plan()
///   general  a find_operator, or nullptr
/// Copies share the memory.
template <class Source>
class embedded {
public:
  const dsmm::session& session() const noexcept { return session_; }
  dsmm::session& session() noexcept { return session_; }

  /// Runs one program. Neither allocates, locks nor throws.
  void run(std::uint32_t program = 0) noexcept { session_.run(program); }
  /// Forgets the states: the next run is the first of a new stream.
  void reset() noexcept { session_.reset(); }

protected:
  explicit embedded(const dsmm::session& s) noexcept : session_(s) {}

  /// Verifies the file, packs the weights into `memory` and repeats the file's golden runs. Allocates nothing.
  /// Errors: those of model::open, session::prepare and self_test.
  template <class Net>
  static result<Net> open_as(embedded_memory<Source>& memory, executor exec, std::optional<isa> level) noexcept {
    const auto m = model::open(Source::file());
    if (!m) return m.error();
    auto s = dsmm::session::prepare(*m, memory.arena, Source::plan,
                                    {.exec = exec, .level = level, .general = Source::general});
    if (!s) return s.error();
    if (const auto ok = self_test(*s); !ok) return ok.error();
    return Net(*s);
  }

  /// The elements of a plain tensor of Count elements.
  template <class T, std::size_t Count>
  std::span<T, Count> plain(std::uint32_t tensor) const noexcept {
    return std::span<T, Count>(reinterpret_cast<T*>(session_.plain(tensor).data()), Count);
  }

private:
  dsmm::session session_;
};

}  // namespace dsmm::inline DSMM_ABI
