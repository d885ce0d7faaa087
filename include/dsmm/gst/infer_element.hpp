// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/base/gstbasetransform.h>
#include <gst/gst.h>
#include <gst/video/video.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "dsmm/config.hpp"
#include "dsmm/core/thread_pool.hpp"
#include "dsmm/gst/element.hpp"
#include "dsmm/gst/frame.hpp"
#include "dsmm/gst/frame_format.hpp"
#include "dsmm/gst/infer_loader.hpp"
#include "dsmm/gst/infer_messages.hpp"
#include "dsmm/gst/infer_properties.hpp"
#include "dsmm/gst/infer_settings.hpp"
#include "dsmm/gst/infer_stats.hpp"
#include "dsmm/gst/result_meta.hpp"
#include "dsmm/inspect/frame_view.hpp"
#include "dsmm/inspect/inspection.hpp"
#include "dsmm/stream/sensor_span.hpp"

namespace dsmm::inline DSMM_ABI::gst {

/// Judges every frame that passes: an in-place transform that reads the pixels, runs the model and attaches the result.
/// It drops and delays nothing, keeps the old model when a new one is refused, and a frame that cannot be read goes on
/// as UNKNOWN.
///
/// Policy names the GType and supplies the inspector, its options and context types, and the sensors of a buffer:
///   inspector, options, context, type_name, static std::span<const sensor_span> sensors(GstBuffer*).
template <class Policy>
class basic_infer {
public:
  using base_instance = GstBaseTransform;
  using base_class = GstBaseTransformClass;
  using inspector = typename Policy::inspector;
  using nanoseconds = std::chrono::nanoseconds;
  static constexpr const char* type_name = Policy::type_name;
  static GType base_type() { return GST_TYPE_BASE_TRANSFORM; }
  static std::span<const property<basic_infer>> properties() { return infer_properties<basic_infer>::rows; }
  static void describe(base_class* klass);

  explicit basic_infer(GstBaseTransform* self) noexcept : self_(self) {
    gst_base_transform_set_in_place(self, TRUE);
    gst_base_transform_set_qos_enabled(self, FALSE);  // a frame is never skipped in silence
  }

  infer_settings& settings() noexcept { return settings_; }
  /// Opens the model anew with the present settings, beside the running stream; nothing happens while it is stopped.
  void reload();
  /// A new GstStructure, for the property `stats`.
  GstStructure* stats();

  gboolean start();
  gboolean stop();
  gboolean set_caps(GstCaps* in, GstCaps* out);
  gboolean sink_event(GstEvent* event);
  gboolean src_event(GstEvent* event);
  gboolean query(GstPadDirection direction, GstQuery* query);
  gboolean propose_allocation(GstQuery* decide, GstQuery* query);
  GstFlowReturn transform_ip(GstBuffer* buffer);

private:
  using model = armed_model<inspector>;
  using steady = std::chrono::steady_clock;

  GstElement* element() const noexcept { return GST_ELEMENT(self_); }
  static typename Policy::options options_of(const infer_settings::opening& s, executor exec) {
    typename Policy::options options;
    options.exec = exec;
    options.deadline = s.deadline == 0 ? nanoseconds::max() : nanoseconds(static_cast<std::int64_t>(s.deadline));
    options.threshold = s.threshold_override();
    options.refuse_repeats = s.refuse_repeats;
    return options;
  }
  std::unique_ptr<model> load_beside(const infer_settings::opening& opening);
  void post_load_error(const std::string& file, const failure& why);
  void take_over(const frame_place& at);
  nanoseconds age_of(GstClockTime running_time);
  frame_result judge(GstBuffer* buffer, const frame_place& at);
  void account(const frame_result& r, nanoseconds busy);
  GstClockTime own_latency();

  GstBaseTransform* self_;
  infer_settings settings_;
  std::unique_ptr<thread_pool> pool_;
  std::unique_ptr<model> model_;             // streaming thread, and start() and stop()
  std::optional<stream_contract> contract_;  // set by start(), read by the loader
  model_loader<inspector> loader_;
  std::atomic<bool> running_{false};
  frame_format format_{};
  std::uint64_t next_id_ = 0;
  transition_messages messages_;
  message_limit warnings_{1};
  std::optional<bool> live_;

  std::mutex stats_mutex_;  // held for a few hundred instructions, by this thread and by who reads `stats`
  infer_stats stats_;
  std::atomic<std::uint64_t> reported_latency_{0};
};

template <class Policy>
void basic_infer<Policy>::describe(base_class* klass) {
  static GstStaticPadTemplate sink =
      GST_STATIC_PAD_TEMPLATE("sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS(DSMM_GST_CAMERA_CAPS));
  static GstStaticPadTemplate src =
      GST_STATIC_PAD_TEMPLATE("src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS(DSMM_GST_CAMERA_CAPS));
  auto* const element_klass = GST_ELEMENT_CLASS(klass);
  gst_element_class_add_static_pad_template(element_klass, &sink);
  gst_element_class_add_static_pad_template(element_klass, &src);
  gst_element_class_set_static_metadata(element_klass, "Inspection", "Filter/Analyzer/Video",
                                        "Judges every frame with a .dsmm model and attaches the verdict", "dsmm");
  override_vfunc<&basic_infer::start>(klass->start);
  override_vfunc<&basic_infer::stop>(klass->stop);
  override_vfunc<&basic_infer::set_caps>(klass->set_caps);
  override_vfunc<&basic_infer::sink_event>(klass->sink_event);
  override_vfunc<&basic_infer::src_event>(klass->src_event);
  override_vfunc<&basic_infer::query>(klass->query);
  override_vfunc<&basic_infer::propose_allocation>(klass->propose_allocation);
  override_vfunc<&basic_infer::transform_ip>(klass->transform_ip);
}

template <class Policy>
gboolean basic_infer<Policy>::start() {
  const infer_settings::opening opening = settings_.get();
  if (opening.model_file.empty()) {
    GST_ELEMENT_ERROR(self_, LIBRARY, SETTINGS, ("Set the property model-file to a .dsmm model."), (nullptr));
    return FALSE;
  }
  pool_ = std::make_unique<thread_pool>(static_cast<std::uint32_t>(opening.threads));
  auto loaded = load_model<inspector>(opening.model_file, options_of(opening, pool_->handle()));
  if (!loaded) {
    post_load_error(opening.model_file, loaded.error());
    return FALSE;
  }
  model_ = std::make_unique<model>(std::move(*loaded));
  contract_.emplace(*model_->inspector);
  next_id_ = 0;
  messages_ = {};
  warnings_ = message_limit(1);
  live_.reset();
  {
    const std::lock_guard lock(stats_mutex_);
    stats_ = {};
  }
  reported_latency_ = 0;
  loader_.start();
  running_ = true;
  return TRUE;
}

template <class Policy>
gboolean basic_infer<Policy>::stop() {
  running_ = false;
  loader_.stop();
  model_.reset();
  pool_.reset();
  return TRUE;
}

template <class Policy>
void basic_infer<Policy>::post_load_error(const std::string& file, const failure& why) {
  const char* const path = file.c_str();
  const char* const code = to_string(why.code);
  switch (why.code) {
    case errc::not_found:
      GST_ELEMENT_ERROR(self_, RESOURCE, NOT_FOUND, ("There is no model file %s; check the property model-file.", path),
                        ("%s: %s", code, why.text));
      return;
    case errc::io:
      GST_ELEMENT_ERROR(self_, RESOURCE, READ, ("The model file %s cannot be read; check its permissions.", path),
                        ("%s: %s", code, why.text));
      return;
    case errc::too_large:
    case errc::arena_too_small:
      GST_ELEMENT_ERROR(self_, RESOURCE, NO_SPACE_LEFT, ("There is not enough memory for the model %s.", path),
                        ("%s: %s", code, why.text));
      return;
    default:
      GST_ELEMENT_ERROR(self_, STREAM, WRONG_TYPE,
                        ("The model %s cannot be used; run `dsmm info` on it and copy it again.", path),
                        ("%s: %s (at %" G_GINT64_FORMAT ") %s", code, why.text, why.where, why.name));
  }
}

template <class Policy>
void basic_infer<Policy>::reload() {
  if (!running_) return;
  loader_.request([this, opening = settings_.get()] { return load_beside(opening); });
}

/// On the loader's thread.
template <class Policy>
auto basic_infer<Policy>::load_beside(const infer_settings::opening& opening) -> std::unique_ptr<model> {
  auto loaded = load_model<inspector>(opening.model_file, options_of(opening, pool_->handle()));
  const char* const refusal = loaded ? contract_->refuses(*loaded->inspector) : loaded.error().text;
  if (refusal == nullptr) return std::make_unique<model>(std::move(*loaded));
  gst_element_post_message(
      element(), gst_message_new_element(
                     GST_OBJECT(self_),
                     gst_structure_new("dsmm-model-rejected", "file", G_TYPE_STRING, opening.model_file.c_str(),
                                       "cause", G_TYPE_STRING, refusal, "code", G_TYPE_STRING,
                                       to_string(loaded ? errc::wrong_product : loaded.error().code), nullptr)));
  return nullptr;
}

template <class Policy>
void basic_infer<Policy>::take_over(const frame_place& at) {
  std::unique_ptr<model> next = loader_.take();
  if (next == nullptr) return;
  std::swap(model_, next);
  loader_.retire(std::move(next));
  {
    const std::lock_guard lock(stats_mutex_);
    ++stats_.swaps;
  }
  GstStructure* const fields =
      gst_structure_new("dsmm-model-swapped", "file", G_TYPE_STRING, model_->file.c_str(), nullptr);
  set_text(fields, "model", model_->inspector->identity());
  post_at(element(), fields, at);
}

template <class Policy>
gboolean basic_infer<Policy>::set_caps(GstCaps* in, GstCaps*) {
  const std::optional<frame_format> format = frame_format::from(in);
  if (!format) {
    GST_ELEMENT_ERROR(self_, STREAM, FORMAT,
                      ("The camera's picture format is not understood; put videoconvert before."),
                      ("caps %" GST_PTR_FORMAT, static_cast<void*>(in)));
    return FALSE;
  }
  const std::int32_t width = model_->inspector->width(), height = model_->inspector->height();
  const bool any_size = width == 0 && height == 0;  // a model of sensors alone
  if (!any_size && (GST_VIDEO_INFO_WIDTH(&format->info) != width || GST_VIDEO_INFO_HEIGHT(&format->info) != height)) {
    GST_ELEMENT_ERROR(self_, STREAM, FORMAT,
                      ("The model was made for %dx%d frames, these are %dx%d; set the camera, or use the model of this "
                       "camera.",
                       width, height, GST_VIDEO_INFO_WIDTH(&format->info), GST_VIDEO_INFO_HEIGHT(&format->info)),
                      ("model %s", model_->file.c_str()));
    return FALSE;
  }
  format_ = *format;
  live_.reset();
  return TRUE;
}

/// After a flush, or with another stream, the parts before say nothing about those that follow.
template <class Policy>
gboolean basic_infer<Policy>::sink_event(GstEvent* event) {
  const GstEventType type = GST_EVENT_TYPE(event);
  if (model_ != nullptr && (type == GST_EVENT_FLUSH_STOP || type == GST_EVENT_STREAM_START)) {
    model_->inspector->reset();
    live_.reset();
  }
  return parent_class<basic_infer>->sink_event(self_, event);
}

/// The base class would skip frames after a QoS event if somebody switched its property `qos` on: it never sees one.
template <class Policy>
gboolean basic_infer<Policy>::src_event(GstEvent* event) {
  if (GST_EVENT_TYPE(event) == GST_EVENT_QOS) return gst_pad_push_event(GST_BASE_TRANSFORM_SINK_PAD(self_), event);
  return parent_class<basic_infer>->src_event(self_, event);
}

/// Own share of the pipeline's latency: what was promised, or else what 99 % of the inspections took and 5 % more.
template <class Policy>
GstClockTime basic_infer<Policy>::own_latency() {
  if (const std::uint64_t budget = settings_.latency_budget; budget != 0) return budget;
  const std::lock_guard lock(stats_mutex_);
  return static_cast<GstClockTime>(stats_.busy.percentile(99).count()) * 21 / 20;
}

template <class Policy>
gboolean basic_infer<Policy>::query(GstPadDirection direction, GstQuery* query) {
  if (direction == GST_PAD_SINK && GST_QUERY_TYPE(query) == GST_QUERY_CAPS) {
    if (!parent_class<basic_infer>->query(self_, direction, query)) return FALSE;
    if (running_) contract_->narrow(query);
    return TRUE;
  }
  if (direction != GST_PAD_SRC || GST_QUERY_TYPE(query) != GST_QUERY_LATENCY)
    return parent_class<basic_infer>->query(self_, direction, query);
  if (!gst_pad_peer_query(GST_BASE_TRANSFORM_SINK_PAD(self_), query)) return FALSE;
  gboolean live = FALSE;
  GstClockTime least = 0, most = 0;
  gst_query_parse_latency(query, &live, &least, &most);
  const GstClockTime own = own_latency();
  reported_latency_ = own;
  gst_query_set_latency(query, live, least + own, most == GST_CLOCK_TIME_NONE ? most : most + own);
  return TRUE;
}

template <class Policy>
gboolean basic_infer<Policy>::propose_allocation(GstQuery* decide, GstQuery* query) {
  parent_class<basic_infer>->propose_allocation(self_, decide, query);  // a failure downstream is no reason to refuse
  gst_query_add_allocation_meta(query, GST_VIDEO_META_API_TYPE, nullptr);
  GstAllocationParams params;
  gst_allocation_params_init(&params);
  params.align = 63;
  if (gst_query_get_n_allocation_params(query) == 0) gst_query_add_allocation_param(query, nullptr, &params);
  else gst_query_set_nth_allocation_param(query, 0, nullptr, &params);
  return TRUE;
}

/// How long ago a frame was taken, by the pipeline's clock: for live sources, whose PTS is the time of arrival, this
/// counts what queues before this element have cost. Zero for files.
template <class Policy>
auto basic_infer<Policy>::age_of(GstClockTime running_time) -> nanoseconds {
  if (!settings_.age_from_pts || !GST_CLOCK_TIME_IS_VALID(running_time)) return {};
  if (!live_) {
    GstQuery* const latency = gst_query_new_latency();
    gboolean live = FALSE;
    if (gst_pad_peer_query(GST_BASE_TRANSFORM_SINK_PAD(self_), latency))
      gst_query_parse_latency(latency, &live, nullptr, nullptr);
    gst_query_unref(latency);
    live_ = live != FALSE;
  }
  if (!*live_) return {};
  const GstClockTime now = gst_element_get_current_running_time(element());
  return nanoseconds(GST_CLOCK_TIME_IS_VALID(now) && now > running_time ? static_cast<std::int64_t>(now - running_time)
                                                                        : 0);
}

/// Maps the frame, runs the model, and gives the result for the buffer; names in it live as long as the model.
template <class Policy>
frame_result basic_infer<Policy>::judge(GstBuffer* buffer, const frame_place& at) {
  const nanoseconds now = steady::now().time_since_epoch();
  const std::span<const sensor_span> sensors = Policy::sensors(buffer);
  inspector& judge = *model_->inspector;
  const mapped_frame frame(buffer, format_, GST_MAP_READ);
  const typename Policy::context context{at.frame_id, now - age_of(at.running_time),
                                         !frame.whole() || GST_BUFFER_FLAG_IS_SET(buffer, GST_BUFFER_FLAG_CORRUPTED)};
  // Without its picture the part is still told to the inspector: the sensor streams go on.
  const inspection& found = judge.inspect(frame.whole() ? frame.view() : frame_view{}, sensors, context);
  const std::string_view label = found.label < 0 ? std::string_view() : judge.label(found.label);
  frame_result r = make_result(found, label, judge.product(), judge.identity(), sensors);
  if (frame.whole()) return r;
  r.verdict = verdict::unknown;  // a buffer came, but not a picture
  r.reason = reason::integrity;
  if (warnings_.allow(now))
    GST_ELEMENT_WARNING(
        self_, STREAM, DECODE,
        ("A frame was damaged and could not be inspected; check the camera's cable and bandwidth."),
        ("frame %" G_GUINT64_FORMAT ": %" G_GSIZE_FORMAT " bytes of %" G_GSIZE_FORMAT ", %" G_GUINT64_FORMAT
         " more not reported",
         at.frame_id, gst_buffer_get_size(buffer), GST_VIDEO_INFO_SIZE(&format_.info), warnings_.take_held()));
  return r;
}

template <class Policy>
GstFlowReturn basic_infer<Policy>::transform_ip(GstBuffer* buffer) {
  const steady::time_point begin = steady::now();
  const GstClockTime pts = GST_BUFFER_PTS(buffer);
  const std::uint64_t id = next_id_++;
  const frame_place at{gst_segment_to_running_time(&self_->segment, GST_FORMAT_TIME, pts), pts,
                       GST_BUFFER_OFFSET_IS_VALID(buffer) ? GST_BUFFER_OFFSET(buffer) : id};
  take_over(at);
  frame_result r = judge(buffer, at);
  if (!settings_.attach_map) r.heat = {};
  if (!attach_result(buffer, r)) {
    GST_ELEMENT_ERROR(self_, STREAM, FAILED, ("A verdict could not be attached to its frame; restart the pipeline."),
                      ("buffer not writable"));
    return GST_FLOW_ERROR;
  }
  attach_regions(buffer, GST_VIDEO_INFO_WIDTH(&format_.info), GST_VIDEO_INFO_HEIGHT(&format_.info), r);
  const steady::time_point end = steady::now();
  if (settings_.post_messages) messages_.report(element(), r, at, end.time_since_epoch());
  account(r, end - begin);
  return GST_FLOW_OK;
}

template <class Policy>
void basic_infer<Policy>::account(const frame_result& r, nanoseconds busy) {
  {
    const std::lock_guard lock(stats_mutex_);
    stats_.add(r.verdict, r.reason, r.level);
    stats_.latency.add(r.latency);
    stats_.busy.add(busy);
    if (stats_.busy.count() % 64 != 0 && stats_.busy.count() != 8) return;
  }
  const GstClockTime own = own_latency(), reported = reported_latency_;
  if (own <= reported + reported / 4) return;
  reported_latency_ = own;
  gst_element_post_message(element(), gst_message_new_latency(GST_OBJECT(self_)));
}

template <class Policy>
GstStructure* basic_infer<Policy>::stats() {
  const std::lock_guard lock(stats_mutex_);
  const auto ns = [](nanoseconds t) { return static_cast<guint64>(t.count()); };
  const infer_stats& s = stats_;
  return gst_structure_new(
      "dsmm-stats", "frames", G_TYPE_UINT64, s.frames, "pass", G_TYPE_UINT64, s.pass, "fail", G_TYPE_UINT64, s.fail,
      "unknown", G_TYPE_UINT64, s.unknown, "damaged", G_TYPE_UINT64, s.damaged, "deadline-missed", G_TYPE_UINT64,
      s.late, "model-swaps", G_TYPE_UINT64, s.swaps, "reduced", G_TYPE_UINT64, s.reduced, "latency-p50", G_TYPE_UINT64,
      ns(s.latency.percentile(50)), "latency-p99", G_TYPE_UINT64, ns(s.latency.percentile(99)), "latency-max",
      G_TYPE_UINT64, ns(s.latency.max()), "busy-p50", G_TYPE_UINT64, ns(s.busy.percentile(50)), "busy-p99",
      G_TYPE_UINT64, ns(s.busy.percentile(99)), "busy-max", G_TYPE_UINT64, ns(s.busy.max()), nullptr);
}

}  // namespace dsmm::inline DSMM_ABI::gst
