// The table of characters that a bundle brings: what becomes of each one before a text is parted into words.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace edgeship {

using Codes = std::u32string;

// std::invalid_argument for what is not UTF-8.
inline Codes decoded(const std::string& text) {
  static constexpr uint32_t smallest[] = {0, 0x80, 0x800, 0x10000};
  Codes codes;
  for (size_t i = 0; i < text.size();) {
    const auto lead = uint8_t(text[i++]);
    const int more = lead < 0x80 ? 0 : lead >> 5 == 6 ? 1 : lead >> 4 == 14 ? 2 : lead >> 3 == 30 ? 3 : -1;
    uint32_t code = more <= 0 ? lead : lead & (0x3Fu >> more);
    bool sound = more >= 0 && i + size_t(std::max(more, 0)) <= text.size();
    for (int k = 0; sound && k < more; ++k) {
      const auto next = uint8_t(text[i++]);
      sound = next >> 6 == 2;
      code = code << 6 | (next & 0x3Fu);
    }
    if (!sound || code < smallest[more] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000))
      throw std::invalid_argument("the text is not UTF-8");
    codes.push_back(code);
  }
  return codes;
}

class Characters {
 public:
  explicit Characters(const std::string& table) {
    std::istringstream lines(table);
    for (std::string line; std::getline(lines, line);) {
      std::istringstream words(line);
      std::string kind;
      words >> kind;
      if (kind == "hangul") {
        hangul_ = true;
        continue;
      }
      Range range;
      words >> std::hex >> range.from >> range.to;
      for (std::string code; words >> code;)
        range.said.push_back(code == "=" ? kItself : char32_t(std::stoul(code, nullptr, kind == "order" ? 10 : 16)));
      ranges_[kind].push_back(range);
    }
  }

  // A text's words; punctuation is a word of its own.
  std::vector<Codes> words(const Codes& text) const {
    std::vector<Codes> found;
    Codes word;
    for (const char32_t code : replaced(text)) {
      const bool alone = find("alone", code);
      if (!alone && !find("space", code)) {
        word.push_back(code);
        continue;
      }
      if (!word.empty()) found.push_back(std::exchange(word, {}));
      if (alone) found.push_back({code});
    }
    if (!word.empty()) found.push_back(word);
    return found;
  }

 private:
  static constexpr char32_t kItself = 0xFFFFFFFF;

  struct Range {
    uint32_t from = 0, to = 0;
    Codes said;
  };

  Codes replaced(const Codes& text) const {
    Codes first, then;
    for (const char32_t code : text) decompose(code, first);
    order(first);
    for (const char32_t code : first) add("then", code, then);
    return then;
  }

  // Syllables of Hangul by Unicode's arithmetic, all others by the table.
  void decompose(char32_t code, Codes& codes) const {
    if (!hangul_ || code < 0xAC00 || code > 0xD7A3) return add("first", code, codes);
    const uint32_t index = code - 0xAC00, tail = index % 28;
    codes.push_back(0x1100 + index / (21 * 28));
    codes.push_back(0x1161 + index / 28 % 21);
    if (tail) codes.push_back(0x11A7 + tail);
  }

  // Marks that follow one another by their class; those of one class stay as they are.
  void order(Codes& codes) const {
    const auto mark = [&](char32_t code) { return find("order", code) != nullptr; };
    const auto lower = [&](char32_t one, char32_t other) {
      return find("order", one)->said[0] < find("order", other)->said[0];
    };
    for (auto begin = codes.begin(); begin != codes.end();) {
      begin = std::find_if(begin, codes.end(), mark);
      const auto end = std::find_if_not(begin, codes.end(), mark);
      std::stable_sort(begin, end, lower);
      begin = end;
    }
  }

  void add(const char* kind, char32_t code, Codes& codes) const {
    const Range* range = find(kind, code);
    if (!range) return codes.push_back(code);
    for (const char32_t each : range->said) codes.push_back(each == kItself ? code : each);
  }

  // Null where nothing is said.
  const Range* find(const char* kind, char32_t code) const {
    const auto ranges = ranges_.find(kind);
    if (ranges == ranges_.end()) return nullptr;
    auto after = std::upper_bound(ranges->second.begin(), ranges->second.end(), code,
                                  [](char32_t wanted, const Range& range) { return wanted < range.from; });
    if (after == ranges->second.begin()) return nullptr;
    return code <= (--after)->to ? &*after : nullptr;
  }

  bool hangul_ = false;
  std::map<std::string, std::vector<Range>, std::less<>> ranges_;
};

}  // namespace edgeship
