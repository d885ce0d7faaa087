// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "dsmm/gst/fuse.hpp"

/// The part of dsmmfuse that GStreamer sees: properties, pads, states.
namespace dsmm::inline DSMM_ABI::gst {

inline std::span<const property<fuse>> fuse::properties() {
  using std::chrono::nanoseconds;
  static constexpr auto read = [](const GValue* v) {
    return nanoseconds(static_cast<std::int64_t>(g_value_get_uint64(v)));
  };
  static constexpr auto write = [](GValue* v, nanoseconds t) {
    g_value_set_uint64(v, static_cast<guint64>(t.count()));
  };
  static constexpr property<fuse> table[] = {
      {[] {
         return g_param_spec_uint64("window", "Window", "Each frame gets the samples of the last so many ns", 1,
                                    60 * GST_SECOND, 200 * GST_MSECOND, property_flags);
       },
       [](fuse& f, const GValue* v) {
         const lock held(f.mutex_);
         f.options_.window = read(v);
       },
       [](fuse& f, GValue* v) {
         const lock held(f.mutex_);
         write(v, f.options_.window);
       }},
      {[] {
         return g_param_spec_uint64(
             "max-wait", "Maximum wait",
             "How long a frame waits for sensors beyond the delay that their sources report (ns)", 0, 60 * GST_SECOND,
             20 * GST_MSECOND, property_flags);
       },
       [](fuse& f, const GValue* v) {
         const lock held(f.mutex_);
         f.options_.max_wait = read(v);
       },
       [](fuse& f, GValue* v) {
         const lock held(f.mutex_);
         write(v, f.options_.max_wait);
       }},
      {[] {
         return g_param_spec_uint64("max-skew", "Maximum skew",
                                    "How far sensors may be ahead of the camera before samples are let go (live) or "
                                    "held up (not live) (ns)",
                                    0, 60 * GST_SECOND, 2 * GST_SECOND, property_flags);
       },
       [](fuse& f, const GValue* v) {
         const lock held(f.mutex_);
         f.options_.max_skew = read(v);
       },
       [](fuse& f, GValue* v) {
         const lock held(f.mutex_);
         write(v, f.options_.max_skew);
       }},
      {[] {
         return g_param_spec_uint64("reorder", "Reorder", "How far sensor chunks may be out of order (ns)", 0,
                                    GST_SECOND, 0, property_flags);
       },
       [](fuse& f, const GValue* v) {
         const lock held(f.mutex_);
         f.options_.reorder = read(v);
       },
       [](fuse& f, GValue* v) {
         const lock held(f.mutex_);
         write(v, f.options_.reorder);
       }},
      {[] {
         return g_param_spec_boxed("stats", "Statistics", "Frames joined, and what each sensor sent",
                                   GST_TYPE_STRUCTURE, property_flags_readable);
       },
       nullptr, [](fuse& f, GValue* v) { g_value_take_boxed(v, f.stats()); }},
  };
  return table;
}

inline void fuse::describe(GstElementClass* klass) {
  static constexpr const char* pictures = "video/x-raw(ANY); video/x-bayer";  // never looked at
  static GstStaticPadTemplate video =
      GST_STATIC_PAD_TEMPLATE("video", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(pictures));
  static GstStaticPadTemplate source =
      GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(pictures));
  static GstStaticPadTemplate sensor =
      GST_STATIC_PAD_TEMPLATE("sensor_%u", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS(sensor_caps_text));
  gst_element_class_add_static_pad_template(klass, &video);
  gst_element_class_add_static_pad_template(klass, &source);
  gst_element_class_add_static_pad_template_with_gtype(klass, &sensor, type_of<sensor_pad>());
  gst_element_class_set_static_metadata(klass, "dsmm sensor fusion", "Muxer/Analyzer",
                                        "Joins sensor samples to video frames by running time", "dsmm");
  override_vfunc<&fuse::request_new_pad>(klass->request_new_pad);
  override_vfunc<&fuse::release_pad>(klass->release_pad);
  override_vfunc<&fuse::change_state>(klass->change_state);
}

inline fuse::fuse(GstElement* self) noexcept : self_(self) {
  gst_segment_init(&segment_, GST_FORMAT_TIME);
  auto* const klass = GST_ELEMENT_GET_CLASS(self);
  video_ = gst_pad_new_from_template(gst_element_class_get_pad_template(klass, "video"), "video");
  gst_pad_set_chain_function(video_, (pad_function<&fuse::chain_video>));
  gst_pad_set_event_function(video_, (pad_function<&fuse::video_event>));
  gst_pad_set_iterate_internal_links_function(video_, (pad_function<&fuse::linked_pads>));
  GST_PAD_SET_PROXY_CAPS(video_);
  GST_PAD_SET_PROXY_ALLOCATION(video_);
  gst_element_add_pad(self, video_);
  src_ = gst_pad_new_from_template(gst_element_class_get_pad_template(klass, "src"), "src");
  gst_pad_set_event_function(src_, (pad_function<&fuse::src_event>));
  gst_pad_set_query_function(src_, (pad_function<&fuse::src_query>));
  gst_pad_set_iterate_internal_links_function(src_, (pad_function<&fuse::linked_pads>));
  GST_PAD_SET_PROXY_CAPS(src_);
  gst_element_add_pad(self, src_);
}

/// Lets `dsmmfuse sensor_0::required=false` reach the pads.
inline void fuse::add_interfaces(GType type) {
  static constexpr auto init = [](gpointer iface, gpointer) {
    auto* const proxy = static_cast<GstChildProxyInterface*>(iface);
    proxy->get_children_count = [](GstChildProxy* self) -> guint {
      GST_OBJECT_LOCK(self);
      const guint count = GST_ELEMENT(self)->numsinkpads;
      GST_OBJECT_UNLOCK(self);
      return count;
    };
    proxy->get_child_by_index = [](GstChildProxy* self, guint index) -> GObject* {
      GST_OBJECT_LOCK(self);
      auto* const pad = g_list_nth_data(GST_ELEMENT(self)->sinkpads, index);
      if (pad != nullptr) gst_object_ref(pad);
      GST_OBJECT_UNLOCK(self);
      return static_cast<GObject*>(pad);
    };
  };
  static const GInterfaceInfo info{init, nullptr, nullptr};
  g_type_add_interface_static(type, GST_TYPE_CHILD_PROXY, &info);
}

inline GstPad* fuse::request_new_pad(GstPadTemplate* pad_template, const gchar* name, const GstCaps*) {
  std::string chosen;
  {
    const lock held(mutex_);
    guint number = next_pad_;
    if (name != nullptr && std::sscanf(name, "sensor_%u", &number) != 1) return nullptr;
    next_pad_ = std::max(next_pad_, number + 1);
    chosen = "sensor_" + std::to_string(number);
  }
  auto* const pad = GST_PAD(g_object_new(type_of<sensor_pad>(), "name", chosen.c_str(), "direction", GST_PAD_SINK,
                                         "template", pad_template, nullptr));
  gst_pad_set_chain_function(pad, (pad_function<&fuse::chain_sensor>));
  gst_pad_set_event_function(pad, (pad_function<&fuse::sensor_event>));
  gst_pad_set_iterate_internal_links_function(pad, (pad_function<&fuse::linked_pads>));
  gst_object_ref(pad);  // add_pad destroys what it refuses
  const bool added = gst_element_add_pad(self_, pad) != FALSE;
  if (added) {
    auto& object = object_of<sensor_pad>(pad);
    const lock held(mutex_);
    if (joiner_.add(object.description())) pads_.push_back(&object);
    latency_known_ = false;
  }
  gst_object_unref(pad);
  if (!added) return nullptr;
  gst_child_proxy_child_added(GST_CHILD_PROXY(self_), G_OBJECT(pad), chosen.c_str());
  return pad;
}

inline void fuse::release_pad(GstPad* pad) {
  auto& object = object_of<sensor_pad>(pad);
  {
    const lock held(mutex_);
    object.flushing = true;
    wake();
  }
  gst_pad_set_active(pad, FALSE);
  {
    const lock held(mutex_);
    if (const std::size_t i = index_of(object); i < pads_.size()) {
      pads_.erase(pads_.begin() + static_cast<std::ptrdiff_t>(i));
      joiner_.remove(i);
    }
    wake();
  }
  gst_child_proxy_child_removed(GST_CHILD_PROXY(self_), G_OBJECT(pad), GST_OBJECT_NAME(pad));
  gst_element_remove_pad(self_, pad);
}

inline GstStateChangeReturn fuse::change_state(GstStateChange change) {
  if (change == GST_STATE_CHANGE_READY_TO_PAUSED) rebuild();
  if (change == GST_STATE_CHANGE_PAUSED_TO_READY) {  // before the parent waits for the streaming threads
    const lock held(mutex_);
    flushing_ = true;
    for (sensor_pad* pad : pads_) pad->flushing = true;
    wake();
  }
  return parent_class<fuse>->change_state(self_, change);
}

/// Begins anew with the properties as they are now.
inline void fuse::rebuild() {
  const lock held(mutex_);
  joiner_ = joiner(options_);
  for (sensor_pad* pad : pads_) {
    pad->flushing = pad->configured = false;
    pad->usable = true;
    gst_segment_init(&pad->segment, GST_FORMAT_TIME);
    (void)joiner_.add(pad->description());  // cannot fail: a rate of 1 Hz until the caps come
  }
  gst_segment_init(&segment_, GST_FORMAT_TIME);
  flushing_ = video_ended_ = latency_known_ = false;
  frames_ = incomplete_ = timed_out_ = 0;
  longest_wait_ = {};
  restart_video();
}

/// The video pads know each other; the sensors end here.
inline GstIterator* fuse::linked_pads(GstPad* pad) {
  if (pad != video_ && pad != src_) return gst_iterator_new_single(GST_TYPE_PAD, nullptr);
  GValue other = G_VALUE_INIT;
  g_value_init(&other, GST_TYPE_PAD);
  g_value_set_object(&other, pad == video_ ? src_ : video_);
  GstIterator* const iterator = gst_iterator_new_single(GST_TYPE_PAD, &other);
  g_value_unset(&other);
  return iterator;
}

inline gboolean fuse::src_query(GstPad* pad, GstQuery* query) {
  if (GST_QUERY_TYPE(query) != GST_QUERY_LATENCY) return gst_pad_query_default(pad, GST_OBJECT(self_), query);
  const fuse_latency found = query_latency(self_, video_);
  const lock held(mutex_);
  latency_ = found;
  latency_known_ = true;
  const auto own = static_cast<GstClockTime>((found.lag() + options_.max_wait).count());
  if (found.live)
    gst_query_set_latency(query, TRUE, found.video_min + own,
                          GST_CLOCK_TIME_IS_VALID(found.video_max) ? found.video_max + own : GST_CLOCK_TIME_NONE);
  else gst_query_set_latency(query, FALSE, 0, GST_CLOCK_TIME_NONE);
  return TRUE;
}

/// Seeks and latencies concern every source, the rest the video alone.
inline gboolean fuse::src_event(GstPad* pad, GstEvent* event) {
  if (GST_EVENT_TYPE(event) != GST_EVENT_SEEK && GST_EVENT_TYPE(event) != GST_EVENT_LATENCY)
    return gst_pad_event_default(pad, GST_OBJECT(self_), event);
  struct visit {
    GstEvent* event;
    GstPad* video;
    gboolean done;
  } state{event, video_, FALSE};
  gst_element_foreach_sink_pad(
      self_,
      [](GstElement*, GstPad* sink, gpointer data) -> gboolean {
        auto& s = *static_cast<visit*>(data);
        const gboolean done = gst_pad_push_event(sink, gst_event_ref(s.event));
        if (sink == s.video) s.done = done;
        return TRUE;
      },
      &state);
  gst_event_unref(event);
  return state.done;
}

inline GstStructure* fuse::stats() {
  const lock held(mutex_);
  GstStructure* const all = gst_structure_new(
      "dsmm-fuse-stats", "frames", G_TYPE_UINT64, frames_, "incomplete", G_TYPE_UINT64, incomplete_, "timed-out",
      G_TYPE_UINT64, timed_out_, "longest-wait", G_TYPE_UINT64, static_cast<guint64>(longest_wait_.count()), nullptr);
  for (std::size_t i = 0; i < pads_.size(); ++i) {
    const sensor_counts& c = joiner_.sensor(i).counts();
    GstStructure* const one = gst_structure_new(
        "sensor", "name", G_TYPE_STRING, joiner_.sensor(i).description().name.c_str(), "health", G_TYPE_STRING,
        to_string(joiner_.health(i)), "placed", G_TYPE_UINT64, c.placed, "filled", G_TYPE_UINT64, c.filled, "dropped",
        G_TYPE_UINT64, c.dropped, "invalid", G_TYPE_UINT64, c.invalid, "rejected", G_TYPE_UINT64, c.rejected,
        "restarts", G_TYPE_UINT64, c.restarts, nullptr);
    gst_structure_set(all, GST_OBJECT_NAME(pads_[i]->self()), GST_TYPE_STRUCTURE, one, nullptr);
    gst_structure_free(one);
  }
  return all;
}

}  // namespace dsmm::inline DSMM_ABI::gst
