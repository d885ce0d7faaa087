// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <ctime>

/// Processor time of this thread: what other programs take does not count.
inline double thread_seconds() {
  timespec t{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

/// The shortest time of one call of f, over `span` seconds in batches of 0.1 ms or more.
template <class F>
double best_time(F&& f, double span = 0.12) {
  f();
  int calls = 1;
  for (double spent = 0.0; spent < 0.0001; calls *= 2) {
    const double start = thread_seconds();
    for (int i = 0; i < calls; ++i) f();
    spent = thread_seconds() - start;
  }
  double best = 1e9;
  for (const double end = thread_seconds() + span; thread_seconds() < end;) {
    const double start = thread_seconds();
    for (int i = 0; i < calls; ++i) f();
    best = std::min(best, (thread_seconds() - start) / calls);
  }
  return best;
}
