// SPDX-License-Identifier: Apache-2.0
#include "tools/line/csv.hpp"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "tools/line/grey_image.hpp"
#include "tools/line/spectrogram.hpp"

using namespace dsmm;
using namespace dsmm::line;

TEST_CASE("a csv row is cut at commas, without blanks, line ends and byte order marks") {
  CHECK(split_csv_line("\xEF\xBB\xBF"
                       "a, b ,,c\r") == std::vector<std::string>{"a", "b", "", "c"});
  CHECK(split_csv_line("") == std::vector<std::string>{""});
}

TEST_CASE("a cell is a number or nothing") {
  const std::vector<std::string> row{"1.5", "-3e2", "", "12x", "nope", "1.5 "};
  CHECK(number(row, 0) == 1.5);
  CHECK(number(row, 1) == -300.0);
  for (std::size_t i = 2; i < 7; ++i) CHECK_FALSE(number(row, i));
}

TEST_CASE("a table without header is no table") {
  const auto path = std::filesystem::temp_directory_path() / "dsmm_test_recorded.csv";
  std::ofstream(path) << "";
  CHECK_FALSE(read_csv(path));
  std::ofstream(path) << "time,value\n1,2\n\n3\n";
  const auto table = read_csv(path);
  REQUIRE(table);
  CHECK(table->column("value") == 1);
  CHECK_FALSE(table->column("other"));
  CHECK(table->rows.size() == 2);
  CHECK_FALSE(number(table->rows[1], 1));
  std::filesystem::remove(path);
}

TEST_CASE("a picture is cropped to shape and averaged") {
  grey_image in{6, 2, {9, 10, 20, 30, 40, 9, 9, 30, 40, 50, 60, 9}};
  const grey_image out = fitted(in, 2, 1);  // the middle 4 x 2
  CHECK(out.pixels == std::vector<std::uint8_t>{25, 45});
  CHECK(fitted(in, 12, 4).pixels.size() == 48);  // enlarging repeats pixels
}

TEST_CASE("a tone stands at its height in the spectrogram") {
  std::vector<float> tone(2560);
  for (std::size_t i = 0; i < tone.size(); ++i)
    tone[i] = sine(static_cast<std::uint32_t>(i) << 26);  // bin 4 of 256 = 2^32 / 2^26
  std::vector<std::uint8_t> picture(256 * 128);
  draw_spectrogram(tone, 0.05f, picture.data());
  for (int x = 0; x < 256; x += 50) {
    int brightest = 0;
    for (int y = 0; y < 128; ++y)
      if (picture[static_cast<std::size_t>(y * 256 + x)] > picture[static_cast<std::size_t>(brightest * 256 + x)])
        brightest = y;
    CHECK(brightest == 127 - 4);
  }
}
