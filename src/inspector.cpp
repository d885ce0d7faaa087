// SPDX-License-Identifier: Apache-2.0
// Part of the library dsmm::compiled.
#include "dsmm/inspect/inspector.inl.hpp"
