// Proves that a model gives here what it gave at export: a picture by formula, and the class map it must give.
#pragma once

#include <openssl/sha.h>

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

/// The metadata `selftest`, version 2 (docs/metadata.md).
struct SelfTest {
    std::int64_t height = 0, width = 0;
    std::string class_map_sha256, clear_sha256;
    /// Positions that are no near tie, positions that are, and so on in turn.
    std::vector<std::uint32_t> near_ties;

    explicit SelfTest(const ModelCard& card) {
        const auto refuse = [&](const std::string& why) {
            return Failure(BAD_USAGE_OR_MODEL, card.path + ": metadata `selftest`: " + why);
        };
        if (!card.selftest || card.selftest->is_null())
            throw Failure(BAD_USAGE_OR_MODEL, card.path + ": no metadata `selftest`; export it again with lrnnet-export");
        try {
            const nlohmann::json& record = *card.selftest;
            const int version = record.value("version", 1);
            if (version != 2 || record.at("input") != "lrnnet-picture-2")
                throw refuse("version " + std::to_string(version) +
                             "; expected 2, on lrnnet-picture-2: export the file again, or use its version's program");
            record.at("height").get_to(height), record.at("width").get_to(width);
            record.at("class_map_sha256").get_to(class_map_sha256), record.at("clear_sha256").get_to(clear_sha256);
            record.at("near_ties").get_to(near_ties);
        } catch (const nlohmann::json::exception& error) {
            throw refuse(error.what());
        }
        if (height < 1 || height > 16384 || width < 1 || width > 16384) throw refuse("no picture has this size");
    }
};

enum class Verdict { EQUAL, AT_NEAR_TIES, DIFFERENT };

/// Holds a class map against the record: every position that is no near tie must have its class of the export.
inline Verdict judge(const SelfTest& record, const std::vector<std::uint8_t>& ids) {
    if (sha256_hex(ids) == record.class_map_sha256) return Verdict::EQUAL;
    std::vector<std::uint8_t> clear;
    std::size_t at = 0;
    for (std::size_t i = 0; i < record.near_ties.size(); at += record.near_ties[i++]) {
        if (record.near_ties[i] > ids.size() - at) return Verdict::DIFFERENT;
        if (i % 2 == 0) clear.insert(clear.end(), ids.begin() + at, ids.begin() + at + record.near_ties[i]);
    }
    return at == ids.size() && sha256_hex(clear) == record.clear_sha256 ? Verdict::AT_NEAR_TIES : Verdict::DIFFERENT;
}

/// Runs the self-test of `card` through `segment`, which turns a picture into class ids, and prints the outcome.
template <typename Segment>
int run_selftest(const ModelCard& card, std::int64_t model_height, std::int64_t model_width, Segment segment) {
    const SelfTest record(card);
    card.require_size(BAD_USAGE_OR_MODEL, "the self-test's picture", record.height, record.width, model_height, model_width);
    const std::vector<std::uint8_t> ids = segment(synthetic_picture(record.height, record.width));
    card.require_classes(ids);
    const char* const path = card.path.c_str();
    switch (judge(record, ids)) {
        case Verdict::EQUAL: std::printf("self-test passed: the class map of %s is the exporter's, bit for bit\n", path); break;
        case Verdict::AT_NEAR_TIES:
            std::printf("self-test passed: the class map of %s is the exporter's but for near ties\n", path);
            break;
        case Verdict::DIFFERENT:
            std::printf("self-test FAILED: %s gives another class than at export where that was no near tie\n", path);
            return INPUT_FAILED;
    }
    return SUCCESS;
}
