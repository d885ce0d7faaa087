// SPDX-License-Identifier: Apache-2.0
#include <CLI/CLI.hpp>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tools/commands.hpp"

namespace dsmm::inline DSMM_ABI::tools {

namespace {

std::vector<const CLI::App*> commands_of(const CLI::App& root) {
  return root.get_subcommands(std::function<bool(const CLI::App*)>());
}

std::string without(std::string text, const char* unwanted) {
  for (char& c : text)
    if (std::string(unwanted).find(c) != std::string::npos || c == '\n') c = ' ';
  return text;
}

/// All options of a command, as they are typed.
std::string words_of(const CLI::App& command) {
  std::string out;
  for (const CLI::Option* o : command.get_options()) {
    for (const std::string& name : o->get_lnames()) out += " --" + name;
    for (const std::string& name : o->get_snames()) out += " -" + name;
  }
  return out.empty() ? out : out.substr(1);
}

std::string bash_script(const CLI::App& root) {
  std::string names, cases;
  for (const CLI::App* c : commands_of(root)) {
    names += (names.empty() ? "" : " ") + c->get_name();
    cases += "    " + c->get_name() + ") words=\"" + words_of(*c) + "\" ;;\n";
  }
  return "# dsmm completion bash: source this file, or put it into /etc/bash_completion.d/dsmm\n"
         "_dsmm() {\n"
         "  local current=${COMP_WORDS[COMP_CWORD]} words=\"\"\n"
         "  COMPREPLY=()\n"
         "  if [ \"$COMP_CWORD\" -eq 1 ]; then\n"
         "    COMPREPLY=($(compgen -W \"" + names + " --help --version\" -- \"$current\"))\n"
         "    return\n"
         "  fi\n"
         "  case ${COMP_WORDS[1]} in\n" + cases +
         "  esac\n"
         "  if [[ $current == -* ]]; then COMPREPLY=($(compgen -W \"$words\" -- \"$current\"))\n"
         "  else COMPREPLY=($(compgen -f -- \"$current\")); fi\n"
         "}\n"
         "complete -o filenames -F _dsmm dsmm\n";
}

std::string zsh_script(const CLI::App& root) {
  std::string names, cases;
  for (const CLI::App* c : commands_of(root)) {
    names += "    '" + c->get_name() + ":" + without(c->get_description(), "':") + "'\n";
    cases += "    " + c->get_name() + ") _arguments";
    for (const CLI::Option* o : c->get_options())
      for (const std::string& name : o->get_lnames())
        cases += " '--" + name + "[" + without(o->get_description(), "'[]:") + "]" +
                 (o->get_items_expected_max() > 0 ? ":value:_files'" : "'");
    cases += " '*:file:_files' ;;\n";
  }
  return "#compdef dsmm\n"
         "# dsmm completion zsh: save as _dsmm in a folder of $fpath\n"
         "_dsmm() {\n"
         "  local -a commands=(\n" + names +
         "  )\n"
         "  if (( CURRENT == 2 )); then _describe command commands; return; fi\n"
         "  shift words\n"
         "  (( CURRENT-- ))\n"
         "  case $words[1] in\n" + cases +
         "  esac\n"
         "}\n"
         "_dsmm \"$@\"\n";
}

}  // namespace

void completion(CLI::App& app) {
  const auto shell = std::make_shared<std::string>();
  app.add_option("shell", *shell, "bash or zsh")->required()->check(CLI::IsMember({"bash", "zsh"}));
  app.callback([&app, shell] {
    const CLI::App& root = *app.get_parent();
    std::fputs((*shell == "bash" ? bash_script(root) : zsh_script(root)).c_str(), stdout);
  });
}

}  // namespace dsmm::inline DSMM_ABI::tools
