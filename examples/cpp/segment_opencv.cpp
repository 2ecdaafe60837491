// Segments a street picture with an exported LRNNet in OpenCV's DNN module (4.6 or later), on the CPU.
//
// Its importer takes `--form basic --opset 11` (docs/compatibility.md); normalisation is done here.

#include <algorithm>
#include <cstdint>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/dnn.hpp>
#include <optional>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "failure.hpp"
#include "model_card.hpp"
#include "onnx_file.hpp"
#include "picture.hpp"
#include "segment_picture.hpp"

namespace {

const char* const USAGE =
    "usage: segment_opencv PICTURE.png -o MASK.png -m MODEL.onnx [--warmup N] [--iters N]\n"
    "       segment_opencv --selftest -m MODEL.onnx\n";

/// A model in OpenCV: `image`, float32 `[1, 3, h, w]`, to `class_map`, `[1, h, w]`.
struct Segmenter {
    ModelCard card;
    cv::dnn::Net net;
    std::int64_t height = 0, width = 0;

    explicit Segmenter(const std::string& path) : Segmenter(path, OnnxFile(path)) {}

    /// Class id of each pixel, row by row.
    std::vector<std::uint8_t> operator()(const Picture& picture) {
        const cv::Size size(static_cast<int>(picture.width), static_cast<int>(picture.height));
        // OpenCV's header for pixels that it does not change.
        const cv::Mat bytes(size, CV_8UC3, const_cast<std::uint8_t*>(picture.rgb.data()));
        cv::Mat image;
        bytes.convertTo(image, CV_32F, 1.0 / 255);
        cv::subtract(image, cv::Scalar(card.mean[0], card.mean[1], card.mean[2]), image);
        cv::divide(image, cv::Scalar(card.std[0], card.std[1], card.std[2]), image);
        net.setInput(cv::dnn::blobFromImage(image), "image");
        cv::Mat class_map;
        // OpenCV 4 gives class ids as floats.
        net.forward().convertTo(class_map, CV_8U);
        return {class_map.data, class_map.data + class_map.total()};
    }

private:
    Segmenter(const std::string& path, const OnnxFile& file)
        : card(path, [&](const std::string& key) -> std::optional<std::string> {
              const auto entry = file.metadata.find(key);
              return entry == file.metadata.end() ? std::nullopt : std::optional(entry->second);
          }) {
        card.require("f32-nchw", "class-map");
        const auto& shape = file.input_shape;
        if (shape.size() != 4 || std::count(shape.begin(), shape.end(), -1) > 0)
            throw Failure(BAD_USAGE_OR_MODEL, path + ": OpenCV needs a model of one size; export it with --imgsz HxW");
        height = shape[2], width = shape[3];
        try {
            net = cv::dnn::readNetFromONNX(path);
        } catch (const cv::Exception& error) {
            throw Failure(BAD_USAGE_OR_MODEL, path + ": OpenCV " + cv::getVersionString() + " cannot import it (" +
                              error.err + "); export it with --form basic --opset 11");
        }
    }
};

int segment(int argc, char** argv) {
    // What OpenCV logs of an error is also in the exception.
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    const Options options = parse_command_line(argc, argv, USAGE);
    if (options.device != "cpu" || !options.ort_lib.empty())
        throw Failure(NO_DEVICE_OR_LIBRARY, "this program runs OpenCV on the CPU; --device and --ort-lib are segment's");
    Segmenter segmenter(options.model);
    return segment_picture(options, segmenter);
}

}  // namespace

int main(int argc, char** argv) {
    return report_failures([&] { return segment(argc, argv); });
}
