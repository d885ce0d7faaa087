// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include "dsmm/config.hpp"
#include "tools/commands.hpp"
#include "tools/problem.hpp"

namespace {

constexpr const char* about =
    "dsmm decides on the factory line whether a part is good.\n"
    "A model is one .dsmm file: graph, weights, thresholds, and the proof that it runs here as it was made.";

constexpr const char* closing =
    "\ndsmm COMMAND --help shows the options of a command.\n"
    "Results go to stdout, progress to stderr. Exit status: 0 done, 1 the job failed, 2 the command was used wrongly.";

std::string examples() {
  std::string out = "From an ONNX model to the line:"
                    "\n  dsmm check part.onnx                          what keeps it from being imported"
                    "\n  dsmm import part.onnx -o part.dsmm            one verified file, the same bits everywhere"
                    "\n  dsmm run part.dsmm -i image=part.png -o out   one .npy per output"
                    "\n  dsmm bench part.dsmm                          how long it takes, op by op"
                    "\n  dsmm emit part.dsmm --header part.hpp         the model inside your own program"
                    "\n\nAn example of each command:";
  for (const dsmm::tools::command& c : dsmm::tools::commands) out.append("\n  ").append(c.example);
  return out + "\n";
}

int say(const dsmm::tools::problem& p) {
  std::string line = "dsmm: " + p.what;
  if (!p.where.empty()) line += " (" + p.where + ")";
  if (!p.advice.empty()) line += ": " + p.advice;
  for (char& c : line)
    if (c == '\n' || c == '\r') c = ' ';
  std::fprintf(stderr, "%s\n", line.c_str());
  return p.status;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(about, "dsmm");
  app.footer(examples() + closing);
  app.set_version_flag("--version", "dsmm " + std::to_string(DSMM_VERSION_MAJOR) + "." +
                                        std::to_string(DSMM_VERSION_MINOR) + "." + std::to_string(DSMM_VERSION_PATCH));
  app.require_subcommand(0, 1);
  for (const dsmm::tools::command& c : dsmm::tools::commands) {
    CLI::App& sub = *app.add_subcommand(c.name, c.summary);
    sub.footer(std::string("Try: ") + c.example);
    c.declare(sub);
  }
  try {
    if (argc == 1) {
      std::cout << app.help();
      return 0;
    }
    app.parse(argc, argv);
    return 0;
  } catch (const dsmm::tools::problem& p) {
    return say(p);
  } catch (const CLI::ParseError& e) {
    if (e.get_exit_code() == 0) return app.exit(e);  // --help, --version
    const auto used = app.get_subcommands();
    const std::string command = used.empty() ? "" : used.front()->get_name();
    return say({e.what(), command, "see dsmm " + (command.empty() ? "" : command + " ") + "--help", 2});
  } catch (const std::exception& e) {
    return say({e.what(), "", "free memory or disk space, then try again", 1});
  }
}
