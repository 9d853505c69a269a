// Reads the digit in a picture: `read_digit FOLDER PICTURE.ppm`; FOLDER is what unpack.py wrote.
#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "digits.hpp"
#include "edgeship/onnxruntime.hpp"

// A binary PPM file, as cameras' tools write it: rows of red, green, blue.
struct Ppm {
  size_t width = 0, height = 0;
  std::vector<uint8_t> rgba;

  explicit Ppm(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::string kind;
    int most = 0;
    file >> kind >> width >> height >> most;
    file.get();  // the white space before the pixels
    std::vector<char> rgb(width * height * 3);
    file.read(rgb.data(), std::streamsize(rgb.size()));
    if (kind != "P6" || most != 255 || !file) throw std::runtime_error(path + " is no binary PPM file");
    for (size_t i = 0; i < width * height; ++i) {
      rgba.insert(rgba.end(), rgb.begin() + 3 * i, rgb.begin() + 3 * i + 3);
      rgba.push_back(255);
    }
  }
};

int main(int count, char** words) {
  if (count != 3) {
    std::fprintf(stderr, "read_digit FOLDER PICTURE.ppm\n");
    return 2;
  }
  try {
    const Digits digits(words[1], edgeship::onnxruntime_engine());
    const Ppm file(words[2]);
    const edgeship::Picture picture(file.rgba.data(), file.rgba.size(), file.width, file.height);
    const edgeship::Scored best = digits.predict(picture).best().front();
    std::printf("%s (%.0f%%)\n", best.label.c_str(), 100 * best.score);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "read_digit: %s\n", error.what());
    return 1;
  }
}
