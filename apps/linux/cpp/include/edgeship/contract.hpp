// What an app does around a model: pictures, sound and texts to inputs, answers to labels. C++17, nothing else.
#pragma once

#include "audio_input.hpp"
#include "image_input.hpp"
#include "picture.hpp"
#include "scores.hpp"
#include "wordpiece.hpp"
