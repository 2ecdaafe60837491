// What both programs do with a model once it is open: picture in, mask and latency out, or the self-test.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "failure.hpp"
#include "model_card.hpp"
#include "picture.hpp"
#include "selftest.hpp"

/// Median duration of `run` in milliseconds over `iters` calls, after `warmup` calls that are not counted.
template <typename Run>
double median_milliseconds(int warmup, int iters, Run run) {
    using Clock = std::chrono::steady_clock;
    std::vector<double> times;
    for (int i = -warmup; i < iters; ++i) {
        const auto start = Clock::now();
        run();
        const std::chrono::duration<double, std::milli> elapsed = Clock::now() - start;
        if (i >= 0) times.push_back(elapsed.count());
    }
    std::sort(times.begin(), times.end());
    const std::size_t middle = times.size() / 2;
    return times.size() % 2 ? times[middle] : (times[middle - 1] + times[middle]) / 2;
}

/// `segmenter` turns a `Picture` into class ids and has a `card` and its own `height` and `width`, -1 for any.
template <typename Segmenter>
int segment_picture(const Options& options, Segmenter& segmenter) {
    const ModelCard& card = segmenter.card;
    if (options.selftest) return run_selftest(card, segmenter.height, segmenter.width, std::ref(segmenter));

    const Picture picture = read_png(options.picture);
    card.require_size(INPUT_FAILED, options.picture, picture.height, picture.width, segmenter.height, segmenter.width);
    std::vector<std::uint8_t> ids;
    const double ms = median_milliseconds(options.warmup, options.iters, [&] { ids = segmenter(picture); });
    card.require_classes(ids);
    write_mask(options.mask, picture.height, picture.width, ids, card.palette);

    std::printf("%s -> %s (%s)\n", options.picture.c_str(), options.mask.c_str(), options.device.c_str());
    for (std::size_t id = 0; id < card.class_names.size(); ++id) {
        const auto pixels = std::count(ids.begin(), ids.end(), id);
        if (pixels > 0) std::printf("  %-16s %5.1f %%\n", card.class_names[id].c_str(), 100.0 * pixels / ids.size());
    }
    std::printf("%.2f ms from RGB bytes to class ids, without PNG work: median of %d runs after %d of warm-up\n", ms,
                options.iters, options.warmup);
    return SUCCESS;
}
