// SPDX-License-Identifier: Apache-2.0
// emit_samples FOLDER: writes the headers that embedded.cpp includes.
#include <cstdio>
#include <span>
#include <string>

#include "dsmm/convert/emit_header.hpp"
#include "dsmm/model/file.hpp"
#include "dsmm/ops/nd/registry.hpp"
#include "tests/embedded/general_model.hpp"
#include "tests/graph/sample_models.hpp"
#include "tests/model/every_op_model.hpp"

namespace {

bool emit(const dsmm::model_writer& writer, const std::string& folder, const char* name) {
  const auto file = writer.finish();
  if (!file) return std::printf("%s: %s\n", name, file.error().text), false;
  const auto m = dsmm::model::open(file->bytes());
  const auto text = dsmm::convert::emit_header(*m, {name, &dsmm::ops::nd::find_definition});
  if (!text) return std::printf("%s: %s\n", name, text.error().text), false;
  const std::string path = folder + "/" + name + ".hpp";
  const auto written = dsmm::write_file(path.c_str(), std::as_bytes(std::span(*text)));
  if (!written) std::printf("%s: %s\n", path.c_str(), written.error().text);
  return written.has_value();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const bool ok = emit(samples::picture_net(53), argv[1], "picture_net") &&
                  emit(every_op::writer(), argv[1], "every_op_net") &&
                  emit(samples::general_net(), argv[1], "general_net");
  return ok ? 0 : 1;
}
