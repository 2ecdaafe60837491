// Segments a street picture with an exported LRNNet: ONNX Runtime's C++ API, RGB bytes in, class ids out.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "command_line.hpp"
#include "failure.hpp"
#include "model_card.hpp"
#include "onnxruntime_library.hpp"
#include "picture.hpp"
#include "segment_picture.hpp"

namespace {

const char* const USAGE =
    "usage: segment PICTURE.png -o MASK.png -m MODEL.onnx [--device cpu|cuda[:N]] [--warmup N] [--iters N]\n"
    "       segment --selftest -m MODEL.onnx [--device cpu|cuda[:N]]\n"
    "Both also take --ort-lib FILE, the ONNX Runtime library to load.\n";

/// A model on its device: `image`, uint8 `[1, h, w, 3]`, to `class_map`, uint8 `[1, h, w]`.
class Segmenter {
public:
    Segmenter(const std::string& path, const std::string& device)
        : session(open(path, device)), card(path, [this](const std::string& key) { return metadata(key); }) {
        card.require("u8-nhwc", "class-map");
        const Ort::TypeInfo input = session.GetInputTypeInfo(0);
        const auto shape = input.GetTensorTypeAndShapeInfo().GetShape();
        if (shape.size() != 4 || shape[0] > 1)
            throw Failure(BAD_USAGE_OR_MODEL, path + ": its input is not one picture [1, height, width, 3]");
        height = shape[1], width = shape[2];
    }

    /// Class id of each pixel, row by row.
    std::vector<std::uint8_t> operator()(const Picture& picture) {
        const std::int64_t shape[] = {1, picture.height, picture.width, 3};
        // ONNX Runtime reads the bytes where they are; it does not change them.
        auto* const bytes = const_cast<std::uint8_t*>(picture.rgb.data());
        const auto image = Ort::Value::CreateTensor<std::uint8_t>(memory, bytes, picture.rgb.size(), shape, 4);
        const char* const inputs[] = {"image"};
        const char* const outputs[] = {"class_map"};
        const auto results = session.Run(Ort::RunOptions{}, inputs, &image, 1, outputs, 1);
        const auto* const ids = results[0].GetTensorData<std::uint8_t>();
        return {ids, ids + results[0].GetTensorTypeAndShapeInfo().GetElementCount()};
    }

private:
    /// A session on exactly this device: what cannot be had is an error, never another device.
    Ort::Session open(const std::string& path, const std::string& device) {
        Ort::SessionOptions options;
        if (device != "cpu") append_cuda(options, device);
        try {
            return Ort::Session(env, path.c_str(), options);
        } catch (const Ort::Exception& error) {
            const auto code = error.GetOrtErrorCode();
            const bool device_failed = device != "cpu" && (code == ORT_FAIL || code == ORT_EP_FAIL);
            throw Failure(device_failed ? NO_DEVICE_OR_LIBRARY : BAD_USAGE_OR_MODEL, path + ": " + reason(error));
        }
    }

    void append_cuda(Ort::SessionOptions& options, const std::string& device) const {
        if (device != "cuda" && device.rfind("cuda:", 0) != 0)
            throw Failure(BAD_USAGE_OR_MODEL, "--device " + device + ": expected cpu, cuda or cuda:N");
        const int gpu = device == "cuda" ? 0 : parse_count("--device cuda:N", device.substr(5), 0);
        const OrtApi& api = Ort::GetApi();
        OrtCUDAProviderOptionsV2* cuda = nullptr;
        try {
            Ort::ThrowOnError(api.CreateCUDAProviderOptions(&cuda));
            const std::unique_ptr<OrtCUDAProviderOptionsV2, decltype(api.ReleaseCUDAProviderOptions)> owner(
                cuda, api.ReleaseCUDAProviderOptions);
            // ONNX Runtime's default is TF32, which drops 13 of float32's 23 fraction bits; lrnnet-run has it off, too.
            const std::string number = std::to_string(gpu);
            const char* const keys[] = {"device_id", "use_tf32"};
            const char* const values[] = {number.c_str(), "0"};
            Ort::ThrowOnError(api.UpdateCUDAProviderOptions(cuda, keys, values, 2));
            options.AppendExecutionProvider_CUDA_V2(*cuda);
        } catch (const Ort::Exception& error) {
            throw Failure(NO_DEVICE_OR_LIBRARY, "--device " + device + " needs a GPU and the library of the PyPI package "
                              "onnxruntime-gpu (--ort-lib): " + reason(error));
        }
    }

    /// The error and what was logged last, which names the library that a provider misses.
    std::string reason(const Ort::Exception& error) const {
        return logged.empty() ? error.what() : error.what() + ("\nthe library says: " + logged);
    }

    static void ORT_API_CALL keep_last(void* logged, OrtLoggingLevel, const char*, const char*, const char*,
                                       const char* message) {
        *static_cast<std::string*>(logged) = message;
    }

    std::optional<std::string> metadata(const std::string& key) {
        const auto text = session.GetModelMetadata().LookupCustomMetadataMapAllocated(key.c_str(), allocator);
        return text ? std::optional<std::string>(text.get()) : std::nullopt;
    }

    std::string logged;
    Ort::Env env{ORT_LOGGING_LEVEL_ERROR, "segment", keep_last, &logged};
    Ort::AllocatorWithDefaultOptions allocator;
    Ort::MemoryInfo memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    Ort::Session session;

public:
    const ModelCard card;
    /// The model's own size; -1 where the caller chooses it.
    std::int64_t height = 0, width = 0;
};

int segment(int argc, char** argv) {
    const Options options = parse_command_line(argc, argv, USAGE);
    load_onnxruntime(options.ort_lib.empty() ? ONNXRUNTIME_LIBRARY : options.ort_lib);
    Segmenter segmenter(options.model, options.device);
    return segment_picture(options, segmenter);
}

}  // namespace

int main(int argc, char** argv) {
    return report_failures([&] { return segment(argc, argv); });
}
