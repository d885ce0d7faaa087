// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <glib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>

namespace {

/// Where the build put the plugin: beside tests/, or in $DSMM_PLUGIN_DIR.
std::string plugin_directory() {
  if (const char* const set = g_getenv("DSMM_PLUGIN_DIR")) return set;
  return (std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "gst").string();
}

/// What gst-inspect-1.0 says of an element, without what differs from one machine to the next.
std::string inspected(const std::string& element) {
  gchar** environment = g_get_environ();
  environment = g_environ_setenv(environment, "GST_PLUGIN_PATH", plugin_directory().c_str(), TRUE);
  environment = g_environ_setenv(environment, "GST_REGISTRY", "dsmm-inspect-registry.bin", TRUE);
  environment = g_environ_setenv(environment, "GST_TRACERS", "", TRUE);
  environment = g_environ_setenv(environment, "LC_ALL", "C", TRUE);
  gchar* arguments[] = {const_cast<gchar*>("gst-inspect-1.0"), const_cast<gchar*>(element.c_str()), nullptr};
  gchar* out = nullptr;
  gint status = -1;
  const gboolean ran = g_spawn_sync(nullptr, arguments, environment,
                                    static_cast<GSpawnFlags>(G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL), nullptr,
                                    nullptr, &out, nullptr, &status, nullptr);
  g_strfreev(environment);
  REQUIRE(ran);
  REQUIRE(status == 0);
  std::string text(out);
  g_free(out);
  text = std::regex_replace(text, std::regex("(Filename|Version) +[^\n]*"), "$1");
  return std::regex_replace(text, std::regex(" +\n"), "\n");
}

}  // namespace

// An element's name, pads and properties are a promise to every pipeline that uses it. To accept a change, copy the
// output named by the failed check over the golden file.
TEST_CASE("plugin: gst-inspect says what the golden files say") {
#ifdef DSMM_SANITIZED
  MESSAGE("skipped: gst-inspect-1.0 cannot load a plugin that was built with sanitizers");
  return;
#endif
  for (const char* const element : {"dsmminfer", "dsmmoverlay"}) {
    const std::string path = std::string(DSMM_SOURCE_DIR "/tests/golden/gst-inspect-") + element + ".txt";
    std::ifstream file(path);
    const std::string golden{std::istreambuf_iterator<char>(file), {}};
    const std::string now = inspected(element);
    CAPTURE(path);
    if (now != golden) std::ofstream(std::string("gst-inspect-") + element + ".txt") << now;
    CHECK(now == golden);
  }
}
