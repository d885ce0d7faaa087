#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""House rules that a compiler does not know: file lengths, silence of the library, macro and #if budget, names."""
import pathlib
import re
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
SOURCES = [p for d in ("include", "src", "gst", "tools", "tests", "bench", "examples")
           for p in sorted((ROOT / d).rglob("*")) if p.suffix in (".hpp", ".cpp", ".cuh", ".cu")]
HARD_LIMIT = 500
# Waivers, each with its reason.
LONG_LINES_OK = {"tools/report/style.hpp": "a style sheet: one CSS rule per line"}
BANNED_NAMES = re.compile(r"(^|_)(utils?|helpers?|common|misc)(_|\.|$)")
# The library neither prints nor ends the process: that is the caller's to decide.
LOUD = re.compile(r"\b(std::cout|std::cerr|printf|puts|abort|std::terminate|exit|assert)\s*\(|#\s*include\s*<(iostream|print)>")
LOUD_OK = {"include/dsmm/gst"}
CONDITIONAL = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif)\b")
CONDITIONAL_ROOMS = ("config.hpp", "core/float_mode", "core/thread_pool", "core/sha256", "isa/", "kernels/", "gst/")
DEFINITIONS = "#if !DSMM_COMPILED"  # ends a header whose definitions may come from dsmm::compiled instead


def strip_comment(line: str) -> str:
    return line.split("//", 1)[0]


def main() -> int:
    errors = []
    lengths = []
    for path in SOURCES:
        name = str(path.relative_to(ROOT))
        lines = path.read_text().splitlines()
        lengths.append(len(lines))
        if len(lines) > HARD_LIMIT:
            errors.append(f"{name}: {len(lines)} lines, the limit is {HARD_LIMIT}")
        if not lines or "SPDX-License-Identifier: Apache-2.0" not in lines[0]:
            errors.append(f"{name}:1: the first line is the SPDX line")
        if BANNED_NAMES.search(path.name):
            errors.append(f"{name}: a file is named after the one thing in it")
        for number, line in enumerate(lines, 1):
            if len(line) > 120 and name not in LONG_LINES_OK:
                errors.append(f"{name}:{number}: {len(line)} columns, the limit is 120")
            if re.search(r"\b(TODO|FIXME|XXX)\b", line):
                errors.append(f"{name}:{number}: finish it or file an issue")
            if not name.startswith("include/"):
                continue
            inner = name.removeprefix("include/dsmm/")
            if LOUD.search(strip_comment(line)) and not name.startswith("include/dsmm/gst/"):
                errors.append(f"{name}:{number}: the library does not print or end the process")
            if CONDITIONAL.match(line) and line != DEFINITIONS and not inner.startswith(CONDITIONAL_ROOMS):
                errors.append(f"{name}:{number}: conditional compilation belongs into config.hpp or an ISA file")
            if re.match(r"\s*#\s*define\b", line) and inner != "config.hpp" and not inner.startswith(("gst/", "isa/")):
                errors.append(f"{name}:{number}: macros live in config.hpp")
        if path.suffix == ".hpp" and name.startswith("include/") and "#pragma once" not in lines[:3]:
            errors.append(f"{name}: #pragma once behind the SPDX line")
    print(f"style: {len(SOURCES)} files, median {statistics.median(lengths):.0f} lines, longest {max(lengths)}, "
          f"include/ has {sum(len(p.read_text().splitlines()) for p in SOURCES if 'include' in p.parts)} lines")
    for e in errors:
        print(f"style: {e}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
