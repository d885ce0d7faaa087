// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "dsmm/model/file.hpp"
#include "dsmm/model/levels.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/graph/self_test.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/ops/nd/registry.hpp"

enum class outcome : std::uint8_t {
  refused,  ///< by the verifier
  opened,   ///< verified, but this build has no such op, or it needs more memory than a test should take
  ran,
};

/// Prepares a session and runs every program.
inline outcome run_all(const dsmm::model& m) {
  constexpr std::size_t most = 4 << 20;
  dsmm::session_options options;
  options.general = &dsmm::ops::nd::find_definition;
  const auto need = dsmm::session::required(m, options);
  if (!need || *need > most) return outcome::opened;
  auto arena = dsmm::file_bytes::allocate(*need);  // exactly as large as asked: what lies beyond, the sanitizer guards
  if (!arena) return outcome::opened;
  auto s = dsmm::session::prepare(m, arena->bytes(), options);
  if (!s) return outcome::opened;
  volatile unsigned sink = 0;
  for (std::uint32_t p = 0; p < m.programs().size(); ++p) sink = sink + dsmm::run_digest(*s, p, 1, 2)[0];
  return outcome::ran;
}

/// Opens a model and does with it all that a line would: reads every table, runs every program, and every level alike.
inline outcome exercise(std::span<const std::byte> bytes) {
  const auto m = dsmm::model::open(bytes);
  if (!m) {
    if (m.error().code == dsmm::errc::ok || m.error().text[0] == '\0') __builtin_trap();  // an error must say what
    return outcome::refused;
  }
  volatile unsigned sink = 0;
  for (std::uint32_t t = 0; t < m->tensors().size(); ++t) {
    for (const char c : m->name(m->tensors()[t].name)) sink = sink + static_cast<unsigned char>(c);
    for (const std::byte b : m->constant(t)) sink = sink + std::to_integer<unsigned>(b);
  }
  sink = sink + static_cast<unsigned>(m->meta("product").value_or("").size());
  for (std::uint32_t k = 1; k < dsmm::level_count(*m); ++k) {
    const auto level = dsmm::extract_level(*m, k);
    if (level) run_all(**level);
    else if (level.error().code == dsmm::errc::ok) __builtin_trap();
  }
  return run_all(*m);
}
