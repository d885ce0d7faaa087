// SPDX-License-Identifier: Apache-2.0
// What threads cost and gain: a fork and join of nothing, layers on two threads against one, and ten sessions that
// share one pool. Wall time, best of interleaved runs. bench_threads [PART OF A LAYER'S NAME].
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <thread>
#include <vector>

#include "bench/layer_tasks.hpp"
#include "bench/timed_layer.hpp"
#include "dsmm/core/thread_pool.hpp"

namespace {

using namespace dsmm;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

template <class F>
double wall(F&& f) {
  const double start = now();
  f();
  return now() - start;
}

/// Median and 99 % of `runs` calls.
template <class F>
std::pair<double, double> spread(int runs, F&& f) {
  std::vector<double> times;
  for (int i = 0; i < runs; ++i) times.push_back(f());
  std::sort(times.begin(), times.end());
  return {times[times.size() / 2], times[times.size() * 99 / 100]};
}

void fork_join() {
  thread_pool pool(2);
  const executor two = pool.handle();
  auto nothing = [](std::uint32_t) {};
  const auto [busy, busy99] = spread(20000, [&] { return wall([&] { two.each(2, nothing); }); });
  std::printf("fork and join of two empty tasks: %.2f us, 99 %% %.2f us\n", busy * 1e6, busy99 * 1e6);
  const auto [idle, idle99] = spread(300, [&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return wall([&] { two.each(2, nothing); });
  });
  std::printf("the same after 1 ms of sleep: %.2f us, 99 %% %.2f us\n", idle * 1e6, idle99 * 1e6);
}

void layer_on_two(const layer& l, const kernels::conv_kernel& kernel, const executor& two) {
  timed_layer t(l, kernel);
  layer_tasks task(t, l);
  const std::uint32_t count = task.count();
  double whole = 1e9, one = 1e9, woken = 1e9, both = 1e9;
  for (const double end = now() + 0.25; now() < end;) {
    whole = std::min(whole, wall([&] { t.run(0, t.rows()); }));
    one = std::min(one, wall([&] { executor{}.each(count, task); }));
    woken = std::min(woken, wall([&] { two.each(count, task); }));
    both = std::min(both, wall([&] { two.each(count, task); }));  // as in a net, whose layers follow each other
  }
  std::printf("  %-26s uncut %9.2f us, %2u tasks %9.2f us, two threads %9.2f us: %.2f x, woken for it %.2f x\n", l.name,
              whole * 1e6, count, one * 1e6, both * 1e6, one / both, one / woken);
}

/// Frames per second of `sessions` threads that run the same layer on one pool or each alone.
double frames(int sessions, const executor& exec) {
  const layer l{"3x3 64->64 @56", 3, 1, 64, 64, 56, 56};
  std::vector<std::thread> all;
  const double start = now();
  constexpr int each = 40;
  for (int s = 0; s < sessions; ++s)
    all.emplace_back([&] {
      timed_layer t(l, *kernels::conv_variants::choose(
                           best_isa(), []<class V>(std::type_identity<V>) { return &kernels::conv_kernel_of<V>; }));
      layer_tasks task(t, l);
      for (int i = 0; i < each; ++i) exec.each(task.count(), task);
    });
  for (std::thread& t : all) t.join();
  return sessions * each / (now() - start);
}

}  // namespace

int main(int argc, char** argv) {
  const char* const only_layer = argc > 1 ? argv[1] : "";
  fork_join();
  thread_pool pool(2);
  const kernels::conv_kernel& conv = kernels::conv_kernel_for(best_isa());
  const kernels::conv_kernel& depthwise = kernels::dw_kernel_for(best_isa());
  for (const layer& l : layers)
    if (std::strstr(l.name, only_layer) != nullptr) layer_on_two(l, l.depthwise ? depthwise : conv, pool.handle());
  for (const int sessions : {1, 2, 10})
    std::printf("%2d sessions, 3x3 64->64 @56: %.0f runs/s on one pool of 2, %.0f runs/s without a pool\n", sessions,
                frames(sessions, pool.handle()), frames(sessions, executor{}));
}
