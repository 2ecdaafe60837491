// ONNX Runtime, loaded when the program runs: one program serves the CPU and the GPU build of the library, and a
// library that is missing or too old is a message instead of a crash.
#pragma once

#define ORT_API_MANUAL_INIT
#include <dlfcn.h>
#include <onnxruntime_cxx_api.h>

#include <string>

#include "failure.hpp"

/// Loads the library at `path` (or of that name on the loader's path); no `Ort::` call is valid before.
inline void load_onnxruntime(const std::string& path) {
    // Never closed: the runtime's threads and static objects live as long as the process.
    void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (!library)
        throw Failure(NO_DEVICE_OR_LIBRARY, std::string("cannot load ONNX Runtime: ") + dlerror() +
                          "; get the library with examples/cpp/dependencies.sh or name one with --ort-lib");
    const auto get_base = reinterpret_cast<const OrtApiBase* (*)()>(dlsym(library, "OrtGetApiBase"));
    if (!get_base) throw Failure(NO_DEVICE_OR_LIBRARY, path + " is not ONNX Runtime: it has no OrtGetApiBase");
    const OrtApi* const api = get_base()->GetApi(ORT_API_VERSION);
    if (!api)
        throw Failure(NO_DEVICE_OR_LIBRARY, path + " is ONNX Runtime " + get_base()->GetVersionString() +
                          "; expected 1." + std::to_string(ORT_API_VERSION) + " or later");
    Ort::InitApi(api);
}
