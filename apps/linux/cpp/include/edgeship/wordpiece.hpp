// A BERT tokenizer of plain data: the ids that `transformers` gives for the same texts.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "characters.hpp"

namespace edgeship {

// max_length numbers each.
struct Encoded {
  std::vector<int64_t> input_ids, attention_mask, token_type_ids;
};

// As the contract has it.
struct WordPieceSettings {
  std::string unknown = "[UNK]", start = "[CLS]", end = "[SEP]", padding = "[PAD]", continuation = "##";
  size_t longest_word = 100;
  std::vector<std::string> special = {};  // tokens that are taken as they stand in a text
};

// Replaces characters, parts words, and cuts each into the longest pieces that the vocabulary has.
class WordPiece {
 public:
  // The contents of the two files that the contract names. std::out_of_range where a special token is no token.
  WordPiece(const std::string& vocabulary, const std::string& characters, const WordPieceSettings& settings = {})
      : characters_(characters), continuation_(decoded(settings.continuation)), longest_word_(settings.longest_word) {
    std::istringstream lines(vocabulary);
    for (std::string token; std::getline(lines, token);) ids_.emplace(decoded(token), int64_t(ids_.size()));
    unknown_ = ids_.at(decoded(settings.unknown));
    start_ = ids_.at(decoded(settings.start));
    end_ = ids_.at(decoded(settings.end));
    padding_ = ids_.at(decoded(settings.padding));
    for (const std::string& token : settings.special) special_.push_back(decoded(token));
    std::stable_sort(special_.begin(), special_.end(),
                     [](const Codes& one, const Codes& other) { return one.size() > other.size(); });
  }

  // UTF-8, one text or two; cut at max_length, the longer one first. std::invalid_argument where not even the frame
  // has room, or a text is not UTF-8.
  Encoded encode(const std::string& text, const std::optional<std::string>& pair, size_t max_length) const {
    const size_t frame = pair ? 3 : 2;
    if (max_length < frame) throw std::invalid_argument("max_length is too short for a text");
    std::vector<int64_t> first = tokens(decoded(text)), second;
    if (pair) second = tokens(decoded(*pair));
    cut(first, second, max_length - frame);
    Encoded encoded;
    std::vector<int64_t>& ids = encoded.input_ids;
    ids.push_back(start_);
    ids.insert(ids.end(), first.begin(), first.end());
    ids.push_back(end_);
    encoded.token_type_ids.assign(ids.size(), 0);
    ids.insert(ids.end(), second.begin(), second.end());
    if (pair) ids.push_back(end_);
    encoded.token_type_ids.resize(ids.size(), 1);
    encoded.attention_mask.assign(ids.size(), 1);
    ids.resize(max_length, padding_);
    encoded.attention_mask.resize(max_length, 0);
    encoded.token_type_ids.resize(max_length, 0);
    return encoded;
  }

  Encoded encode(const std::string& text, size_t max_length) const { return encode(text, std::nullopt, max_length); }

 private:
  struct Hash {
    size_t operator()(const Codes& codes) const { return std::hash<Codes>()(codes); }
  };

  std::vector<int64_t> tokens(const Codes& text) const {
    std::vector<int64_t> found;
    Codes plain;
    for (size_t place = 0; place < text.size();) {
      const auto special = std::find_if(special_.begin(), special_.end(), [&](const Codes& token) {
        return text.compare(place, token.size(), token) == 0;
      });
      if (special == special_.end()) {
        plain.push_back(text[place++]);
        continue;
      }
      add(std::exchange(plain, {}), found);
      found.push_back(ids_.at(*special));
      place += special->size();
    }
    add(plain, found);
    return found;
  }

  void add(const Codes& plain, std::vector<int64_t>& found) const {
    for (const Codes& word : characters_.words(plain)) {
      const std::vector<int64_t> pieces = cut_up(word);
      found.insert(found.end(), pieces.begin(), pieces.end());
    }
  }

  std::vector<int64_t> cut_up(const Codes& word) const {
    if (word.size() > longest_word_) return {unknown_};
    std::vector<int64_t> pieces;
    for (size_t start = 0; start < word.size();) {
      size_t end = word.size();
      auto piece = ids_.end();
      for (; end > start; --end) {
        piece = ids_.find((start ? continuation_ : Codes()) + word.substr(start, end - start));
        if (piece != ids_.end()) break;
      }
      if (end == start) return {unknown_};
      pieces.push_back(piece->second);
      start = end;
    }
    return pieces;
  }

  // The longer one loses, and both come to half where both are longer than that.
  static void cut(std::vector<int64_t>& first, std::vector<int64_t>& second, size_t room) {
    if (first.size() + second.size() <= room) return;
    const bool first_is_short = first.size() <= second.size();
    std::vector<int64_t>& shorter = first_is_short ? first : second;
    std::vector<int64_t>& longer = first_is_short ? second : first;
    if (2 * shorter.size() > room) shorter.resize(room / 2);
    longer.resize(room - shorter.size());
  }

  Characters characters_;
  std::unordered_map<Codes, int64_t, Hash> ids_;
  std::vector<Codes> special_;  // the longest first
  Codes continuation_;
  size_t longest_word_;
  int64_t unknown_ = 0, start_ = 0, end_ = 0, padding_ = 0;
};

}  // namespace edgeship
