// What a model file says about itself: `metadata_props`, plain keys with JSON values (docs/metadata.md).
#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "failure.hpp"
#include "picture.hpp"

/// The JSON text that a model file holds under a key.
using Metadata = std::function<std::optional<std::string>(const std::string& key)>;

struct ModelCard {
    std::string path, input, head;
    std::vector<std::string> class_names;
    std::vector<Color> palette;
    std::array<float, 3> mean{}, std{};
    std::int64_t size_multiple = 8;
    std::optional<nlohmann::json> selftest;

    ModelCard(const std::string& path, const Metadata& metadata) : path(path) {
        const auto read = [&](const char* key, auto& value) {
            const auto text = metadata(key);
            if (!text) throw Failure(BAD_USAGE_OR_MODEL, path + ": no metadata `" + key + "`; export it with lrnnet-export");
            try {
                nlohmann::json::parse(*text).get_to(value);
            } catch (const nlohmann::json::exception& error) {
                throw Failure(BAD_USAGE_OR_MODEL, path + ": metadata `" + key + "`: " + error.what());
            }
        };
        // What a later version means by the other entries is not known; a file from before the key has those of version 1.
        std::int64_t format_version = 1;
        if (metadata("format_version")) read("format_version", format_version);
        if (format_version > 1)
            throw Failure(BAD_USAGE_OR_MODEL, path + ": its metadata is of format " + std::to_string(format_version) +
                              ", this program knows up to 1; use a newer program");
        read("input", input), read("head", head), read("size_multiple", size_multiple);
        read("class_names", class_names), read("palette", palette), read("mean", mean), read("std", std);
        if (metadata("selftest")) read("selftest", selftest.emplace());
        if (class_names.empty() || class_names.size() > 256 || palette.size() != class_names.size() || size_multiple < 1)
            throw Failure(BAD_USAGE_OR_MODEL, path + ": " + std::to_string(class_names.size()) + " class names, " +
                              std::to_string(palette.size()) + " colours; expected 1 to 256, one colour each");
    }

    /// Fails unless the model takes and gives what the program is written for.
    void require(const std::string& wanted_input, const std::string& wanted_head) const {
        if (input == wanted_input && head == wanted_head) return;
        throw Failure(BAD_USAGE_OR_MODEL, path + " takes " + input + " and gives " + head + "; expected " +
                          wanted_input + " and " + wanted_head + ": export it with lrnnet-export --input " +
                          wanted_input + " --head " + wanted_head);
    }

    /// Fails unless a picture fits the model, whose own height and width are -1 where the caller chooses them.
    void require_size(ExitCode code, const std::string& what, std::int64_t height, std::int64_t width,
                      std::int64_t model_height, std::int64_t model_width) const {
        const auto fits = [&](std::int64_t extent, std::int64_t own) {
            return own > 0 ? extent == own : extent > 0 && extent % size_multiple == 0;
        };
        if (fits(height, model_height) && fits(width, model_width)) return;
        const auto wanted = model_height > 0 && model_width > 0 ? size_text(model_height, model_width)
                                                               : "multiples of " + std::to_string(size_multiple);
        throw Failure(code, what + " is " + size_text(height, width) + "; " + path + " takes " + wanted +
                                " (width x height): scale the picture or export the model for its size");
    }

    /// Fails if a class map holds an id that is no class: the file describes another network.
    void require_classes(const std::vector<std::uint8_t>& ids) const {
        for (const auto id : ids)
            if (id >= class_names.size())
                throw Failure(BAD_USAGE_OR_MODEL, path + ": gives class " + std::to_string(id) + " of " +
                                  std::to_string(class_names.size()) + " classes");
    }
};
