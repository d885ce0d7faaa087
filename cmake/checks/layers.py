#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Fails on an include against the direction of the house; --dot prints the graph of what is there."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDE = ROOT / "include" / "dsmm"
# A room may include itself and every room above it in this list.
ORDER = ["config", "core", "isa", "kernels", "model", "ops", "graph", "convert", "models", "detect", "explain",
         "stream", "inspect", "opencv", "cuda", "gst", "dsmm"]
LIBRARY_ROOMS = {"gst": ("gst/", "glib"), "opencv": ("opencv2/",)}


def room_of(path: str) -> str:
    head = path.split("/", 1)[0]
    return head.removesuffix(".hpp")


def main() -> int:
    edges: dict[tuple[str, str], int] = {}
    errors = []
    for header in sorted(INCLUDE.rglob("*.hpp")):
        room = room_of(str(header.relative_to(INCLUDE)))
        if room not in ORDER:
            errors.append(f"{header.relative_to(ROOT)}: room '{room}' is not in the house")
            continue
        for number, line in enumerate(header.read_text().splitlines(), 1):
            where = f"{header.relative_to(ROOT)}:{number}"
            inner = re.match(r'\s*#\s*include\s+"dsmm/([^"]+)"', line)
            if inner:
                target = room_of(inner.group(1))
                edges[room, target] = edges.get((room, target), 0) + 1
                if target not in ORDER or ORDER.index(target) > ORDER.index(room):
                    errors.append(f"{where}: {room} must not include {target}")
                continue
            outer = re.match(r"\s*#\s*include\s+<([^>]+)>", line)
            if outer:
                for owner, prefixes in LIBRARY_ROOMS.items():
                    if outer.group(1).startswith(prefixes) and room != owner:
                        errors.append(f"{where}: only {owner}/ includes <{outer.group(1)}>")
    if "--dot" in sys.argv:
        print("digraph dsmm {")
        for (a, b), n in sorted(edges.items()):
            if a != b:
                print(f'  {a} -> {b} [label="{n}"];')
        print("}")
    for e in errors:
        print(f"layers: {e}", file=sys.stderr)
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
