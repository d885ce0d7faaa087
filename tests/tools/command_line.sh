#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The contract of every dsmm command: one line on stderr, exit status 2 for bad use, 1 for a failed job, 0 when done.
# usage: command_line.sh DSMM MODEL [EMULATOR…]
set -uo pipefail
dsmm=$1
model=$2
shift 2
emulator=("$@")  # of a program for another processor
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0

# expect STATUS PATTERN ARGUMENTS…: the status, and what stderr (status > 0) or stdout (status 0) must contain
expect() {
  local status=$1 pattern=$2
  shift 2
  "${emulator[@]}" "$dsmm" "$@" >"$folder/out" 2>"$folder/err"
  local got=$? text=$folder/out
  [ "$status" -eq 0 ] || text=$folder/err
  if [ $got -ne "$status" ] || ! grep -q -- "$pattern" "$text" ||
     { [ "$status" -ne 0 ] && { [ "$(wc -l <"$folder/err")" -ne 1 ] || ! grep -q '^dsmm: ' "$folder/err"; }; }; then
    echo "FAILED: dsmm $* gave status $got, expected $status and '$pattern':"
    cat "$folder/out" "$folder/err"
    failed=1
  fi
}

head -c 300 "$model" >"$folder/cut.dsmm"
printf 'not a model at all' >"$folder/text.dsmm"
printf 'two\nlines' >"$folder/two
lines.dsmm"

expect 0 'Try:'
expect 0 'Subcommands' --help
expect 0 '^dsmm [0-9]' --version
expect 2 'see dsmm --help' bogus
expect 2 'see dsmm --help' --bogus
expect 2 'info' info
expect 2 'info' info "$model" --bogus
expect 1 'no such file (.*none.dsmm)' info "$folder/none.dsmm"
expect 1 'folder or a device' info "$folder"
expect 1 'shorter than its header says' info "$folder/cut.dsmm"
expect 1 'not a .dsmm file' info "$folder/text.dsmm"
expect 1 'not a .dsmm file' info "$folder/two
lines.dsmm"
expect 1 'cannot be created' info "$model" --netron "$folder/no/such/folder.netron"
expect 0 'identity' info "$model"
expect 0 'multiply-adds' info "$model" --ops
expect 0 '"identity"' info "$model" --json
expect 0 'identity' info "$model" --netron "$folder/model.netron"
python3 - "$folder/model.netron" <<'PYTHON' || failed=1
import json, sys
text = open(sys.argv[1]).read()
assert text[:64].replace("\n", "").replace(" ", "").startswith('{"signature":"netron:dsmm",'), "Netron looks at the first 64 bytes"
model = json.loads(text)
assert model["modules"], "one module per program"
for module in model["modules"]:
    count = len(module["values"])
    for node in module["nodes"]:
        assert node["type"]["name"]
        for argument in node["inputs"] + node["outputs"]:
            assert all(0 <= index < count for index in argument["value"])
PYTHON
[ $failed -eq 0 ] && echo "command line: all as promised"
exit $failed
