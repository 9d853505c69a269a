// Tensors of a job: raw little-endian bytes in files, described by name, dtype and shape.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

using json = nlohmann::json;

inline size_t item_size(const std::string& dtype) {
  static const std::pair<const char*, size_t> sizes[] = {
      {"float32", 4}, {"float16", 2}, {"bfloat16", 2}, {"float64", 8}, {"int8", 1},  {"uint8", 1},
      {"int16", 2},   {"uint16", 2},  {"int32", 4},    {"int64", 8},   {"bool", 1}};
  for (const auto& [name, size] : sizes)
    if (dtype == name) return size;
  throw std::runtime_error("no such dtype: " + dtype);
}

// A runtime's own number of a dtype, and back, by its table of both.
template <typename Type, size_t Count>
Type type_of(const std::string& dtype, const std::pair<const char*, Type> (&types)[Count]) {
  for (const auto& [name, type] : types)
    if (dtype == name) return type;
  throw std::runtime_error("no such dtype: " + dtype);
}

template <typename Type, size_t Count>
std::string dtype_of(Type wanted, const std::pair<const char*, Type> (&types)[Count]) {
  for (const auto& [name, type] : types)
    if (wanted == type) return name;
  throw std::runtime_error("a tensor has a dtype that bench-result/1 does not know");
}

struct HostTensor {
  std::string name;
  std::string dtype;
  std::vector<int32_t> shape;
  std::vector<uint8_t> bytes;

  json describe() const { return {{"name", name}, {"dtype", dtype}, {"shape", shape}}; }
};

using Tensors = std::vector<HostTensor>;

// One case of a job, in the model's order.
inline Tensors read_case(const json& described, const std::string& folder) {
  Tensors tensors;
  for (const json& entry : described) {
    HostTensor tensor{entry.at("name"), entry.at("dtype"), entry.at("shape").get<std::vector<int32_t>>(), {}};
    size_t count = item_size(tensor.dtype);
    for (const int32_t size : tensor.shape) count *= size;
    const std::string path = entry.at("path");
    const std::filesystem::path place = std::filesystem::path(folder) / path;
    const auto offset = entry.value("offset", uint64_t(0));
    std::error_code error;
    const uint64_t present = std::filesystem::file_size(place, error);  // not of folders, pipes and what is not there
    if (error) throw std::runtime_error("cannot read " + path + " for input " + tensor.name + ": " + error.message());
    if (offset > present || count > present - offset)
      throw std::runtime_error(path + " is too short for input " + tensor.name);
    tensor.bytes.resize(count);
    std::ifstream file(place, std::ios::binary);
    file.seekg(std::streamoff(offset));
    if (!file.read(reinterpret_cast<char*>(tensor.bytes.data()), std::streamsize(count)))
      throw std::runtime_error("cannot read " + path + " for input " + tensor.name);
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}
