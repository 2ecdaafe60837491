// The two things that OpenCV does not tell about an ONNX file: its metadata and the shape of its input.
//
// ONNX files are protobuf messages; this walks them without a schema (protobuf.dev, "Encoding"). Field numbers are
// those of onnx.proto: ModelProto.graph = 7, .metadata_props = 14, GraphProto.input = 11, ValueInfoProto.type = 2,
// TypeProto.tensor_type = 1, Tensor.shape = 2, TensorShapeProto.dim = 1, Dimension.dim_value = 1.
#pragma once

#include <cstdint>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "failure.hpp"

class OnnxFile {
public:
    explicit OnnxFile(const std::string& path) : path(path) {
        std::ifstream file(path, std::ios::binary);
        if (!file) throw Failure(BAD_USAGE_OR_MODEL, path + ": cannot open the model");
        const std::string bytes{std::istreambuf_iterator<char>(file), {}};
        for (const Field& entry : fields(bytes, 14)) metadata[text(entry.bytes, 1)] = text(entry.bytes, 2);
        std::vector<Field> found = fields(bytes, 7);
        // Initialisers may be inputs too, but they come after the picture.
        for (const unsigned number : {11u, 2u, 1u, 2u}) found = found.empty() ? found : fields(found[0].bytes, number);
        if (found.empty()) throw malformed();
        for (const Field& dim : fields(found[0].bytes, 1)) {
            const auto value = fields(dim.bytes, 1);
            input_shape.push_back(value.empty() ? -1 : static_cast<std::int64_t>(value[0].varint));
        }
    }

    /// Texts of `metadata_props`, by key.
    std::map<std::string, std::string> metadata;
    /// Extents of the first input; -1 where the caller chooses.
    std::vector<std::int64_t> input_shape;

private:
    /// A number, or the bytes of a string or message, as its wire type says.
    struct Field {
        std::uint64_t varint = 0;
        std::string_view bytes;
    };

    std::string path;

    Failure malformed() const { return Failure(BAD_USAGE_OR_MODEL, path + " is not an ONNX file"); }

    std::string text(std::string_view message, unsigned number) const {
        const auto found = fields(message, number);
        return found.empty() ? std::string() : std::string(found[0].bytes);
    }

    std::uint64_t take_varint(std::string_view& rest) const {
        std::uint64_t value = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            const auto byte = static_cast<unsigned char>(take_bytes(rest, 1)[0]);
            value |= std::uint64_t{byte & 0x7Fu} << shift;
            if (byte < 0x80) return value;
        }
        throw malformed();
    }

    std::string_view take_bytes(std::string_view& rest, std::uint64_t count) const {
        if (count > rest.size()) throw malformed();
        const auto taken = rest.substr(0, count);
        rest.remove_prefix(count);
        return taken;
    }

    /// All fields `number` of a message.
    std::vector<Field> fields(std::string_view message, unsigned number) const {
        std::vector<Field> found;
        while (!message.empty()) {
            const std::uint64_t tag = take_varint(message);
            Field field;
            switch (tag & 7) {
                case 0: field.varint = take_varint(message); break;
                case 1: field.bytes = take_bytes(message, 8); break;
                case 2: field.bytes = take_bytes(message, take_varint(message)); break;
                case 5: field.bytes = take_bytes(message, 4); break;
                default: throw malformed();
            }
            if (tag >> 3 == number) found.push_back(field);
        }
        return found;
    }
};
