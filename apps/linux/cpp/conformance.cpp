// Answers conformance cases: conformance CASES.jsonl OUT, as docs/codegen.md says. Needs nlohmann/json.hpp.
#include <algorithm>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "edgeship/contract.hpp"

namespace fs = std::filesystem;
using json = nlohmann::json;
using Bytes = std::vector<char>;

static std::string read(const fs::path& file) {
  std::ifstream stream(file, std::ios::binary);
  if (!stream) throw std::runtime_error("cannot read " + file.string());
  return {std::istreambuf_iterator<char>(stream), {}};
}

// This machine's bytes: it is little-endian, as all that edgeship knows are.
template <typename Number>
static Bytes bytes(const std::vector<Number>& numbers) {
  const char* data = reinterpret_cast<const char*>(numbers.data());
  return {data, data + numbers.size() * sizeof(Number)};
}

static std::vector<float> values(const json& about, const fs::path& folder) {
  const std::string raw = read(folder / about.at("values"));
  std::vector<float> numbers(raw.size() / sizeof(float));
  std::copy(raw.begin(), raw.begin() + std::ptrdiff_t(numbers.size() * sizeof(float)),
            reinterpret_cast<char*>(numbers.data()));
  return numbers;
}

static edgeship::Picture picture(const json& about, const std::string& raw) {
  return {reinterpret_cast<const uint8_t*>(raw.data()), raw.size(), about.at("width"), about.at("height"),
          about.at("stride"), about.at("orientation")};
}

static edgeship::Size size(const json& about) { return {about.at(0), about.at(1)}; }

static edgeship::ImageInput input(const json& about) {
  edgeship::ImageInput input;
  if (about.contains("resize")) {
    if (about["resize"].is_array())
      input.size = size(about["resize"]);
    else
      input.shorter_side = about["resize"];
  }
  if (about.contains("crop")) input.crop = size(about["crop"]);
  input.interpolation = about.value("interpolation", input.interpolation);
  input.colour = about.value("colour", input.colour);
  input.scale = about.value("scale", input.scale);
  input.mean = about.value("mean", input.mean);
  input.std = about.value("std", input.std);
  input.layout = about.value("layout", input.layout);
  return input;
}

static Bytes texts(const json& about, const fs::path& folder) {
  const json& said = about.at("settings");
  const edgeship::WordPieceSettings settings{said.at("unknown"),      said.at("start"),
                                             said.at("end"),          said.at("padding"),
                                             said.at("continuation"), said.at("longest_word"),
                                             said.at("special")};
  const edgeship::WordPiece tokenizer(read(folder / about.at("vocabulary")), read(folder / about.at("characters")),
                                      settings);
  std::ifstream lines(folder / about.at("lines"));
  const size_t length = about.at("max_length");
  std::vector<int64_t> all;
  for (std::string line; std::getline(lines, line);) {
    const json text = json::parse(line);
    const edgeship::Encoded encoded = text.is_string() ? tokenizer.encode(text.get<std::string>(), length)
                                                       : tokenizer.encode(text.at(0), text.at(1).get<std::string>(), length);
    for (const auto* ids : {&encoded.input_ids, &encoded.attention_mask, &encoded.token_type_ids})
      all.insert(all.end(), ids->begin(), ids->end());
  }
  return bytes(all);
}

static Bytes answer(const json& about, const fs::path& folder) {
  const std::string kind = about.at("kind");
  if (kind == "text") return texts(about, folder);
  if (kind == "sound") {
    const json& said = about.at("input");
    const edgeship::AudioInput input{said.at("sample_rate_hz"), said.at("frame"), said.value("scale", 1.0),
                                     said.value("centre", false), said.value("level", false)};
    return bytes(input.apply(values(about, folder)).bytes);
  }
  if (kind == "softmax") return bytes(edgeship::softmax(values(about, folder)));
  if (kind == "top_k") {
    std::vector<int32_t> indices;
    for (const auto& one : edgeship::top_k(values(about, folder), about.at("k"))) indices.push_back(int32_t(one.index));
    return bytes(indices);
  }
  const std::string raw = read(folder / about.at("picture"));
  if (kind == "image") return bytes(input(about.at("input")).apply(picture(about, raw)).bytes);
  if (kind == "bytes") return bytes(input(about.at("input")).bytes(picture(about, raw)).bytes);
  if (kind != "resize") throw std::runtime_error("no such kind: " + kind);
  const edgeship::Size wanted = size(about.at("size"));
  const auto pixels = picture(about, raw).pixels(about.at("colour") == "grey");
  return bytes(edgeship::resize(pixels, wanted.height, wanted.width, about.at("filter")).bytes);
}

int main(int count, char** words) {
  if (count != 3) {
    std::cerr << "conformance CASES.jsonl OUT\n";
    return 2;
  }
  const fs::path cases = words[1], out = words[2];
  std::ifstream lines(cases);
  size_t number = 0;
  for (std::string line; std::getline(lines, line); ++number) {
    json error;
    try {
      const json about = json::parse(line);
      const Bytes found = answer(about, cases.parent_path());
      const fs::path place = out / about.at("out");
      fs::create_directories(place.parent_path());
      std::ofstream(place, std::ios::binary).write(found.data(), std::streamsize(found.size()));
    } catch (const std::exception& problem) {
      error = problem.what();
    }
    std::cout << json{{"case", number}, {"error", error}}.dump() << "\n";
  }
}
