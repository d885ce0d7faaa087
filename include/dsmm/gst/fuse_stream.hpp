// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsmm/gst/fuse.hpp"

/// The part of dsmmfuse that runs in the streaming threads.
namespace dsmm::inline DSMM_ABI::gst {

inline GstFlowReturn fuse::chain_video(GstPad*, GstBuffer* buffer) {
  struct owner {
    GstBuffer* buffer;
    ~owner() {
      if (buffer != nullptr) gst_buffer_unref(buffer);
    }
  } frame{buffer};
  refresh_latency();
  std::vector<GstMessage*> messages;
  shared_sensor_block* block = nullptr;
  {
    lock held(mutex_);
    const nanoseconds time = frame_time(buffer);
    horizon_ = time;
    wake();
    const std::optional<join_step> step = wait_for_sensors(held, time);
    if (!step) return GST_FLOW_FLUSHING;
    block = blocks_.take();
    const joined_frame joined = joiner_.join(time, *step, latency_.live);
    block->block.assign(joined);
    for (std::size_t i = 0; i < pads_.size(); ++i) note_change(*pads_[i], joined.sensors[i], buffer, messages);
    ++frames_;
    incomplete_ += joined.complete ? 0 : 1;
    timed_out_ += joined.timed_out ? 1 : 0;
  }
  for (GstMessage* message : messages) gst_element_post_message(self_, message);
  frame.buffer = nullptr;
  return send(buffer, block);
}

/// Before the first buffer, and after the sources changed.
inline void fuse::refresh_latency() {
  {
    const lock held(mutex_);
    if (latency_known_) return;
    latency_known_ = true;
  }
  const fuse_latency found = query_latency(self_, video_);
  const lock held(mutex_);
  latency_ = found;
  wake();
}

inline GstFlowReturn fuse::send(GstBuffer* buffer, shared_sensor_block* block) {
  buffer = gst_buffer_make_writable(buffer);
  if (!attach_sensors(buffer, block)) {
    gst_buffer_unref(buffer);
    GST_ELEMENT_ERROR(self_, RESOURCE, NO_SPACE_LEFT, ("Free memory: sensor samples could not be attached to a frame."),
                      (nullptr));
    return GST_FLOW_ERROR;
  }
  return gst_pad_push(src_, buffer);
}

/// Running time of a frame; one without a stamp follows the frame before it.
inline std::chrono::nanoseconds fuse::frame_time(const GstBuffer* buffer) {
  constexpr auto most = static_cast<guint64>(G_MAXINT64 / 4);
  guint64 magnitude = most + 1;
  int sign = 0;
  if (GST_BUFFER_PTS_IS_VALID(buffer))
    sign = gst_segment_to_running_time_full(&segment_, GST_FORMAT_TIME, GST_BUFFER_PTS(buffer), &magnitude);
  nanoseconds time = frame_end_;
  if (sign != 0 && magnitude <= most) time = nanoseconds(static_cast<std::int64_t>(magnitude) * sign);
  frame_end_ = time;
  if (GST_BUFFER_DURATION_IS_VALID(buffer) && GST_BUFFER_DURATION(buffer) < most)
    frame_end_ += nanoseconds(static_cast<std::int64_t>(GST_BUFFER_DURATION(buffer)));
  return time;
}

/// Running time now; nothing without a running clock.
inline std::optional<std::chrono::nanoseconds> fuse::clock_time() const {
  GstClock* const clock = gst_element_get_clock(self_);
  if (clock == nullptr) return std::nullopt;
  const GstClockTime now = gst_clock_get_time(clock), base = gst_element_get_base_time(self_);
  gst_object_unref(clock);
  if (!GST_CLOCK_TIME_IS_VALID(now) || !GST_CLOCK_TIME_IS_VALID(base)) return std::nullopt;
  return nanoseconds(static_cast<std::int64_t>(now) - static_cast<std::int64_t>(base));
}

/// Returns nothing when the pad flushes.
inline std::optional<join_step> fuse::wait_for_sensors(lock& held, nanoseconds time) {
  const bool live = latency_.live;
  const bool clocked = live && clock_time().has_value();
  const auto now = [&]() -> nanoseconds {
    if (clocked) return clock_time().value_or(nanoseconds::max() / 2);
    return std::chrono::steady_clock::now().time_since_epoch();
  };
  const nanoseconds max_wait = joiner_.options().max_wait;
  const nanoseconds begin = now(), deadline = begin + (live ? latency_.lag() + max_wait : stall);
  for (nanoseconds t = begin;; t = now()) {
    if (flushing_) return std::nullopt;
    longest_wait_ = std::max(longest_wait_, t - begin);
    const join_step step = joiner_.decide(time, max_wait - (deadline - t), live);
    if (step != join_step::wait) return step;
    if (clocked) sleep(held, deadline);
    else changed_.wait_until(held, std::chrono::steady_clock::time_point(deadline));
  }
}

/// Until the clock reaches the time, or wake() finds the frame's samples complete.
inline void fuse::sleep(lock& held, nanoseconds until_running_time) {
  GstClock* const clock = gst_element_get_clock(self_);
  if (clock == nullptr) return;
  const auto until = static_cast<GstClockTime>(until_running_time.count()) + gst_element_get_base_time(self_);
  GstClockID const id = gst_clock_new_single_shot_id(clock, until);
  gst_object_unref(clock);
  waiting_ = id;
  held.unlock();
  gst_clock_id_wait(id, nullptr);
  held.lock();
  waiting_ = nullptr;
  gst_clock_id_unref(id);
}

/// After anything that may let a waiting thread go on.
inline void fuse::wake() {
  changed_.notify_all();
  if (waiting_ == nullptr) return;
  const nanoseconds before_deadline = nanoseconds::min() / 2;
  if (flushing_ || joiner_.decide(horizon_, before_deadline, latency_.live) == join_step::ready)
    gst_clock_id_unschedule(waiting_);
}

inline void fuse::restart_video() noexcept { horizon_ = frame_end_ = {}; }

/// Whether the sensor may place more now. Waits while it is too far ahead of the video and nothing drives time.
inline bool fuse::has_room(lock& held, sensor_pad& pad) {
  const auto must_wait = [&] {
    return !latency_.live && !video_ended_ && !flushing_ && !pad.flushing && joiner_.ahead(index_of(pad), horizon_);
  };
  changed_.wait(held, [&] { return !must_wait(); });
  return !pad.flushing && !flushing_;
}

inline GstFlowReturn fuse::chain_sensor(GstPad* gst_pad, GstBuffer* buffer) {
  auto& pad = object_of<sensor_pad>(gst_pad);
  struct mapping {
    GstBuffer* buffer;
    GstMapInfo map = GST_MAP_INFO_INIT;
    bool mapped = gst_buffer_map(buffer, &map, GST_MAP_READ) != FALSE;
    ~mapping() {
      if (mapped) gst_buffer_unmap(buffer, &map);
      gst_buffer_unref(buffer);
    }
  } data{buffer};

  refresh_latency();
  lock held(mutex_);
  if (pad.flushing) return GST_FLOW_FLUSHING;
  if (video_ended_) return GST_FLOW_EOS;
  const std::size_t i = index_of(pad);
  if (!pad.configured || i == pads_.size()) return GST_FLOW_NOT_NEGOTIATED;
  sensor_chunk chunk;
  chunk.discontinuity = GST_BUFFER_IS_DISCONT(buffer);
  if (GST_BUFFER_PTS_IS_VALID(buffer)) chunk.stamp = pad.running_time(GST_BUFFER_PTS(buffer));
  else if (!joiner_.sensor(i).started()) chunk.stamp = clock_time().value_or(nanoseconds::zero());
  if (GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_GAP)) {
    if (GST_BUFFER_DURATION_IS_VALID(buffer) && GST_BUFFER_PTS_IS_VALID(buffer))
      joiner_.sensor(i).gap(pad.running_time(GST_BUFFER_PTS(buffer) + GST_BUFFER_DURATION(buffer)));
    wake();
    return GST_FLOW_OK;
  }
  const sensor_description& description = joiner_.sensor(i).description();
  const sample_rate rate = description.rate;
  const std::size_t channels = description.channels;
  const std::size_t rows = data.mapped ? data.map.size / pad.format.row_bytes : 0;
  const nanoseconds stamp = chunk.stamp;
  for (std::size_t row = 0; row < rows; row += slice_rows) {
    if (!has_room(held, pad)) return GST_FLOW_FLUSHING;
    const std::size_t now = index_of(pad);
    if (now == pads_.size()) return GST_FLOW_FLUSHING;
    chunk.count = std::min(slice_rows, rows - row);
    to_floats(pad.format.type, data.map.data + row * pad.format.row_bytes, chunk.count * channels, pad.scratch.data());
    chunk.samples = pad.scratch.data();
    if (stamp != sensor_chunk::no_stamp) chunk.stamp = stamp + rate.duration(static_cast<std::int64_t>(row));
    joiner_.sensor(now).place(chunk);
    chunk.discontinuity = false;
  }
  wake();
  return video_ended_ ? GST_FLOW_EOS : GST_FLOW_OK;
}

inline gboolean fuse::video_event(GstPad* pad, GstEvent* event) {
  {
    const lock held(mutex_);
    switch (GST_EVENT_TYPE(event)) {
      case GST_EVENT_FLUSH_START: flushing_ = true; break;
      case GST_EVENT_FLUSH_STOP:
        flushing_ = video_ended_ = false;
        gst_segment_init(&segment_, GST_FORMAT_TIME);
        restart_video();
        break;
      case GST_EVENT_STREAM_START: video_ended_ = latency_known_ = false; break;
      case GST_EVENT_SEGMENT: gst_event_copy_segment(event, &segment_); break;
      case GST_EVENT_EOS: video_ended_ = true; break;
      default: break;
    }
    wake();
  }
  return gst_pad_event_default(pad, GST_OBJECT(self_), event);
}

inline gboolean fuse::sensor_event(GstPad* gst_pad, GstEvent* event) {
  auto& pad = object_of<sensor_pad>(gst_pad);
  gboolean done = TRUE;
  if (GST_EVENT_TYPE(event) == GST_EVENT_CAPS) {
    GstCaps* caps = nullptr;
    gst_event_parse_caps(event, &caps);
    done = configured(gst_pad, caps) != nullptr;
  } else {
    const lock held(mutex_);
    const std::size_t i = index_of(pad);
    if (i < pads_.size()) switch (GST_EVENT_TYPE(event)) {
        case GST_EVENT_FLUSH_START: pad.flushing = true; break;
        case GST_EVENT_FLUSH_STOP:
          pad.flushing = false;
          gst_segment_init(&pad.segment, GST_FORMAT_TIME);
          joiner_.restart(i);
          break;
        case GST_EVENT_STREAM_START: joiner_.set_ended(i, false); break;
        case GST_EVENT_EOS: joiner_.set_ended(i, true); break;
        case GST_EVENT_SEGMENT:
          gst_event_copy_segment(event, &pad.segment);
          done = pad.segment.format == GST_FORMAT_TIME;
          break;
        case GST_EVENT_GAP: {
          GstClockTime start = 0, duration = 0;
          gst_event_parse_gap(event, &start, &duration);
          if (GST_CLOCK_TIME_IS_VALID(duration)) start += duration;
          joiner_.sensor(i).gap(pad.running_time(start));
          break;
        }
        default: break;
      }
    wake();
  }
  if (!done && GST_EVENT_TYPE(event) == GST_EVENT_SEGMENT)
    GST_ELEMENT_ERROR(self_, STREAM, FORMAT, ("Give the sensor's source format=time: its buffers need timestamps."),
                      ("segment of %s is not in time", GST_OBJECT_NAME(gst_pad)));
  gst_event_unref(event);
  return done;
}

/// Reads a sensor's caps and begins its stream anew; an element error and null if it cannot be read.
inline sensor_pad* fuse::configured(GstPad* gst_pad, GstCaps* caps) {
  auto& pad = object_of<sensor_pad>(gst_pad);
  sensor_description description = pad.description();
  const std::string set = description.name;
  const result<sensor_format> format = read_sensor_caps(caps, description);
  if (pad.is_named()) description.name = set;
  failure error;
  if (format) {
    const lock held(mutex_);
    const std::size_t i = index_of(pad);
    if (i == pads_.size()) return nullptr;
    pad.scratch.resize(slice_rows * description.channels);
    pad.format = *format;
    latency_known_ = false;
    if (const auto replaced = joiner_.replace(i, std::move(description)); !replaced) error = replaced.error();
    pad.configured = error.code == errc::ok;
  } else {
    error = format.error();
  }
  if (error.code == errc::ok) return &pad;
  gchar* const text = gst_caps_to_string(caps);
  GST_ELEMENT_ERROR(self_, STREAM, FORMAT, ("Send sensor samples that can be read: %s.", error.text),
                    ("%s: %s", GST_OBJECT_NAME(gst_pad), text));
  g_free(text);
  return nullptr;
}

/// One message when a sensor stops being usable, one when it is again.
inline void fuse::note_change(sensor_pad& pad, const sensor_span& span, const GstBuffer* buffer,
                              std::vector<GstMessage*>& messages) {
  if (pad.usable == dsmm::usable(span.health)) return;
  pad.usable = dsmm::usable(span.health);
  GstStructure* const s = gst_structure_new(
      pad.usable ? "dsmm-sensor-recovered" : "dsmm-sensor-stale", "sensor", G_TYPE_STRING,
      std::string(span.name).c_str(), "pad", G_TYPE_STRING, GST_OBJECT_NAME(pad.self()), "health", G_TYPE_STRING,
      to_string(span.health), "age", G_TYPE_INT64, static_cast<gint64>(span.age.count()), "running-time", G_TYPE_INT64,
      static_cast<gint64>(horizon_.count()), "pts", G_TYPE_UINT64, GST_BUFFER_PTS(buffer), nullptr);
  messages.push_back(gst_message_new_element(GST_OBJECT(self_), s));
}

}  // namespace dsmm::inline DSMM_ABI::gst
