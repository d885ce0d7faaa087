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

expect 0 'An example of each command:'
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

expect 0 'p99.9' bench "$model" --seconds 0.02
expect 0 'slowest first' bench "$model" --seconds 0.02 --threads 2 --isa generic
expect 0 'second / first' bench "$model" "$model" --seconds 0.02
expect 1 'no instruction set' bench "$model" --isa mmx
expect 1 'no such file' bench "$folder/none.dsmm"
expect 2 'no program' bench "$model" --program none
expect 2 'bench' bench "$model" --seconds never
expect 2 'bench' bench "$model" "$model" "$model"
expect 0 '"p99_9"' bench "$model" "$model" --seconds 0.02 --json
python3 - "$folder/out" <<'PYTHON' || failed=1
import json, sys
report = json.load(open(sys.argv[1]))
assert report["threads"] == 1 and len(report["models"]) == 2
for m in report["models"]:
    t = m["latency_us"]
    assert 0 < t["p50"] <= t["p90"] <= t["p99"] <= t["p99_9"] <= t["max"] and m["runs"] >= 5
    assert m["arena_bytes"] > 0 and m["weight_bytes"] > 0
    assert abs(sum(op["share"] for op in m["ops"]) - 1) < 1e-6 and any(op["gops"] > 0 for op in m["ops"])
assert report["second_over_first"]["p10"] <= report["second_over_first"]["p50"] <= report["second_over_first"]["p90"]
PYTHON

# Levels: a file that holds three networks lies beside the model.
nested=$(dirname "$model")/nested.dsmm
expect 0 '0.25 ' info "$nested"
expect 0 '"stored_bytes"' info "$nested" --json
expect 0 'identity' info "$nested" --level 0.25
expect 2 'its levels are 1, 0.5, 0.25' info "$nested" --level 0.3
expect 2 'its levels are 1' run "$model" --level 0.5
expect 0 'second / first' bench "$nested" --level 1,0.25 --seconds 0.02
expect 0 'nested.dsmm@0.5' bench "$nested" --level 0.5 --seconds 0.02
expect 2 'bench' bench "$nested" --level 1,0.5,0.25 --seconds 0.02
expect 0 'level 0.5' prune "$nested" --extract 0.5 -o "$folder/half.dsmm"
expect 2 'no level 0.7' prune "$nested" --extract 0.7 -o "$folder/half.dsmm"
python3 - "$folder" <<'PYTHON'
import struct, sys
header = "{'descr': '|u1', 'fortran_order': False, 'shape': (8, 8, 4), }"
header += " " * (117 - len(header)) + "\n"
open(sys.argv[1] + "/small.npy", "wb").write(
    b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + bytes(i * 37 % 256 for i in range(256)))
PYTHON
expect 0 'score.npy' run "$folder/half.dsmm" --input "image=$folder/small.npy" --output "$folder/alone"
expect 0 'score.npy' run "$nested" --level 0.5 --isa generic --input "image=$folder/small.npy" --output "$folder/level"
cmp "$folder/alone/score.npy" "$folder/level/score.npy" || { echo "FAILED: a level is not its file"; failed=1; }

# Files joined into one with levels give themselves back.
expect 0 'joined.dsmm: 2 levels' prune "$nested" --join "0.5=$folder/half.dsmm" -o "$folder/joined.dsmm"
expect 0 'level 0.5' prune "$folder/joined.dsmm" --extract 0.5 -o "$folder/again.dsmm"
cmp "$folder/half.dsmm" "$folder/again.dsmm" || { echo "FAILED: a joined level is not its file"; failed=1; }
expect 2 'no level 0.25' prune "$folder/joined.dsmm" --extract 0.25 -o "$folder/again.dsmm"
expect 2 'given as SHARE=FILE (half.dsmm)' prune "$nested" --join half.dsmm -o "$folder/none.dsmm"
for share in 0 1 -0.5 nan 0.5x ''; do
  expect 2 'between 0 and 1' prune "$nested" "--join=$share=$folder/half.dsmm" -o "$folder/none.dsmm"
done
expect 2 'nothing to write' prune "$nested" --join "0.5=$folder/half.dsmm"
expect 1 'no such file (.*none.dsmm)' prune "$nested" --join "0.5=$folder/none.dsmm" -o "$folder/none.dsmm"
expect 1 'not a .dsmm file' prune "$nested" --join "0.5=$folder/text.dsmm" -o "$folder/none.dsmm"
expect 1 'below that of the level before' prune "$nested" \
  --join "0.25=$folder/half.dsmm,0.5=$folder/half.dsmm" -o "$folder/none.dsmm"
[ ! -e "$folder/none.dsmm" ] || { echo "FAILED: a failed join left a file"; failed=1; }

expect 0 'namespace part' emit "$model" --header "$folder/part.hpp"
grep -q "$("${emulator[@]}" "$dsmm" info "$model" | grep -o 'identity [0-9a-f]*' | cut -d' ' -f2)" "$folder/part.hpp" || failed=1
expect 0 '"arena_bytes"' emit "$model" --header "$folder/part.hpp" --name weld --json
grep -q '^namespace weld {$' "$folder/part.hpp" || failed=1
expect 2 'identifier' emit "$model" --header "$folder/part.hpp" --name 'a b'
expect 2 'header' emit "$model"
expect 1 'cannot be created' emit "$model" --header "$folder/no/part.hpp"
expect 1 'not a .dsmm file' emit "$folder/text.dsmm" --header "$folder/part.hpp"

expect 0 'complete -o filenames' completion bash
cp "$folder/out" "$folder/complete.bash"
# what SHELL-WORDS…: the completions of the last word
completions() {
  bash -c '. "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dsmm; echo "${COMPREPLY[*]}"' - "$folder/complete.bash" "$@"
}
[ "$(completions dsmm ben)" = bench ] || { echo "FAILED: completion of ben: $(completions dsmm ben)"; failed=1; }
[ "$(completions dsmm bench m.dsmm --sec)" = --seconds ] || { echo "FAILED: completion of --sec"; failed=1; }
[ "$(completions dsmm info "$folder/tex")" = "$folder/text.dsmm" ] || { echo "FAILED: completion of a file"; failed=1; }
expect 0 '#compdef dsmm' completion zsh
! command -v zsh >/dev/null || zsh -n "$folder/out" || failed=1
expect 2 'shell' completion fish
for command in bench emit completion; do expect 0 'Try: ' "$command" --help; done

# Pictures as inputs.
python3 - "$folder" <<'PYTHON'
import struct, sys, zlib
def chunk(kind, data): return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
def pixels(width, height): return [bytes((x * 7 + y * 3) % 256 for x in range(width)) for y in range(height)]
def png(path, width, height):
    rows = b"".join(b"\0" + row for row in pixels(width, height))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    open(path, "wb").write(data)
    return data
data = png(sys.argv[1] + "/512.png", 512, 512)
open(sys.argv[1] + "/cut.png", "wb").write(data[:len(data) // 2])
png(sys.argv[1] + "/wide.png", 700, 600)
header = "{'descr': '|u1', 'fortran_order': False, 'shape': (512, 512, 1), }"
header += " " * (117 - len(header)) + "\n"
open(sys.argv[1] + "/512.npy", "wb").write(
    b"\x93NUMPY\1\0" + struct.pack("<H", len(header)) + header.encode() + b"".join(pixels(512, 512)))
open(sys.argv[1] + "/text.jpg", "w").write("not a picture")
PYTHON
line=$(dirname "$0")/../../models/line.dsmm
frame=(run "$line" --program frame --output "$folder/out-1" --input)
expect 0 'map.npy (1, 64, 64, 1)' "${frame[@]}" "image=$folder/512.npy"
mv "$folder/out-1" "$folder/out-npy"
if "${emulator[@]}" "$dsmm" "${frame[@]}" "image=$folder/512.png" 2>&1 | grep -q 'has no libpng'; then
  echo "skipped: pictures: built without libpng"
else
  expect 0 'map.npy (1, 64, 64, 1)' "${frame[@]}" "image=$folder/512.png"
  cmp "$folder/out-1/map.npy" "$folder/out-npy/map.npy" || { echo "FAILED: a picture is not its pixels"; failed=1; }
  expect 0 'map.npy' "${frame[@]}" "image=$folder/512.png" --isa generic --threads 2
  cmp "$folder/out-1/map.npy" "$folder/out-npy/map.npy" || { echo "FAILED: --isa changes the map"; failed=1; }
  expect 0 'map.npy' "${frame[@]}" "image=$folder/512.png" --mean 0 --std 1
  cmp "$folder/out-1/map.npy" "$folder/out-npy/map.npy" || { echo "FAILED: quantized pixels differ"; failed=1; }
  expect 1 'picture is 700x600, the input 512x512' "${frame[@]}" "image=$folder/wide.png"
  expect 0 'map.npy' "${frame[@]}" "image=$folder/wide.png" --fit
  expect 0 '"shape"' "${frame[@]}" "image=$folder/wide.png" --fit --json
  expect 1 'cut.png' "${frame[@]}" "image=$folder/cut.png"
  expect 2 'one per channel' "${frame[@]}" "image=$folder/512.png" --mean 0.1 0.2
  expect 1 '2 channels' run "$model" --input "image=$folder/512.png"
fi
expect 1 'text.jpg' "${frame[@]}" "image=$folder/text.jpg"
expect 2 'NAME=FILE' "${frame[@]}" "$folder/512.npy"
expect 1 'no tensor' "${frame[@]}" "picture=$folder/512.npy"
[ $failed -eq 0 ] && echo "command line: all as promised"
exit $failed
