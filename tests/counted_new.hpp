// SPDX-License-Identifier: Apache-2.0
// Replaces the allocation functions of a test program by counting ones. Include it in one unit of the program.
#pragma once

#include <atomic>
#include <cstdlib>
#include <new>

namespace dsmm::test {
inline std::atomic<long> allocations{0};
}

// All forms at once: a sanitizer complains where one is ours and its partner is not. Not inlined: g++ pairs each new
// with its delete and warns where it sees only one side of ours.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++dsmm::test::allocations;
  if (void* const p = std::malloc(size == 0 ? 1 : size)) return p;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  ++dsmm::test::allocations;
  return std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void* operator new[](std::size_t size) { return operator new(size); }
[[gnu::noinline]] void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept {
  return operator new(size, tag);
}
[[gnu::noinline]] void operator delete(void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete(void* p, const std::nothrow_t&) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, std::size_t) noexcept { std::free(p); }
[[gnu::noinline]] void operator delete[](void* p, const std::nothrow_t&) noexcept { std::free(p); }
