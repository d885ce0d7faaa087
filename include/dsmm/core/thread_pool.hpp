// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/core/executor.hpp"

namespace dsmm::inline DSMM_ABI {

/// A fixed pool for those who have none: `width - 1` threads plus the caller. Idle threads sleep in the kernel after a
/// short wait, so nothing spins between frames. parallel_for takes no lock and allocates nothing.
/// One parallel_for at a time: a second caller finds the pool taken and simply does its own work alone.
class thread_pool {
public:
  explicit thread_pool(std::uint32_t width) : width_(width == 0 ? 1 : width) {
    threads_.reserve(width_ - 1);
    for (std::uint32_t i = 1; i < width_; ++i) threads_.emplace_back([this] { work(); });
  }
  thread_pool(const thread_pool&) = delete;
  thread_pool& operator=(const thread_pool&) = delete;
  ~thread_pool() {
    stop_.store(true, std::memory_order_relaxed);
    epoch_.fetch_add(1, std::memory_order_release);
    epoch_.notify_all();
    for (std::thread& t : threads_) t.join();
  }

  /// Valid as long as the pool.
  executor handle() noexcept { return {this, width_, &parallel_for}; }

private:
  // ticket_ packs {epoch : 24, end : 20, begin : 20} of the indices that nobody has taken. The caller takes them from
  // the front and the others from the back, so that rows of one layer stay in the cache of the core that wrote those of
  // the layer before. A thread that wakes late for an old job cannot take an index of a new one, because the
  // compare-exchange sees another epoch; and while an index of a job is untaken, fn_ and arg_ are that job's.
  static void parallel_for(void* self, std::uint32_t count, void (*fn)(void*, std::uint32_t), void* arg) noexcept {
    static_cast<thread_pool*>(self)->run(count, fn, arg);
  }

  void run(std::uint32_t count, void (*fn)(void*, std::uint32_t), void* arg) noexcept {
    if (count > max_count || taken_.exchange(true, std::memory_order_acquire)) {
      for (std::uint32_t i = 0; i < count; ++i) fn(arg, i);
      return;
    }
    fn_.store(fn, std::memory_order_relaxed);
    arg_.store(arg, std::memory_order_relaxed);
    left_.store(count, std::memory_order_relaxed);
    const std::uint32_t epoch = epoch_.load(std::memory_order_relaxed) + 1;
    ticket_.store(pack(epoch, count), std::memory_order_release);
    epoch_.store(epoch, std::memory_order_release);
    epoch_.notify_all();
    take(epoch, true);
    for (std::uint32_t left = left_.load(std::memory_order_acquire); left != 0;
         left = left_.load(std::memory_order_acquire)) {
      // The others finish their last index: microseconds, so look a little before asking the kernel.
      look_for([this] { return left_.load(std::memory_order_acquire) == 0; });
      left = left_.load(std::memory_order_acquire);
      if (left != 0) left_.wait(left, std::memory_order_acquire);
    }
    taken_.store(false, std::memory_order_release);
  }

  /// Works off indices of job `epoch` until none is left.
  void take(std::uint32_t epoch, bool from_front) noexcept {
    std::uint64_t ticket = ticket_.load(std::memory_order_acquire);
    while (ticket >> 40 == (epoch & 0xFF'FFFF)) {
      const auto end = static_cast<std::uint32_t>(ticket >> 20) & max_count;
      const auto begin = static_cast<std::uint32_t>(ticket) & max_count;
      if (begin >= end) return;
      const std::uint64_t rest = from_front ? ticket + 1 : ticket - (std::uint64_t{1} << 20);
      const auto fn = fn_.load(std::memory_order_relaxed);
      void* const arg = arg_.load(std::memory_order_relaxed);
      if (!ticket_.compare_exchange_weak(ticket, rest, std::memory_order_acq_rel, std::memory_order_acquire))
        continue;
      fn(arg, from_front ? begin : end - 1);
      if (left_.fetch_sub(1, std::memory_order_acq_rel) == 1) left_.notify_one();
      ticket = ticket_.load(std::memory_order_acquire);
    }
  }

  static constexpr std::uint64_t pack(std::uint32_t epoch, std::uint32_t count) noexcept {
    return std::uint64_t{epoch & 0xFF'FFFF} << 40 | std::uint64_t{count} << 20;
  }

  void work() noexcept {
    std::uint32_t seen = 0;
    for (;;) {
      look_for([this, seen] { return epoch_.load(std::memory_order_acquire) != seen; });
      epoch_.wait(seen, std::memory_order_acquire);
      seen = epoch_.load(std::memory_order_acquire);
      if (stop_.load(std::memory_order_relaxed)) return;
      take(seen, false);
    }
  }

  /// Looks whether `done` for as long as the gap between two layers may be, far below a frame: a thread that the kernel
  /// must wake comes 30 us late.
  template <class Done>
  static void look_for(const Done& done) noexcept {
    const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(40);
    do
      for (int i = 0; i < 32; ++i) {
        if (done()) return;
        pause();
      }
    while (std::chrono::steady_clock::now() < end);
  }

  static void pause() noexcept {
#if DSMM_X86
    __builtin_ia32_pause();
#endif
  }

  static constexpr std::uint32_t max_count = (1u << 20) - 1;

  std::uint32_t width_;
  std::vector<std::thread> threads_;
  alignas(64) std::atomic<std::uint64_t> ticket_{0};
  alignas(64) std::atomic<std::uint32_t> left_{0};
  alignas(64) std::atomic<std::uint32_t> epoch_{0};
  std::atomic<void (*)(void*, std::uint32_t)> fn_{nullptr};
  std::atomic<void*> arg_{nullptr};
  std::atomic<bool> taken_{false};
  std::atomic<bool> stop_{false};
};

}  // namespace dsmm::inline DSMM_ABI
