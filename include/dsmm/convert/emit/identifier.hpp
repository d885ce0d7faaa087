// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <iterator>
#include <set>
#include <string>
#include <string_view>

#include "dsmm/config.hpp"

namespace dsmm::inline DSMM_ABI::convert {

/// Words that a generated member must not be called: C++ keywords, and what the class has already.
inline constexpr std::string_view taken_words[] = {
    "alignas",   "alignof",   "and",       "asm",       "auto",       "bitand",    "bitor",    "bool",     "break",
    "case",      "catch",     "char",      "class",     "compl",      "concept",   "const",    "constexpr", "continue",
    "decltype",  "default",   "delete",    "do",        "double",     "dsmm",      "else",     "embedded", "enum",
    "explicit",  "export",    "extern",    "false",     "float",      "for",       "friend",   "goto",     "identity",
    "if",        "inline",    "int",       "long",      "memory",     "model_file", "mutable", "namespace", "net",
    "new",       "noexcept",  "not",       "nullptr",   "open",       "operator",  "or",       "plain",    "ports",
    "private",   "protected", "public",    "register",  "requires",   "reset",     "return",   "run",      "session",
    "short",     "signed",    "sizeof",    "source",    "static",     "std",       "struct",   "switch",   "template",
    "this",      "throw",     "true",      "try",       "typedef",    "typeid",    "typename", "union",    "unsigned",
    "using",     "virtual",   "void",      "volatile",  "while",      "xor",       "plan",     "linux",    "unix"};

/// Whether a name can be that of a namespace as it is.
inline bool is_identifier(std::string_view name) {
  const auto is_word = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  if (name.empty() || name.size() > 128 || !is_word(name[0]) || name[0] == '_' || name.ends_with('_')) return false;
  if (name.find("__") != std::string_view::npos) return false;
  return std::all_of(name.begin(), name.end(), [&](char c) { return is_word(c) || (c >= '0' && c <= '9'); }) &&
         std::find(std::begin(taken_words), std::end(taken_words), name) == std::end(taken_words);
}

/// Makes identifiers of names, each once: other characters become '_', and what is taken gets a number.
class identifiers {
public:
  std::string make(std::string_view name) {
    std::string word;
    for (const char c : name) {
      const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
      if (plain) word += c;
      else if (!word.empty() && word.back() != '_') word += '_';
    }
    while (!word.empty() && word.back() == '_') word.pop_back();
    if (word.size() > 64) word.resize(64);
    if (word.empty() || (word[0] >= '0' && word[0] <= '9')) word.insert(0, word.empty() ? "tensor" : "t");
    std::string unique = word;
    for (int n = 2; !is_identifier(unique) || !used_.insert(unique).second; ++n) unique = word + std::to_string(n);
    return unique;
  }

private:
  std::set<std::string, std::less<>> used_;
};

}  // namespace dsmm::inline DSMM_ABI::convert
