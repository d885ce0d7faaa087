// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/convert/builder.hpp"
#include "dsmm/convert/emit_model.hpp"
#include "dsmm/convert/import_options.hpp"
#include "dsmm/convert/importer.hpp"
#include "dsmm/convert/onnx_import.hpp"
#include "dsmm/convert/onnx_external.hpp"
#include "dsmm/convert/onnx_proto.hpp"
#include "dsmm/convert/pass/absorb.hpp"
#include "dsmm/convert/quantize/adopt_grids.hpp"
#include "dsmm/core/result.hpp"
#include "dsmm/model/file.hpp"

namespace dsmm::inline DSMM_ABI::convert {

namespace import_impl {

/// META is lines of key=value.
inline std::string one_line(std::string_view text) {
  std::string out(text.substr(0, 200));
  for (char& c : out)
    if (static_cast<unsigned char>(c) < 32) c = ' ';
  return out;
}

}  // namespace import_impl

DSMM_INLINE result<file_bytes> import_onnx(std::span<const std::byte> file, const import_options& options,
                                           import_report* report) {
  import_report unread;
  import_report& notes = report != nullptr ? *report : unread;
  notes = {};
  if (options.general == nullptr)
    return failure{errc::invalid_argument, "import_onnx: set import_options::general to &ops::nd::find_definition"};
  const onnx::external_folder folder(options.folder.value_or(""));
  const auto model = onnx::read_model(file, options.folder ? &folder : nullptr);
  if (!model) return model.error();
  notes.producer = import_impl::one_line(model->producer);
  if (!model->producer_version.empty()) notes.producer += " " + import_impl::one_line(model->producer_version);
  builder to(16 * file.size() + (std::uint64_t{128} << 20), options.general, options.integers);
  to.set_producer(model->producer);
  importer(*model, to, options, notes).run();
  if (!notes.issues.empty()) {
    const import_issue& first = notes.issues.front();
    return failure{first.code, "the model cannot be imported; dsmm check lists why"}.named(first.node.data(),
                                                                                           first.node.size());
  }
  if (to.failed()) return to.error();
  std::vector<std::pair<std::string, std::string>> meta = {
      {"source", "onnx"}, {"producer", notes.producer}, {"opset", std::to_string(notes.opset)}};
  for (const auto& [name, axis] : notes.open_outputs)
    meta.emplace_back("open." + import_impl::one_line(name), std::to_string(axis));
  if (options.fuse) fuse(to.graph());
  if (options.integers) {
    session_options run;
    run.general = options.general;
    auto adopted = adopt_grids(to.graph(), meta, run);
    if (!adopted) return adopted.error();
    if (*adopted) return std::move(**adopted);
  }
  return emit_model(to.graph(), meta);
}

}  // namespace dsmm::inline DSMM_ABI::convert
