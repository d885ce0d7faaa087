#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Runs what README.md shows, in a copy of the folders that it uses. The line above a block of sh says how:
#   <!-- ci -->                    it must succeed
#   <!-- ci needs: FILE... -->     the same, if these files are there by then
#   <!-- skipped: REASON -->       it cannot run here
# readme.sh [BUILD]: the build folder that stands for build/demo, with the tool and the plugin; build/dev by default.
set -euo pipefail
cd "$(dirname "$0")/../.."
build=$(realpath -m "${1:-build/dev}")
for made in tools/dsmm gst/libgstdsmm.so; do
  [ -e "$build/$made" ] || { echo "readme: $build/$made is missing: build it first (./run test gcc)"; exit 1; }
done

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
mkdir "$out/build" "$out/blocks"
cp -r README.md include examples docs "$out"
[ ! -d models ] || cp -r models "$out"
ln -s "$build" "$out/build/demo"
export GST_REGISTRY=$out/registry.bin XDG_CACHE_HOME=$out GST_DEBUG_NO_COLOR=1

# blocks/01.sh, ... and beside each its marker in 01.how; the C++ block in hello.cpp
awk -v to="$out/blocks" '
  /^<!-- .* -->$/ {marker = $0; next}
  /^```(sh|cpp)$/ {
    cpp = /cpp/; inside = 1
    file = cpp ? to "/hello.cpp" : sprintf("%s/%02d.sh", to, ++n)
    if (!cpp) {how = sprintf("%s/%02d.how", to, n); print marker > how; close(how)}
    marker = ""; next
  }
  /^```/ {inside = 0; next}
  inside {print > file}
  NF {marker = ""}
' README.md

failed=0
bad() { echo "FAILED: $1"; failed=$((failed + 1)); }

diff <(tail -n +2 examples/hello.cpp) "$out/blocks/hello.cpp" || bad "README.md shows another hello.cpp"
for link in $(grep -oE '\]\([^)#]+' README.md docs/*.md | sed -E 's/^([^:]+):\]\(/\1:/'); do
  from=${link%%:*} to=${link#*:}
  [[ $to == http* ]] || [ -e "$(dirname "$from")/$to" ] || bad "$from links to $to, which is not there"
done

cd "$out"
ran=0
for block in blocks/*.sh; do
  how=$(cat "${block%.sh}.how")
  text="README block ${block//[^0-9]/}"
  case $how in
    '<!-- ci -->') ;;
    '<!-- ci needs: '*)
      needs=${how#<!-- ci needs: }
      for file in ${needs% -->}; do
        [ -e "$file" ] || { echo "skipped: $text: $file is not there"; continue 2; }
      done
      ;;
    '<!-- skipped: '*)
      reason=${how#<!-- skipped: }
      echo "skipped: $text: ${reason% -->}"
      continue
      ;;
    *) bad "$text has no marker"; continue ;;
  esac
  log=${block%.sh}.log
  if timeout 590 bash -euo pipefail "$block" >"$log" 2>&1; then
    ran=$((ran + 1))
  else
    bad "$text"
    cat "$block"
    tail -n 30 "$log"
  fi
done
# The pipelines must have done their work, not only ended.
pictures=$(find . -maxdepth 1 -name 'part-*.jpg' | wc -l)
if [ "$pictures" -ne 0 ] && [ "$pictures" -ne 60 ]; then bad "60 parts went in, $pictures came out"; fi
if grep -hE '^(WARNING|ERROR)' blocks/*.log; then bad "a pipeline complained"; fi
echo "readme: $ran blocks ran"
[ "$failed" -eq 0 ] && [ "$ran" -ge 2 ]
