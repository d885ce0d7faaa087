// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "dsmm/core/thread_pool.hpp"
#include "dsmm/graph/self_test.hpp"
#include "dsmm/graph/session.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/model/model.hpp"
#include "tools/commands.hpp"
#include "tools/general_ops.hpp"
#include "tools/level.hpp"
#include "tools/npy.hpp"
#include "tools/onnx/plain_run.hpp"
#include "tools/onnx/written.hpp"
#include "tools/picture/picture_input.hpp"
#include "tools/problem.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

struct run_options {
  std::string model, output = ".", program, isa;
  std::vector<std::string> inputs;
  picture_input pictures;
  std::uint32_t threads = 1;
  double level = whole_file;
  bool fresh = false, json = false;
};

/// An array file that feeds one input: as many items as its leading dimension, or one for all runs.
struct feed {
  std::uint32_t tensor = 0;
  file_bytes file;
  npy_view array;
  std::size_t items = 0, item_bytes = 0;
};

/// A model output and what it gave so far.
struct sink {
  std::uint32_t tensor = 0;
  std::string name;
  std::vector<std::byte> bytes;
};

feed open_feed(const session& s, const std::string& option, const picture_input& pictures) {
  const std::size_t equal = option.find('=');
  if (equal == std::string::npos) throw problem{"an input is NAME=FILE", option, "see dsmm run --help", 2};
  const std::string name = option.substr(0, equal), path = option.substr(equal + 1);
  feed f;
  f.tensor = need(s.find(name), path);
  const format::tensor_row& t = s.source().tensors()[f.tensor];
  if (t.kind != format::tensor_kind::input)
    throw problem{"this tensor is not an input", name, "see dsmm info for the inputs", 2};
  f.file = pictures.read(path, t);
  f.array = need(parse_npy(f.file.bytes()), path);
  const bool is_u8 = ops::type_of(t) == dtype::u8;
  if (f.array.type != (is_u8 ? npy_type::u8 : npy_type::f32))
    throw problem{"element type is not the input's", path, is_u8 ? "save it as uint8" : "save it as float32"};
  f.item_bytes = static_cast<std::size_t>(ops::shape_of(t).count()) * row_of(f.array.type).bytes;
  if (f.array.data.empty() || f.array.data.size() % f.item_bytes != 0)
    throw problem{"the array is not a whole number of inputs", path,
                  "its trailing dimensions must be those of '" + name + "' in dsmm info"};
  f.items = f.array.data.size() / f.item_bytes;
  return f;
}

void load(session& s, const feed& f, std::size_t item) {
  const std::byte* from = f.array.data.data() + (f.items == 1 ? 0 : item) * f.item_bytes;
  detail::each_pixel(s, f.tensor, [&](auto row) {
    std::memcpy(row.data(), from, row.size_bytes());
    from += row.size_bytes();
  });
}

void store(const session& s, sink& to) {
  detail::each_pixel(s, to.tensor, [&](auto row) {
    const auto bytes = std::as_bytes(row);
    to.bytes.insert(to.bytes.end(), bytes.begin(), bytes.end());
  });
}

template <class T>
void write(const sink& from, const std::filesystem::path& path, extents e, std::size_t runs) {
  const std::int64_t shape[] = {static_cast<std::int64_t>(runs), e.h, e.w, e.c};
  std::vector<T> values(from.bytes.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), from.bytes.data(), from.bytes.size());
  need(write_npy<T>(path.c_str(), shape, values), path.string());
}

std::vector<sink> sinks_of(const model& m, std::uint32_t program) {
  std::vector<sink> sinks;
  for (std::uint32_t i = 0; i < m.tensors().size(); ++i)
    if (m.tensors()[i].kind == format::tensor_kind::output && detail::touches(m, program, i, false))
      sinks.push_back({i, std::string(m.name(m.tensors()[i].name)), {}});
  return sinks;
}

void run_model(const run_options& o) {
  const owned_model file = open_level(o.model, o.level);
  const model& m = *file;
  thread_pool pool(o.threads);
  session_options options;
  options.exec = pool.handle();
  options.general = &find_general_op;
  if (!o.isa.empty()) options.level = need(find_isa(o.isa), "--isa");
  if (has_general_ops(m)) return report(run_plain(m, o.model, o.inputs, o.pictures, o.output, options), o.json);
  file_bytes arena = need(file_bytes::allocate(need(session::required(m, options), o.model)), o.model);
  session s = need(session::prepare(m, arena.bytes(), options), o.model);
  need(self_test(s), o.model);

  std::uint32_t program = 0;
  if (!o.program.empty()) {
    const auto found = m.find_program(o.program);
    if (!found) throw problem{"the model has no program of this name", o.program, "see dsmm info", 2};
    program = *found;
  }
  std::vector<feed> feeds;
  for (const std::string& input : o.inputs) feeds.push_back(open_feed(s, input, o.pictures));
  std::size_t runs = 1;
  for (const feed& f : feeds) {
    if (f.items != 1 && runs != 1 && f.items != runs)
      throw problem{"inputs differ in their number of items", o.inputs.back(), "give each the same leading dimension"};
    runs = std::max(runs, f.items);
  }
  std::vector<sink> sinks = sinks_of(m, program);
  for (std::size_t r = 0; r < runs; ++r) {
    if (o.fresh) s.reset();
    for (const feed& f : feeds) load(s, f, r);
    s.run(program);
    for (sink& to : sinks) store(s, to);
  }
  std::error_code error;
  std::filesystem::create_directories(o.output, error);
  std::vector<written> files;
  for (const sink& from : sinks) {
    const auto path = std::filesystem::path(o.output) / (from.name + ".npy");
    const format::tensor_row& t = m.tensors()[from.tensor];
    if (ops::type_of(t) == dtype::u8) write<std::uint8_t>(from, path, ops::shape_of(t), runs);
    else write<float>(from, path, ops::shape_of(t), runs);
    files.push_back({from.name, path.string(), {static_cast<std::int64_t>(runs), t.dims[0], t.dims[1], t.dims[2]}});
  }
  report(files, o.json);
}

}  // namespace

void run(CLI::App& app) {
  const auto o = std::make_shared<run_options>();
  app.add_option("model", o->model, "model file (.dsmm)")->required();
  app.add_option("-i,--input", o->inputs, "NAME=FILE: .npy (a leading dimension runs item after item), .png or .jpg")
      ->expected(1, -1);
  app.add_option("-o,--output", o->output, "folder for one .npy per output")->capture_default_str();
  app.add_option("--program", o->program, "entry point; the first one by default");
  app.add_option("--level", o->level, "run this level of a file of levels, e.g. 0.5");
  app.add_option("--isa", o->isa,
                 "instruction set: generic, x86_sse41, x86_avx2, x86_avxvnni, x86_avx512bw, x86_avx512vnni, "
                 "x86_avx512vbmi, x86_amx, arm_neon, arm_neondot, arm_i8mm");
  app.add_option("--threads", o->threads, "threads; never changes a result")->check(CLI::Range(1, 256));
  app.add_flag("--fresh", o->fresh, "forget the states before each item");
  o->pictures.declare(app);
  app.add_flag("--json", o->json, "what was written, for programs");
  app.callback([o] { run_model(*o); });
}

}  // namespace dsmm::inline DSMM_ABI::tools
