// What an app does around a model: pictures and texts to inputs, answers to labels. C++17, nothing else.
#pragma once

#include "image_input.hpp"
#include "picture.hpp"
#include "scores.hpp"
#include "wordpiece.hpp"
