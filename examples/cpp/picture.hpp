// Pictures in and masks out, as PNG files, through libpng's simplified interface.
#pragma once

#include <png.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

#include "failure.hpp"

using Color = std::array<std::uint8_t, 3>;

/// RGB, row by row: byte `(y * width + x) * 3 + channel`.
struct Picture {
    std::int64_t height = 0, width = 0;
    std::vector<std::uint8_t> rgb;
};

inline std::string size_text(std::int64_t height, std::int64_t width) {
    return std::to_string(width) + " x " + std::to_string(height);
}

/// Decodes a PNG file of any kind to RGB, 8 bits a channel. Alpha is dropped, as `lrnnet-run` does.
inline Picture read_png(const std::string& path) {
    constexpr std::uint64_t MAX_PIXELS = 100'000'000;
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    const auto unreadable = [&] { return Failure(INPUT_FAILED, path + ": cannot read as PNG: " + image.message); };
    if (!png_image_begin_read_from_file(&image, path.c_str())) throw unreadable();
    if (std::uint64_t{image.width} * image.height > MAX_PIXELS) {
        png_image_free(&image);
        throw Failure(INPUT_FAILED, path + ": " + size_text(image.height, image.width) +
                                        " pixels; expected at most " + std::to_string(MAX_PIXELS) + " in all");
    }
    image.format = PNG_FORMAT_RGBA;
    image.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    Picture picture{image.height, image.width, {}};
    std::vector<std::uint8_t> rgba(PNG_IMAGE_SIZE(image));
    if (!png_image_finish_read(&image, nullptr, rgba.data(), 0, nullptr)) throw unreadable();
    picture.rgb.reserve(rgba.size() / 4 * 3);
    for (std::size_t i = 0; i < rgba.size(); i += 4)
        picture.rgb.insert(picture.rgb.end(), {rgba[i], rgba[i + 1], rgba[i + 2]});
    return picture;
}

/// Writes class ids as an indexed PNG: index = class id. `path` holds the whole file or what it held before.
inline void write_mask(const std::string& path, std::int64_t height, std::int64_t width,
                       const std::vector<std::uint8_t>& ids, const std::vector<Color>& palette) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = static_cast<png_uint_32>(width);
    image.height = static_cast<png_uint_32>(height);
    image.format = PNG_FORMAT_RGB_COLORMAP;
    // libpng packs pixels of a small palette into 1, 2 or 4 bits; the full palette keeps one byte a pixel.
    image.colormap_entries = 256;
    std::array<Color, 256> colors{};
    std::copy(palette.begin(), palette.end(), colors.begin());
    const std::string part = path + ".part";
    if (!png_image_write_to_file(&image, part.c_str(), 0, ids.data(), 0, colors.data()))
        throw Failure(INPUT_FAILED, path + ": cannot write: " + image.message);
    std::error_code error;
    std::filesystem::rename(part, path, error);
    if (!error) return;
    std::remove(part.c_str());
    throw Failure(INPUT_FAILED, path + ": cannot write: " + error.message());
}
