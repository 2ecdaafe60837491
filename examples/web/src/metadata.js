// What a model file says about itself (docs/metadata.md): onnxruntime-web does not tell, so it is read from the file.

import protobuf from "protobufjs/minimal.js";

const FORMAT_VERSION = 1;
const METADATA_PROPS = 14; // field of ModelProto: repeated StringStringEntryProto
const [KEY, VALUE] = [1, 2]; // its fields
const BYTES = 2; // protobuf's wire type of strings and messages

/**
 * The entries of the model file `bytes`, checked as far as this page needs them.
 * @param {Uint8Array} bytes
 * @returns {{class_names: string[], palette: number[][], trained_size: number[], size_multiple: number}}
 */
export function readMetadata(bytes) {
    let entries;
    try {
        entries = Object.fromEntries(properties(bytes));
    } catch (error) {
        throw new Error(`This is no ONNX file, or a damaged one (${error.message}).`);
    }
    check(entries);
    return entries;
}

/** The key and the value, which is JSON, of each of `lrnnet-export`'s entries; keys of other tools are passed over. */
function* properties(bytes) {
    const reader = protobuf.Reader.create(bytes);
    while (reader.pos < reader.len) {
        const tag = reader.uint32();
        if (tag >>> 3 !== METADATA_PROPS) {
            reader.skipType(tag & 7);
            continue;
        }
        const [key, value] = entry(protobuf.Reader.create(reader.bytes()));
        try {
            yield [key, JSON.parse(value)];
        } catch {
            // What is no JSON is not ours.
        }
    }
}

function entry(reader) {
    const strings = { [KEY]: "", [VALUE]: "" };
    while (reader.pos < reader.len) {
        const tag = reader.uint32();
        if ((tag & 7) === BYTES) strings[tag >>> 3] = reader.string();
        else reader.skipType(tag & 7);
    }
    return [strings[KEY], strings[VALUE]];
}

function check({ task, format_version, input, head, class_names, palette }) {
    if (task !== "semantic-segmentation") {
        throw new Error("This file has no metadata of lrnnet-export, so its classes and colours are unknown.");
    }
    if ((format_version ?? 1) > FORMAT_VERSION) {
        throw new Error(`The metadata are of version ${format_version}; this page knows ${FORMAT_VERSION}.`);
    }
    if (input !== "u8-nhwc" || !["class-map", "both"].includes(head)) {
        throw new Error(
            `The model takes ${input} and gives ${head}; this page needs u8-nhwc and class-map: ` +
                "lrnnet-export --input u8-nhwc --head class-map.",
        );
    }
    if (class_names.length !== palette.length) {
        throw new Error(`The model names ${class_names.length} classes and ${palette.length} colours.`);
    }
}
