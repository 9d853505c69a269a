// A first prediction on a board: `predict BUNDLE`, the folder that `python3 -m board start` names.
//
// The bundle was verified when it was installed. Its golden samples go through ONNX Runtime, and the answers must be as
// near to those of the machine that made it as the manifest asks; then the exit code is 0 and the caller says `board good`.
#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace fs = std::filesystem;
using nlohmann::json;

// Samples of one float32 tensor; `shape` is one call's.
struct Samples {
  std::string name;
  std::vector<int64_t> shape;
  std::vector<float> values;

  Samples(const fs::path& bundle, const std::string& called, const json& tensor) : name(called) {
    if (tensor.at("dtype") != "float32") throw std::runtime_error(name + " is not float32");
    const auto sizes = tensor.at("shape").get<std::vector<int64_t>>();
    shape.assign(sizes.begin() + 1, sizes.end());
    std::ifstream file(bundle / "files" / tensor.at("sha256").get<std::string>(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    values.resize(bytes.size() / sizeof(float));  // arm64 is little-endian, as the file is
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(values.data()));
  }

  size_t size() const {
    size_t count = 1;
    for (const int64_t extent : shape) count *= size_t(extent);
    return count;
  }
  float* of(size_t call) { return values.data() + call * size(); }
};

std::vector<Samples> samples_of(const fs::path& bundle, const json& tensors) {
  std::vector<Samples> found;
  for (const auto& [name, tensor] : tensors.items()) found.emplace_back(bundle, name, tensor);
  return found;
}

// The artifact's file in a session, under the names that its files have in use.
Ort::Session open_model(Ort::Env& environment, const fs::path& bundle, const json& artifact) {
  Ort::SessionOptions options;
  options.SetIntraOpNumThreads(1);
  const json settings = artifact.at("runtime").at("options").value("config", json::object());
  for (const auto& [key, value] : settings.items())
    options.AddConfigEntry(key.c_str(), value.get<std::string>().c_str());
  std::string name = (fs::temp_directory_path() / "model-XXXXXX").string();
  const fs::path folder = mkdtemp(name.data());
  for (const json& file : artifact.at("files")) {
    const fs::path place = folder / file.at("path").get<std::string>();
    fs::create_directories(place.parent_path());
    fs::create_symlink(fs::canonical(bundle / "files" / file.at("sha256").get<std::string>()), place);
  }
  Ort::Session session(environment, (folder / artifact.at("entry").get<std::string>()).c_str(), options);
  fs::remove_all(folder);
  return session;
}

int predict(const fs::path& bundle) {
  std::ifstream file(bundle / "manifest.json");
  const json manifest = json::parse(file);
  const json& artifacts = manifest.at("artifacts");
  const auto found = std::find_if(artifacts.begin(), artifacts.end(), [](const json& each) {
    return each.at("runtime").at("name") == "onnxruntime";
  });
  if (found == artifacts.end()) throw std::runtime_error("the bundle has nothing for ONNX Runtime");
  const json& artifact = *found;
  const std::string artifact_name = artifact.at("name");
  const json& golden = manifest.at("golden");

  Ort::Env environment(ORT_LOGGING_LEVEL_WARNING);
  Ort::Session session = open_model(environment, bundle, artifact);
  std::vector<Samples> inputs = samples_of(bundle, golden.at("inputs"));
  std::vector<Samples> expected = samples_of(bundle, golden.at("outputs").at(artifact_name));
  std::vector<const char*> takes, answers;
  for (const Samples& input : inputs) takes.push_back(input.name.c_str());
  for (const Samples& output : expected) answers.push_back(output.name.c_str());

  const Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  const size_t calls = golden.at("samples");
  double signal = 0, noise = 0;
  for (size_t call = 0; call < calls; ++call) {
    std::vector<Ort::Value> given;
    for (Samples& input : inputs)
      given.push_back(Ort::Value::CreateTensor<float>(memory, input.of(call), input.size(), input.shape.data(),
                                                      input.shape.size()));
    const auto outputs = session.Run({}, takes.data(), given.data(), given.size(), answers.data(), answers.size());
    for (size_t i = 0; i < outputs.size(); ++i) {
      const float* values = outputs[i].GetTensorData<float>();
      const size_t count = expected[i].size();
      if (call == 0 && i == 0)
        std::printf("%s: %s of the first sample: class %td\n", artifact_name.c_str(), answers[i],
                    std::max_element(values, values + count) - values);
      for (size_t at = 0; at < count; ++at) {
        const double wanted = expected[i].of(call)[at], difference = values[at] - wanted;
        signal += wanted * wanted;
        noise += difference * difference;
      }
    }
  }
  const double reached = 10 * std::log10(signal / noise), least = artifact.at("min_sqnr_db");
  std::printf("%zu golden samples, SQNR %.1f dB, at least %.1f\n", calls, reached, least);
  return reached >= least ? 0 : 1;
}

int main(int count, char** words) {
  if (count != 2) {
    std::fprintf(stderr, "predict BUNDLE\n");
    return 2;
  }
  try {
    return predict(words[1]);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "predict: %s\n", error.what());
    return 1;
  }
}
