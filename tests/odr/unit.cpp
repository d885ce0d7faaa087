// SPDX-License-Identifier: Apache-2.0
// Compiled once per instruction set with another NAME; each copy reports where its dsmm lives.
#include "dsmm/core/rng.hpp"
#include "dsmm/graph/session.hpp"

#define JOIN_(a, b) a##b
#define JOIN(a, b) JOIN_(a, b)

const void* JOIN(find_definition_, NAME)() { return reinterpret_cast<const void*>(&dsmm::make_plan); }
float JOIN(draw_, NAME)() { return dsmm::rng(1).normal(); }
