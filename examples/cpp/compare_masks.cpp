// Compares two indexed PNG masks: compare_masks A.png B.png [LEAST_AGREEMENT_PERCENT, 100 unless given]
//
// The colours of all indices in use must be equal; the exit code is 0 where enough pixels are.

#include <png.h>

#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "failure.hpp"

namespace {

struct Mask {
    png_uint_32 height, width;
    std::vector<std::uint8_t> ids;
    std::array<std::array<std::uint8_t, 3>, 256> palette;
};

Mask read_mask(const char* path) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    const auto unreadable = [&] { return Failure(INPUT_FAILED, std::string(path) + ": " + image.message); };
    if (!png_image_begin_read_from_file(&image, path)) throw unreadable();
    if (!(image.format & PNG_FORMAT_FLAG_COLORMAP)) {
        png_image_free(&image);
        throw Failure(INPUT_FAILED, std::string(path) + " is no indexed PNG");
    }
    image.format = PNG_FORMAT_RGB_COLORMAP;
    Mask mask{image.height, image.width, std::vector<std::uint8_t>(PNG_IMAGE_SIZE(image)), {}};
    if (!png_image_finish_read(&image, nullptr, mask.ids.data(), 0, mask.palette.data())) throw unreadable();
    return mask;
}

int compare(int argc, char** argv) {
    if (argc != 3 && argc != 4) throw Failure(BAD_USAGE_OR_MODEL, "usage: compare_masks A.png B.png [PERCENT]");
    char* end = nullptr;
    const double least = argc == 4 ? std::strtod(argv[3], &end) : 100.0;
    if (end && (end == argv[3] || *end)) throw Failure(BAD_USAGE_OR_MODEL, std::string(argv[3]) + ": expected a number");
    const Mask a = read_mask(argv[1]), b = read_mask(argv[2]);
    if (a.height != b.height || a.width != b.width) throw Failure(INPUT_FAILED, "the masks differ in size");
    std::size_t equal = 0;
    for (std::size_t i = 0; i < a.ids.size(); ++i) {
        equal += a.ids[i] == b.ids[i];
        if (a.palette[a.ids[i]] != b.palette[a.ids[i]])
            throw Failure(INPUT_FAILED, "class " + std::to_string(a.ids[i]) + " has different colours");
    }
    const double agreement = 100.0 * equal / a.ids.size();
    std::printf("%zu of %zu pixels agree: %.4f %%, expected at least %.4f %%\n", equal, a.ids.size(), agreement, least);
    return agreement >= least ? SUCCESS : INPUT_FAILED;
}

}  // namespace

int main(int argc, char** argv) {
    return report_failures([&] { return compare(argc, argv); });
}
