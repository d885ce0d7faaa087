// SPDX-License-Identifier: Apache-2.0
#include "dsmm/model/file.hpp"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>

#include "tests/model/every_op_model.hpp"

using dsmm::errc;

namespace {

/// A folder of its own that goes with the test.
struct scratch_folder {
  std::string path;
  scratch_folder() {
    std::string name = (std::filesystem::temp_directory_path() / "dsmm-test-XXXXXX").string();
    path = ::mkdtemp(name.data());
  }
  ~scratch_folder() { std::filesystem::remove_all(path); }
  std::string operator/(const char* name) const { return path + "/" + name; }
};

}  // namespace

TEST_CASE("a model survives the way through a file") {
  const scratch_folder folder;
  const std::string path = folder / "every.dsmm";
  const auto file = every_op::file();
  REQUIRE(dsmm::write_file(path.c_str(), file.bytes()));
  CHECK(!std::filesystem::exists(path + ".part"));
  auto opened = dsmm::owned_model::open(path.c_str());
  REQUIRE(opened);
  const dsmm::owned_model moved = std::move(*opened);  // the view stays on the same bytes
  CHECK(moved->programs().size() == 3);
  CHECK(moved->meta("product") == "every operator");
  CHECK(reinterpret_cast<std::uintptr_t>(moved->file().data()) % 64 == 0);
  CHECK(std::memcmp(moved->file().data(), file.bytes().data(), file.bytes().size()) == 0);
}

TEST_CASE("what cannot be read is said, not waited for") {
  const scratch_folder folder;
  CHECK(dsmm::read_file((folder / "none").c_str()).error().code == errc::not_found);
  CHECK(dsmm::read_file(folder.path.c_str()).error().code == errc::io);
  CHECK(dsmm::read_file("/dev/zero").error().code == errc::io);
  const std::string pipe = folder / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(dsmm::read_file(pipe.c_str()).error().code == errc::io);
  const std::string path = folder / "bytes";
  REQUIRE(dsmm::write_file(path.c_str(), std::as_bytes(std::span("1234567", 7))));
  CHECK(dsmm::read_file(path.c_str(), 7)->bytes().size() == 7);
  CHECK(dsmm::read_file(path.c_str(), 6).error().code == errc::too_large);
  CHECK(dsmm::owned_model::open(path.c_str()).error().code == errc::bad_magic);
  REQUIRE(dsmm::write_file(path.c_str(), {}));
  CHECK(dsmm::read_file(path.c_str())->bytes().empty());
  CHECK(dsmm::owned_model::open(path.c_str()).error().code == errc::bad_magic);
}

TEST_CASE("a write that fails leaves the old file whole") {
  const scratch_folder folder;
  CHECK(dsmm::write_file((folder / "no/such/folder").c_str(), {}).error().code == errc::io);
  CHECK(dsmm::write_file(folder.path.c_str(), {}).error().code == errc::io);  // a folder is not replaced
  CHECK(std::filesystem::is_directory(folder.path));
  CHECK(!std::filesystem::exists(folder.path + ".part"));
  CHECK(dsmm::write_file(std::string(5000, 'x').c_str(), {}).error().code == errc::io);
}

TEST_CASE("a failure names the end of a long path") {
  const std::string path = std::string(80, 'd') + "/model.dsmm";
  CHECK(std::string(dsmm::read_file(path.c_str()).error().name).ends_with("/model.dsmm"));
}
