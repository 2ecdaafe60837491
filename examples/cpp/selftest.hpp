// Proves that a model gives here what it gave at export: a picture by formula, and the class map it must give.
#pragma once

#include <openssl/sha.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "failure.hpp"
#include "model_card.hpp"
#include "picture.hpp"

/// The street of the self-test's picture: its colour at `x` and `y` in thousandths of the picture.
inline std::array<int, 3> street(std::int64_t x, std::int64_t y) {
    const auto within = [](std::int64_t value, std::int64_t from, std::int64_t to) { return from <= value && value < to; };
    if (within(x, 80, 110) && within(y, 380, 700)) return {50, 50, 80};     // post
    if (within(x, 620, 800) && within(y, 470, 540)) return {40, 45, 55};    // the car's window
    if (within(x, 590, 830) && within(y, 430, 640)) return {120, 30, 35};   // car
    if (y >= 480 && std::abs(x - 500) < y - 400) return {90, 90, 95};       // road
    if (y >= 480) return {150, 140, 140};                                   // pavement
    if (x >= 700 && y >= 150) return {70, 90, 40};                          // tree
    if (x < 280 && y >= 200 && x / 40 % 2 == 0 && y / 60 % 2 == 0) return {60, 60, 70};  // windows
    if (x < 280 && y >= 200) return {130, 80, 60};                          // wall
    return {200, 210, 220};                                                 // sky
}

/// The picture `lrnnet-picture-2`: a street of flat shapes under a little noise (fixtures/README.md).
inline Picture synthetic_picture(std::int64_t height, std::int64_t width) {
    constexpr std::uint64_t SEED = 0x2AB612888528489A;  // FNV-1a of "image"
    Picture picture{height, width, std::vector<std::uint8_t>(static_cast<std::size_t>(height * width * 3))};
    for (std::uint64_t n = 0; n < picture.rgb.size(); ++n) {
        const auto pixel = static_cast<std::int64_t>(n / 3), x = pixel % width, y = pixel / width;
        const int base = street((2 * x + 1) * 500 / width, (2 * y + 1) * 500 / height)[n % 3];
        std::uint64_t z = SEED + (n + 1) * 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        z ^= z >> 31;
        picture.rgb[n] = static_cast<std::uint8_t>(base + static_cast<int>(z >> 59) - 16);
    }
    return picture;
}

inline std::string sha256_hex(const std::vector<std::uint8_t>& bytes) {
    unsigned char digest[SHA256_DIGEST_LENGTH];
    SHA256(bytes.data(), bytes.size(), digest);
    std::string hex;
    for (const unsigned char byte : digest) {
        char pair[3];
        std::snprintf(pair, sizeof pair, "%02x", byte);
        hex += pair;
    }
    return hex;
}

/// Runs the self-test of `card` through `segment`, which turns a picture into class ids, and prints the outcome.
template <typename Segment>
int run_selftest(const ModelCard& card, std::int64_t model_height, std::int64_t model_width, Segment segment) {
    if (!card.selftest || card.selftest->is_null())
        throw Failure(BAD_USAGE_OR_MODEL, card.path + ": no metadata `selftest`; export it again with lrnnet-export");
    std::string input, expected_hash;
    std::int64_t height = 0, width = 0, near_ties = 0;
    std::vector<std::int64_t> expected_pixels;
    try {
        card.selftest->at("input").get_to(input);
        card.selftest->at("height").get_to(height), card.selftest->at("width").get_to(width);
        card.selftest->at("class_map_sha256").get_to(expected_hash);
        card.selftest->at("class_pixels").get_to(expected_pixels);
        card.selftest->at("near_ties").get_to(near_ties);
    } catch (const nlohmann::json::exception& error) {
        throw Failure(BAD_USAGE_OR_MODEL, card.path + ": metadata `selftest`: " + error.what());
    }
    if (input != "lrnnet-picture-2" || expected_pixels.size() != card.class_names.size() || height > 16384 || width > 16384)
        throw Failure(BAD_USAGE_OR_MODEL, card.path + ": metadata `selftest` is not one that this program knows: " + card.selftest->dump());
    card.require_size(BAD_USAGE_OR_MODEL, "the self-test's picture", height, width, model_height, model_width);

    const std::vector<std::uint8_t> ids = segment(synthetic_picture(height, width));
    card.require_classes(ids);
    if (sha256_hex(ids) == expected_hash) {
        std::printf("self-test passed: the class map of %s is the exporter's, bit for bit\n", card.path.c_str());
        return SUCCESS;
    }
    // The rule of `lrnnet-run selftest`. A pixel that moves from one class to another is counted in both, and another
    // hash is a changed pixel even if the counts are equal.
    std::int64_t difference = 0, expected_area = 0;
    for (std::size_t id = 0; id < expected_pixels.size(); ++id) {
        difference += std::abs(std::count(ids.begin(), ids.end(), id) - expected_pixels[id]);
        expected_area += expected_pixels[id];
    }
    const std::int64_t changed = std::max<std::int64_t>(1, difference / 2 + difference % 2);
    const bool passed = static_cast<std::int64_t>(ids.size()) == expected_area && changed <= near_ties;
    std::printf("self-test %s: %s gives another class than at export in at least %lld pixels; %lld were near ties there\n",
                passed ? "passed" : "FAILED", card.path.c_str(), static_cast<long long>(changed),
                static_cast<long long>(near_ties));
    return passed ? SUCCESS : INPUT_FAILED;
}
