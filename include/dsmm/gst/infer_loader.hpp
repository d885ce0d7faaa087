// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <gst/gst.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "dsmm/config.hpp"
#include "dsmm/core/result.hpp"

namespace dsmm::inline DSMM_ABI::gst {

/// A model that is ready to judge, and the file that it came from.
template <class Inspector>
struct armed_model {
  std::unique_ptr<Inspector> inspector;
  std::string file;
};

/// Reads and opens a model file.
/// Errors: not_found, io, and everything that Inspector::open() refuses.
template <class Inspector, class Options>
result<armed_model<Inspector>> load_model(const std::string& file, const Options& options) {
  gchar* text = nullptr;
  gsize size = 0;
  GError* error = nullptr;
  if (!g_file_get_contents(file.c_str(), &text, &size, &error)) {
    const bool missing = g_error_matches(error, G_FILE_ERROR, G_FILE_ERROR_NOENT) != FALSE;
    g_error_free(error);
    if (missing) return failure{errc::not_found, "the file does not exist"};
    return failure{errc::io, "the file cannot be read"};
  }
  const std::unique_ptr<gchar, void (*)(gpointer)> bytes(text, g_free);
  auto opened = Inspector::open(std::as_bytes(std::span<const gchar>(text, size)), options);
  if (!opened) return opened.error();
  return armed_model<Inspector>{std::make_unique<Inspector>(std::move(*opened)), file};
}

/// What a running stream brings: the size of its frames and its sensors. Every model that is to take over must do with
/// it.
class stream_contract {
public:
  template <class Inspector>
  explicit stream_contract(const Inspector& first) : width_(first.width()), height_(first.height()) {
    for (const auto& need : first.sensors()) sensors_.push_back({std::string(need.name), need.rate_hz, need.channels});
  }

  /// Why a model does not fit, or null if it does.
  template <class Inspector>
  const char* refuses(const Inspector& next) const noexcept {
    if (next.width() != width_ || next.height() != height_) return "it was made for another frame size";
    for (const auto& need : next.sensors())
      if (std::none_of(sensors_.begin(), sensors_.end(), [&need](const sensor& have) {
            return have.name == need.name && have.rate_hz == need.rate_hz && have.channels == need.channels;
          }))
        return "it needs a sensor that the running model does not have";
    return nullptr;
  }

  /// Narrows the answer to a caps query to the model's frame size, so that a videoscale before it knows what to do.
  void narrow(GstQuery* query) const {
    if (width_ == 0 || height_ == 0) return;  // a model of sensors alone
    GstCaps* answer = nullptr;
    gst_query_parse_caps_result(query, &answer);
    GstCaps* const size = gst_caps_from_string("video/x-raw; video/x-bayer");
    gst_caps_set_simple(size, "width", G_TYPE_INT, width_, "height", G_TYPE_INT, height_, nullptr);
    GstCaps* const narrowed = gst_caps_intersect_full(answer, size, GST_CAPS_INTERSECT_FIRST);
    gst_query_set_caps_result(query, narrowed);
    gst_caps_unref(narrowed);
    gst_caps_unref(size);
  }

private:
  struct sensor {
    std::string name;
    double rate_hz;
    std::uint32_t channels;
  };
  std::int32_t width_, height_;
  std::vector<sensor> sensors_;
};

/// Loads models beside a running stream. One worker thread reads, opens and self-tests; the streaming thread takes the
/// finished model between two frames with one atomic exchange, and never waits. Of several requests made while one is
/// being worked on, the last counts.
template <class Inspector>
class model_loader {
public:
  using model = armed_model<Inspector>;
  using load_function = std::function<std::unique_ptr<model>()>;  ///< null if refused; reports that itself

  model_loader() = default;
  model_loader(const model_loader&) = delete;
  model_loader& operator=(const model_loader&) = delete;
  ~model_loader() { stop(); }

  void start() {
    stop();
    worker_ = std::thread([this] { work(); });
  }

  /// Ends the worker after the load it is at, and drops what nobody took.
  void stop() {
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    wake_.notify_one();
    if (worker_.joinable()) worker_.join();
    stopping_ = false;
    request_ = nullptr;
    delete ready_.exchange(nullptr);
    delete retired_.exchange(nullptr);
  }

  void request(load_function load) {
    {
      const std::lock_guard lock(mutex_);
      request_ = std::move(load);
    }
    wake_.notify_one();
  }

  /// Streaming thread: the newest finished model, or null.
  std::unique_ptr<model> take() noexcept {
    if (ready_.load(std::memory_order_relaxed) == nullptr) return nullptr;
    return std::unique_ptr<model>(ready_.exchange(nullptr, std::memory_order_acq_rel));
  }

  /// Streaming thread: gives the old model to the worker, which frees it now or, if it just went to sleep, next time.
  void retire(std::unique_ptr<model> old) noexcept {
    delete retired_.exchange(old.release(), std::memory_order_acq_rel);
    wake_.notify_one();
  }

private:
  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return stopping_ || request_ || retired_.load() != nullptr; });
      if (stopping_) return;
      const load_function load = std::exchange(request_, nullptr);
      lock.unlock();
      delete retired_.exchange(nullptr, std::memory_order_acq_rel);
      if (load) delete ready_.exchange(load().release(), std::memory_order_acq_rel);
      lock.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  load_function request_;
  bool stopping_ = false;
  std::thread worker_;
  std::atomic<model*> ready_{nullptr}, retired_{nullptr};
};

}  // namespace dsmm::inline DSMM_ABI::gst
