// SPDX-License-Identifier: Apache-2.0
// Single layers beside oneDNN, XNNPACK and llama.cpp's ggml, whichever are installed: outputs compared first, then
// timed in turn. layers [--threads N] [--rounds N] [PART OF A LAYER'S NAME]; bench/peers/layers.sh builds it.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string_view>
#include <thread>

#include "bench/ceiling.hpp"
#include "bench/layer_tasks.hpp"
#include "bench/timed_layer.hpp"
#include "contender.hpp"
#include "dsmm/core/thread_pool.hpp"
#if __has_include(<dnnl.hpp>)
#include <omp.h>

#include "onednn.hpp"
#define WITH_ONEDNN 1
#endif
#if __has_include(<xnnpack.h>)
#include "xnnpack.hpp"
#define WITH_XNNPACK 1
#endif
#if __has_include(<ggml-cpu.h>)
#include "ggml.hpp"
#define WITH_GGML 1
#endif

namespace {

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

problem problem_of(const layer& l, const timed_layer& t, int threads) {
  problem p{l, {}, t.weights(), timed_layer::y_scale, timed_layer::y_zero, threads};
  const auto x = t.input();
  for (std::int32_t y = 0; y < l.height; ++y)
    p.x.insert(p.x.end(), x.at(y, 0), x.at(y, 0) + std::ptrdiff_t{l.width} * l.in);
  return p;
}

/// dsmm's layer with its tasks on `pool`.
contender ours(const layer& l, weight_form form, const char* name, dsmm::thread_pool& pool) {
  using namespace dsmm::kernels;
  const dsmm::isa level = dsmm::best_isa();
  const conv_kernel& kernel =
      l.depthwise ? dw_kernel_for(level)
      : form.nibbles
          ? *conv_s4_variants::choose(level, []<class V>(std::type_identity<V>) { return &conv_kernel_of<V>; })
          : conv_kernel_for(level);
  auto timed = std::make_shared<timed_layer>(l, kernel, form);
  return {name,
          [timed, tasks = layer_tasks(*timed, l), exec = pool.handle()]() mutable { exec.each(tasks.count(), tasks); },
          [] { return 0.0; }};
}

void add_peers([[maybe_unused]] std::vector<contender>& all, const problem& p, const timed_layer& t) {
  const auto differ = [right = t.output().data, n = std::size_t(p.l.output().count())](const std::uint8_t* levels) {
    return levels_between(levels, right, n);
  };
#if WITH_ONEDNN
  auto eight = std::make_shared<onednn_layer>(p, true), exact = std::make_shared<onednn_layer>(p, false);
  all.push_back({"oneDNN int8", [=] { eight->run(); },
                 [=] { return differ(static_cast<const std::uint8_t*>(eight->output())); }});
  all.push_back({"oneDNN f32", [=] { exact->run(); },
                 [=] { return differ(levels_of(p, static_cast<const float*>(exact->output())).data()); }});
#endif
#if WITH_XNNPACK
  auto bytes = std::make_shared<xnnpack_layer>(p, true), floats = std::make_shared<xnnpack_layer>(p, false);
  if (bytes->made())
    all.push_back({"XNNPACK int8", [=] { bytes->run(); }, [=] { return differ(bytes->output().data()); }});
  if (floats->made())
    all.push_back(
        {"XNNPACK f32", [=] { floats->run(); }, [=] { return differ(levels_of(p, floats->floats()).data()); }});
#endif
#if WITH_GGML
  if (p.is_linear() && p.l.in % 32 == 0) {
    auto product = std::make_shared<ggml_layer>(p);
    all.push_back({"ggml q4_0", [=] { product->run(); }, [=] { return product->error(); }});
  }
#endif
}

/// Milliseconds of one call: the shortest of a few, so that a moment of others' work does not count.
double milliseconds(const std::function<void()>& f) {
  double best = 1e9;
  int calls = 0;
  for (const double start = now(); calls < 3 || (now() - start < 0.01 && calls < 200); ++calls) {
    const double from = now();
    f();
    best = std::min(best, now() - from);
  }
  return 1e3 * best;
}

double median(std::vector<double> v) {
  std::sort(v.begin(), v.end());
  return v[v.size() / 2];
}

/// How long workers of OpenMP (14 ms) and of XNNPACK's pool (50 ms) keep a core busy after their work is done.
constexpr std::chrono::milliseconds others_spin{80};

void compare(const layer& l, int threads, int rounds) {
  dsmm::thread_pool pool(static_cast<unsigned>(threads));
  std::vector<contender> all;
  const dsmm::isa level = dsmm::best_isa();
  timed_layer shared(l, l.depthwise ? dsmm::kernels::dw_kernel_for(level) : dsmm::kernels::conv_kernel_for(level));
  shared.run(0, shared.rows());
  all.push_back(ours(l, {}, "dsmm int8", pool));
  if (!l.depthwise) all.push_back(ours(l, {true}, "dsmm int4", pool));
  if (!l.depthwise && l.in % 4 == 0) all.push_back(ours(l, {true, 64}, "dsmm int4, groups of 64", pool));
  add_peers(all, problem_of(l, shared, threads), shared);
  std::printf("%s, %d thread%s\n", l.name, threads, threads > 1 ? "s" : "");
  std::erase_if(all, [](const contender& c) {
    c.run();
    const double error = c.error();
    if (error <= 1.0) return false;
    std::printf("  %-24s differs by %g levels: not timed\n", c.name.c_str(), error);
    return true;
  });
  std::vector<std::vector<double>> times(all.size());
  for (int r = 0; r < rounds; ++r)
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (threads > 1) std::this_thread::sleep_for(others_spin);
      times[i].push_back(milliseconds(all[i].run));
    }
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::vector<double> ratios;
    for (std::size_t r = 0; r < times[i].size(); ++r) ratios.push_back(times[i][r] / times[0][r]);
    const double time = median(times[i]);
    std::printf("  %-24s %9.3f ms %8.1f GOP/s, %.2f (%.2f .. %.2f) of the first, differs by %.3g\n",
                all[i].name.c_str(), time, 1e-6 * l.operations() / time, median(ratios),
                *std::min_element(ratios.begin(), ratios.end()), *std::max_element(ratios.begin(), ratios.end()),
                all[i].error());
  }
}

}  // namespace

int main(int argc, char** argv) {
  int threads = 1, rounds = 7;
  const char* part = "";
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--threads" && i + 1 < argc) threads = std::max(1, std::atoi(argv[++i]));
    else if (std::string_view(argv[i]) == "--rounds" && i + 1 < argc) rounds = std::max(1, std::atoi(argv[++i]));
    else part = argv[i];
  }
#if WITH_ONEDNN
  omp_set_num_threads(threads);  // Debian's oneDNN is built with OpenMP
#endif
  std::printf("dot product on registers %.0f GOP/s, fused multiply-adds of f32 %.0f GFLOP/s, one thread\n",
              1e-9 * ceiling::operations(dsmm::best_isa()), 1e-9 * ceiling::fused_operations());
  for (const layer& l : layers)
    if (std::strstr(l.name, part) != nullptr) compare(l, threads, rounds);
}
