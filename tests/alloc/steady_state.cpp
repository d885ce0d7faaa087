// SPDX-License-Identifier: Apache-2.0
// A program of its own, because it replaces malloc and the mutexes of the whole process: counts what a running line
// asks of the system after set-up. Expected: nothing.
#include <dlfcn.h>
#include <pthread.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <new>
#include <vector>

#include "dsmm/core/thread_pool.hpp"
#include "dsmm/graph/elastic_session.hpp"
#include "dsmm/inspect/inspector.hpp"
#include "dsmm/inspect/level_choice.hpp"
#include "tests/inspect/sample_line.hpp"
#include "tests/model/nested_model.hpp"

namespace {

std::atomic<bool> watching{false};
std::atomic<long> allocations{0}, locks{0};

void count(std::atomic<long>& counter) {
  if (watching.load(std::memory_order_relaxed)) counter.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

extern "C" {
void* __libc_malloc(std::size_t);
void* __libc_calloc(std::size_t, std::size_t);
void* __libc_realloc(void*, std::size_t);
void* __libc_memalign(std::size_t, std::size_t);
void __libc_free(void*);

void* malloc(std::size_t n) { return count(allocations), __libc_malloc(n); }
void* calloc(std::size_t n, std::size_t size) { return count(allocations), __libc_calloc(n, size); }
void* realloc(void* p, std::size_t n) { return count(allocations), __libc_realloc(p, n); }
void* memalign(std::size_t a, std::size_t n) { return count(allocations), __libc_memalign(a, n); }
void* aligned_alloc(std::size_t a, std::size_t n) { return count(allocations), __libc_memalign(a, n); }
void free(void* p) {
  if (p != nullptr) count(allocations);
  __libc_free(p);
}
int pthread_mutex_lock(pthread_mutex_t* m) {
  static const auto real = reinterpret_cast<int (*)(pthread_mutex_t*)>(dlsym(RTLD_NEXT, "pthread_mutex_lock"));
  return count(locks), real(m);
}
}

namespace {

int failures = 0;
void expect(bool ok, const char* what) {
  if (ok) return;
  ++failures;
  std::printf("FAILED: %s (allocations %ld, locks %ld)\n", what, allocations.load(), locks.load());
}

/// The counters must see what they are there to see.
void positive_control() {
  watching = true;
  std::vector<int>* volatile v = new std::vector<int>(100);
  delete v;
  pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&m);
  pthread_mutex_unlock(&m);
  watching = false;
  expect(allocations >= 4 && locks == 1, "positive control: the interposers count");
  allocations = locks = 0;
}

void run_line(std::uint32_t threads) {
  auto file = samples::line_net("1e30").finish();
  dsmm::thread_pool pool(threads);
  dsmm::inspector_options options;
  options.exec = pool.handle();
  auto made = dsmm::inspector::open(file->bytes(), options);
  if (!made) return expect(false, made.error().text);
  dsmm::inspector& inspector = *made;

  std::vector<float> vibration(20'000 * 3), force(1'000), heat(100);
  dsmm::rng random(9);
  for (auto* samples : {&vibration, &force, &heat})
    for (float& v : *samples) v = random.normal();
  std::vector<std::uint8_t> picture(static_cast<std::size_t>(samples::line_size) * samples::line_size);
  for (auto& v : picture) v = static_cast<std::uint8_t>(random.below(256));
  const dsmm::frame_view frame{picture.data(), samples::line_size, samples::line_size, samples::line_size,
                               dsmm::pixel_format::gray8};
  int passed = 0;
  for (int k = 0; k < 200; ++k) {
    if (k == 60) watching = true;
    const auto end = [&](double rate) { return static_cast<std::int64_t>((k + 30) * 0.004 * rate); };
    const auto span = [&](const char* name, double rate, std::uint32_t channels, const std::vector<float>& from) {
      const std::int64_t stop = end(rate),
                         start = std::max<std::int64_t>(0, stop - static_cast<std::int64_t>(rate / 10));
      return dsmm::sensor_span{name,
                               rate,
                               channels,
                               start,
                               static_cast<std::size_t>(stop - start),
                               from.data() + start * channels,
                               std::chrono::nanoseconds(0),
                               dsmm::sensor_health::good};
    };
    const dsmm::sensor_span spans[] = {span("vibration", 20'000, 3, vibration), span("force", 1'000, 1, force),
                                       span("heat", 100, 1, heat)};
    picture[static_cast<std::size_t>(k)] ^= 1;
    passed += inspector.inspect(frame, spans, {0, dsmm::steady_now(), false}).verdict == dsmm::verdict::pass;
  }
  watching = false;
  expect(passed > 150, "the line judges parts while it is watched");
  expect(allocations == 0, "inspect() neither allocates nor frees");
  expect(locks == 0, "inspect() takes no lock");
}

/// Levels that take turns as a deadline asks for.
void run_levels(std::uint32_t threads) {
  const auto file = nested_model::line_file();
  dsmm::thread_pool pool(threads);
  const dsmm::session_options options{pool.handle(), {}};
  if (!file) return expect(false, file.error().text);
  const auto m = *dsmm::model::open(file->bytes());
  auto arena = dsmm::file_bytes::allocate(*dsmm::elastic_session::required(m, options));
  auto levels = dsmm::elastic_session::prepare(m, arena->bytes(), options);
  if (!levels) return expect(false, levels.error().text);
  dsmm::level_choice choice(levels->levels(), 1);
  for (std::uint32_t k = 0; k < levels->levels(); ++k) choice.record(k, std::chrono::milliseconds(10 / (k + 1)));
  unsigned used = 0;
  watching = true;
  for (int k = 0; k < 100; ++k) {
    const std::uint32_t level = choice.choose(std::chrono::milliseconds(1 + k % 12)).level;
    levels->run_all(1);
    levels->run(level, 0);
    choice.record(level, std::chrono::milliseconds(1));
    used |= 1u << level;
  }
  levels->reset();
  watching = false;
  expect(used == 7, "every level has run");
  expect(allocations == 0, "changing the level neither allocates nor frees");
  expect(locks == 0, "changing the level takes no lock");
}

}  // namespace

int main() {
  positive_control();
  run_line(1);
  run_line(2);
  run_levels(1);
  run_levels(2);
  std::printf("steady state: %s\n", failures == 0 ? "no allocation, no lock" : "not quiet");
  return failures == 0 ? 0 : 1;
}
