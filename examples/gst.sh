#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# gst.sh [MODEL.dsmm]: a test camera and a test vibration sensor; verdicts as messages, overlays as part-*.jpg.
# Without a model the streams are only joined. Needs the plugin: GST_PLUGIN_PATH=build/demo/gst examples/gst.sh
set -euo pipefail
if [ $# -gt 1 ] || [ "${1:-}" = --help ]; then
  echo "usage: gst.sh [MODEL.dsmm]"
  exit 2
fi
judge=(fakesink sync=false)
[ $# -eq 0 ] || judge=(dsmminfer model-file="$1" ! dsmmoverlay ! jpegenc ! multifilesink location=part-%03d.jpg)

# The queue holds one frame and drops the older: a slow moment costs a frame, not a growing delay.
# A real camera stands where videotestsrc does, a real sensor where audiotestsrc does.
exec gst-launch-1.0 --messages \
  dsmmfuse name=join sensor_0::sensor-name=vibration ! "${judge[@]}" \
  videotestsrc is-live=true num-buffers=30 pattern=snow ! video/x-raw,framerate=30/1 ! videoconvert ! videoscale ! \
    queue leaky=downstream max-size-buffers=1 max-size-bytes=0 max-size-time=0 ! join.video \
  audiotestsrc is-live=true samplesperbuffer=100 wave=pink-noise ! \
    audio/x-raw,format=F32LE,rate=20000,channels=3,channel-mask='(bitmask)0x0' ! join.sensor_0
