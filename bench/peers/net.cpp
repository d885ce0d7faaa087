// SPDX-License-Identifier: Apache-2.0
// dsmm's side of bench/peers/peers.py: builds the network that a text file lists, its constants from a binary file,
// then obeys lines on stdin. net NET.txt WEIGHTS.bin INPUT.bin THREADS BITS
//   write FILE      runs once, writes the bytes of the last value
//   time SECONDS    prints the shortest run in microseconds
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <fstream>
#include <iostream>
#include <iterator>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "dsmm/core/thread_pool.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/model/model.hpp"
#include "dsmm/model/writer.hpp"

namespace {

using namespace dsmm;

/// The constants, in the order in which the layers take them.
class constants {
public:
  explicit constants(const char* file) : in_(file, std::ios::binary) {}
  template <class T>
  std::vector<T> take(std::size_t n) {
    std::vector<T> v(n);
    in_.read(reinterpret_cast<char*>(v.data()), static_cast<std::streamsize>(n * sizeof(T)));
    return v;
  }

private:
  std::ifstream in_;
};

struct value {
  std::uint32_t id;
  extents shape;
  quantization q;
};

/// Weights of multiples of 16 as nibbles without groups, two to a byte.
std::vector<std::byte> nibbles(const std::vector<std::int8_t>& w8, std::size_t rows) {
  const std::size_t depth = w8.size() / rows;
  std::vector<std::byte> out(i4s_bytes(rows, depth, 0));
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t k = 0; k < depth; ++k)
      out[r * ((depth + 1) / 2) + k / 2] |=
          static_cast<std::byte>((w8[r * depth + k] / 16 + 8) << (4 * static_cast<int>(k % 2)));
  return out;
}

class network {
public:
  network(const char* list, const char* weights, int bits) : bits_(bits), constants_(weights) {
    std::ifstream in(list);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    for (std::size_t i = 0; i < lines.size(); ++i) {
      last_ = i + 1 == lines.size();
      add(lines[i]);
    }
  }
  model_writer writer;

private:
  value make(extents shape, quantization q) {
    std::string name(1, 'v');
    name += std::to_string(values_.size());
    return {last_ ? writer.output("y", dtype::u8, shape, q) : writer.value(name, dtype::u8, shape, q), shape, q};
  }

  void add(const std::string& line) {
    std::istringstream s(line);
    std::string kind;
    s >> kind;
    if (kind == "input") {
      value v{};
      s >> v.shape.h >> v.shape.w >> v.shape.c >> v.q.scale >> v.q.zero_point;
      v.id = writer.input("x", dtype::u8, v.shape, v.q);
      writer.program("net");
      values_.push_back(v);
    } else if (kind == "add") {
      std::size_t a = 0, b = 0;
      std::int32_t relu = 0;
      quantization q;
      s >> a >> b >> relu >> q.scale >> q.zero_point;
      values_.push_back(make(values_[a].shape, q));
      writer.op(op_kind::add, "add", {values_[a].id, values_[b].id}, {values_.back().id}, {relu});
    } else if (kind == "max_pool" || kind == "avg_pool") {
      std::size_t from = 0;
      std::int32_t k = 0, stride = 0, pad = 0;
      extents shape;
      quantization q;
      s >> from >> k >> stride >> pad >> shape.h >> shape.w >> q.scale >> q.zero_point;
      shape.c = values_[from].shape.c;
      values_.push_back(make(shape, q));
      writer.op(kind == "max_pool" ? op_kind::max_pool : op_kind::avg_pool, kind.c_str(), {values_[from].id},
                {values_.back().id}, {k, k, stride, stride, pad, pad, pad, pad});
    } else {
      add_convolution(kind, s);
    }
  }

  void add_convolution(const std::string& kind, std::istringstream& s) {
    std::size_t from = 0;
    std::int32_t k = 0, stride = 0, pad = 0, relu = 0;
    extents shape;
    quantization q;
    s >> from >> k >> stride >> pad >> shape.h >> shape.w >> shape.c >> relu >> q.scale >> q.zero_point;
    const std::int32_t in = kind == "dwconv" ? 1 : values_[from].shape.c;
    const auto rows = static_cast<std::size_t>(shape.c);
    const auto w8 = constants_.take<std::int8_t>(rows * static_cast<std::size_t>(k * k * in));
    const auto bias = constants_.take<std::int32_t>(rows);
    const auto scale = constants_.take<float>(rows);
    std::string name(1, 'w');
    name += std::to_string(values_.size());
    const std::int32_t extent[] = {shape.c, k, k, in};
    // First layers and depthwise ones stay 8 bit, as everywhere in dsmm.
    const bool four = bits_ == 4 && kind != "dwconv" && in > 4;
    const std::uint32_t w = four ? writer.constant(name, dtype::i4s, extent, nibbles(w8, rows))
                                 : writer.constant(name, dtype::s8, extent, std::as_bytes(std::span(w8)));
    const std::uint32_t b = writer.constant<std::int32_t>(name + "b", {shape.c}, bias);
    const std::uint32_t f = writer.constant<float>(name + "s", {shape.c}, scale);
    values_.push_back(make(shape, q));
    const std::uint32_t x = values_[from].id, y = values_.back().id;
    if (kind == "linear") writer.op(op_kind::linear, name, {x, w, b, f}, {y}, {relu});
    else if (kind == "dwconv")
      writer.op(op_kind::dwconv2d, name, {x, w, b, f}, {y}, {stride, stride, pad, pad, pad, pad, 1, 1, relu});
    else writer.op(op_kind::conv2d, name, {x, w, b, f}, {y}, {stride, stride, pad, pad, pad, pad, 1, 1, 1, relu});
  }

  int bits_;
  bool last_ = false;
  constants constants_;
  std::vector<value> values_;
};

template <class T>
T checked(result<T> r) {
  if (r) return std::move(*r);
  std::fprintf(stderr, "net: %s %s\n", r.error().text, r.error().name);
  std::exit(1);
}

/// Wall time; of one thread processor time, so that what other programs take does not count.
double seconds(bool one_thread) {
  timespec now{};
  clock_gettime(one_thread ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

/// A model ready to run, in memory of its own.
struct ready {
  std::vector<std::byte> memory;
  session run;

  ready(const model& m, const session_options& options)
      : memory(checked(session::required(m, options)) + 64), run(checked(session::prepare(m, arena(), options))) {}

private:
  std::span<std::byte> arena() {
    void* at = memory.data();
    std::size_t space = memory.size();
    std::align(64, space - 64, at, space);
    return {static_cast<std::byte*>(at), memory.size() - 64};
  }
};

void print_peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM")) std::puts(line.c_str());
}

/// What a product does: load, prepare, run once.
int run_file(const char* path) {
  const owned_model m = checked(owned_model::open(path));
  ready net(*m, {});
  net.run.run();
  print_peak_memory();
  return 0;
}

int main(int argc, char** argv) {
  if (argc == 2) return run_file(argv[1]);
  if (argc != 6) return std::fputs("net NET.txt WEIGHTS.bin INPUT.bin THREADS BITS, or net FILE.dsmm\n", stderr), 2;
  const network net(argv[1], argv[2], std::atoi(argv[5]));
  const file_bytes file = checked(net.writer.finish());
  const model m = checked(model::open(file.bytes()));
  const int threads = std::atoi(argv[4]);
  thread_pool pool(static_cast<std::uint32_t>(threads));
  session_options options;
  options.exec = pool.handle();
  ready prepared(m, options);
  session& s = prepared.run;

  const auto x = s.u8(checked(s.find("x")));
  std::ifstream input(argv[3], std::ios::binary);
  for (std::int32_t row = 0; row < x.shape.h; ++row)
    for (std::int32_t col = 0; col < x.shape.w; ++col) input.read(reinterpret_cast<char*>(x.at(row, col)), x.shape.c);
  s.run();
  for (std::string command; std::cin >> command;) {
    std::string argument;
    std::cin >> argument;
    if (command == "write") {
      s.run();
      const auto y = s.u8(checked(s.find("y")));
      std::ofstream out(argument, std::ios::binary);
      for (std::int32_t row = 0; row < y.shape.h; ++row)
        for (std::int32_t col = 0; col < y.shape.w; ++col)
          out.write(reinterpret_cast<const char*>(y.at(row, col)), y.shape.c);
      out.close();
      std::printf("written\n");
    } else if (command == "save") {
      if (!write_file(argument.c_str(), file.bytes())) return 1;
      std::printf("saved\n");
    } else {
      double best = 1e9;
      for (const double end = seconds(threads == 1) + std::atof(argument.c_str()); seconds(threads == 1) < end;) {
        const double start = seconds(threads == 1);
        s.run();
        best = std::min(best, seconds(threads == 1) - start);
      }
      std::printf("%.3f\n", best * 1e6);
    }
    std::fflush(stdout);
  }
}
