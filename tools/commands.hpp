// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsmm/config.hpp"

namespace CLI {
class App;
}

namespace dsmm::inline DSMM_ABI::tools {

/// Each sub-command lives in a file of its own. Its function declares options on `app` and sets app.callback(); the
/// callback does the job, throws `problem` if it cannot, and prints results on stdout.
void bench(CLI::App& app);
void check(CLI::App& app);
void completion(CLI::App& app);
void conformance(CLI::App& app);
void demo(CLI::App& app);
void emit(CLI::App& app);
void import_graph(CLI::App& app);
void info(CLI::App& app);
void prune(CLI::App& app);
void quantize(CLI::App& app);
void run(CLI::App& app);
void simulate(CLI::App& app);

struct command {
  const char* name;
  const char* summary;
  const char* example;
  void (*declare)(CLI::App& app);
};

/// In the order in which help shows them.
inline constexpr command commands[] = {
    {"bench", "time a model, or two against each other", "dsmm bench part.dsmm part_int4.dsmm --threads 2", bench},
    {"check", "list what keeps an ONNX model from being imported", "dsmm check part.onnx", check},
    {"completion", "print the completion script of a shell", "source <(dsmm completion bash)", completion},
    {"conformance", "run ONNX node tests", "dsmm conformance onnx_node_tests --quiet", conformance},
    {"demo", "run a line, simulated or recorded, and report", "dsmm demo --seconds 20", demo},
    {"emit", "write a model as one C++ header, without files and heap", "dsmm emit part.dsmm --header part.hpp", emit},
    {"import", "turn an ONNX model into a .dsmm file", "dsmm import part.onnx -o part.dsmm --shape image=1x3x224x224",
     import_graph},
    {"info", "show what is inside a model", "dsmm info part.dsmm --ops", info},
    {"quantize", "turn an imported model into one that runs on 4- and 8-bit integers",
     "dsmm quantize part.dsmm --calibration photos -o part_int4.dsmm --scale 1/255", quantize},
    {"prune", "cut channels or blocks of weights out of a model and refit the rest",
     "dsmm prune part.dsmm --keep 0.5 --calibration samples -o small.dsmm", prune},
    {"run", "run a model on arrays or pictures", "dsmm run part.dsmm --input image=part.png --output out", run},
    {"simulate", "write parts of the simulated line, with ground truth", "dsmm simulate -o parts --parts 1000",
     simulate},
};

}  // namespace dsmm::inline DSMM_ABI::tools
