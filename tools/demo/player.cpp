// SPDX-License-Identifier: Apache-2.0
#include "tools/demo/player.hpp"

#include <algorithm>
#include <chrono>
#include <deque>
#include <mutex>
#include <thread>

#include "dsmm/gst/result_meta.hpp"
#include "dsmm/gst/sensor_meta.hpp"
#include "tools/demo/pipeline.hpp"
#include "tools/demo/schedule.hpp"
#include "tools/demo/selection.hpp"

namespace dsmm::inline DSMM_ABI::demo {

namespace {

using steady = std::chrono::steady_clock;

double ms_since(steady::time_point start) {
  return std::chrono::duration<double, std::milli>(steady::now() - start).count();
}
double to_ms(std::chrono::nanoseconds t) { return std::chrono::duration<double, std::milli>(t).count(); }

/// The far end of the line: takes results as they come, on the streaming thread, and counts them.
class receiver {
public:
  receiver(run_result& out, const player_options& options)
      : out_(out), chosen_(options.most_exhibits), inspected_(!options.model_file.empty()) {}

  void attach(GstAppSink* sink) {
    GstAppSinkCallbacks callbacks{};
    callbacks.eos = [](GstAppSink*, gpointer self) { static_cast<receiver*>(self)->ended_ = true; };
    callbacks.new_sample = [](GstAppSink* from, gpointer self) { return static_cast<receiver*>(self)->take(from); };
    gst_app_sink_set_callbacks(sink, &callbacks, this, nullptr);
  }

  /// Called before picture `id` is pushed; ids count up from 0.
  void announce(const line::picture& p) {
    judged_part note;
    note.part = p.part, note.kind = p.kind, note.truth_known = p.truth_known, note.defective = p.defective;
    note.damaged = p.damaged, note.seen_by = p.seen_by;
    const std::lock_guard lock(mutex_);
    waiting_.push_back({std::move(note), steady::now()});
    if (!p.damaged) return;
    const auto known = std::find_if(out_.damaged.begin(), out_.damaged.end(),
                                    [&](const damage_note& d) { return d.what == p.trouble; });
    if (known != out_.damaged.end()) ++known->parts;
    else if (out_.damaged.size() < 20) out_.damaged.push_back({p.trouble, p.part, 1});
  }

  bool ended() const noexcept { return ended_; }
  /// A copy of the counts so far.
  tally counts() {
    const std::lock_guard lock(mutex_);
    return out_.counts;
  }

  /// Counts what never came out; after the line has stopped.
  void close() {
    const std::lock_guard lock(mutex_);
    while (!waiting_.empty()) lose_front();
  }

private:
  struct expected_part {
    judged_part note;
    steady::time_point pushed;
  };

  GstFlowReturn take(GstAppSink* from) {
    GstSample* const sample = gst_app_sink_pull_sample(from);
    if (sample == nullptr) return GST_FLOW_EOS;
    GstBuffer* const buffer = gst_sample_get_buffer(sample);
    const std::lock_guard lock(mutex_);
    for (; !waiting_.empty() && next_id_ < GST_BUFFER_OFFSET(buffer); ++next_id_) lose_front();
    if (!waiting_.empty()) {
      judged_part p = std::move(waiting_.front().note);
      p.delivered_ms = ms_since(waiting_.front().pushed);
      waiting_.pop_front(), ++next_id_;
      read(buffer, p);
      out_.counts.add(p);
      if (chosen_.wants(p)) out_.exhibits.push_back({std::move(p), buffer_ref(gst_buffer_ref(buffer))});
    }
    gst_sample_unref(sample);
    return GST_FLOW_OK;
  }

  /// The oldest announced picture will not come out: the line could not keep up, or ended.
  void lose_front() {
    judged_part p = std::move(waiting_.front().note);
    waiting_.pop_front();
    p.came_out = false, p.complete = false, p.reason = reason::no_frame;
    out_.counts.add(p);
  }

  void read(GstBuffer* buffer, judged_part& p) const {
    p.complete = gst::sensors_complete(buffer);
    p.reason = p.damaged ? reason::integrity : inspected_ ? reason::no_frame : reason::model;
    const auto r = gst::read_result(buffer);
    if (!r) return;
    p.verdict = r->verdict, p.reason = r->reason, p.label = std::string(r->label);
    p.score = r->score, p.threshold = r->threshold;
    p.image = r->image_score, p.series = r->series_score, p.joint = r->joint_score;
    p.decision_ms = to_ms(r->latency);
    for (std::size_t i = 0; i < 4; ++i) p.stage_ms[i] = to_ms(r->stage[i]);
  }

  run_result& out_;
  selection chosen_;
  bool inspected_;
  std::mutex mutex_;
  std::deque<expected_part> waiting_;
  std::uint64_t next_id_ = 0;  ///< of the front of waiting_
  std::atomic<bool> ended_{false};
};

/// Sleeps until a moment of line time has come. Live, line time is the pipeline's running time plus a start; at another
/// speed the pipeline does not follow the clock and only the hand-overs are paced.
class pacer {
public:
  pacer(GstElement* pipeline, const player_options& options)
      : pipeline_(pipeline), options_(options), start_(steady::now()) {
    if (options_.live()) start_ns_ = running_ns() + 50'000'000;
  }
  std::int64_t pts(std::int64_t line_ns) const noexcept { return start_ns_ + line_ns; }
  void wait_for(std::int64_t line_ns) const {
    if (!options_.real_time) return;
    const double elapsed = std::chrono::duration<double, std::nano>(steady::now() - start_).count();
    const double left = options_.live() ? static_cast<double>(pts(line_ns) - running_ns())
                                        : static_cast<double>(line_ns) / options_.speed - elapsed;
    if (left > 0) std::this_thread::sleep_for(std::chrono::nanoseconds(static_cast<std::int64_t>(left)));
  }

private:
  std::int64_t running_ns() const noexcept {
    return static_cast<std::int64_t>(gst_element_get_current_running_time(pipeline_));
  }

  GstElement* pipeline_;
  const player_options& options_;
  steady::time_point start_;
  std::int64_t start_ns_ = 0;
};

}  // namespace

bool play(line::feed& feed, const player_options& options, const single_limits& limits, const std::atomic<bool>& stop,
          const std::function<void(const tally&)>& progress, run_result& out, line::complaint& why) {
  out.counts = tally(limits);
  line_pipeline line;
  if (!line.build(feed.about(), options, why)) return false;
  receiver end(out, options);
  end.attach(line.sink());
  const auto failed = [&](const std::string& trouble) {
    why = {trouble.empty() ? "the line's pipeline did not start" : trouble, feed.about().title,
           "correct this and start again"};
    return false;
  };
  if (gst_element_set_state(line.pipeline(), GST_STATE_PLAYING) == GST_STATE_CHANGE_FAILURE)
    return failed(line.poll(out));
  if (options.live()) gst_element_get_state(line.pipeline(), nullptr, nullptr, GST_SECOND);

  const steady::time_point start = steady::now();
  steady::time_point shown = start;
  const pacer pace(line.pipeline(), options);
  std::uint64_t pictures = 0;
  std::string trouble;
  double busy_ms = 0;
  const auto show = [&] {
    if (steady::now() - shown < std::chrono::milliseconds(200)) return;
    shown = steady::now();
    trouble = line.poll(out);
    progress(end.counts());
  };
  schedule plan(feed, options.parts);
  for (; !plan.done() && !stop && trouble.empty(); show()) {
    const std::int64_t due = plan.due_ns();
    pace.wait_for(due);
    bool taken = true;
    if (plan.source() == schedule::camera) {
      end.announce(plan.picture());
      taken = line.push_picture(plan.picture(), pace.pts(plan.picture().time_ns), pictures++);
    } else {
      taken = line.push_chunk(plan.source(), plan.chunk(), pace.pts(plan.chunk().time_ns));
    }
    if (!taken) break;
    const steady::time_point making = steady::now();
    const std::size_t from = plan.source();
    plan.pop();
    if (from != schedule::camera && !plan.alive(from)) line.end_sensor(from);
    busy_ms += ms_since(making);
  }
  line.end();
  out.stopped = stop;
  const steady::time_point last = steady::now();
  while (!end.ended() && trouble.empty() && steady::now() - last < std::chrono::seconds(10)) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    trouble = line.poll(out);
  }
  out.wall_s = ms_since(start) / 1000;
  out.busy_s = busy_ms / 1000;
  if (trouble.empty() && !end.ended()) trouble = "the line did not end within 10 s";
  gst_element_set_state(line.pipeline(), GST_STATE_NULL);
  end.close();
  return trouble.empty() ? true : failed(trouble);
}

}  // namespace dsmm::inline DSMM_ABI::demo
