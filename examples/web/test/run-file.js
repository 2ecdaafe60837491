// Runs ONNX files in WebAssembly, for training/conformance. Each line of standard input is a JSON list of a model and two
// .safetensors files, one with its inputs and one for its outputs; for each there is a line "done", or what went wrong.

import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";

import * as ort from "onnxruntime-web/wasm";

const TYPES = { U8: ["uint8", Uint8Array], F32: ["float32", Float32Array] };

function read(path) {
    const bytes = readFileSync(path);
    const start = 8 + Number(bytes.readBigUInt64LE());
    const { __metadata__, ...entries } = JSON.parse(bytes.toString("utf8", 8, start));
    const tensors = Object.entries(entries).map(([name, { dtype, shape, data_offsets }]) => {
        const [type, array] = TYPES[dtype];
        const data = bytes.subarray(start + data_offsets[0], start + data_offsets[1]);
        return [name, new ort.Tensor(type, new array(Uint8Array.from(data).buffer), shape)];
    });
    return Object.fromEntries(tensors);
}

function write(path, tensors) {
    const header = {};
    const parts = [];
    let end = 0;
    for (const [name, { type, data, dims }] of Object.entries(tensors)) {
        const dtype = Object.keys(TYPES).find((dtype) => TYPES[dtype][0] === type);
        if (!dtype) throw new Error(`${name} is of ${type}; expected uint8 or float32`);
        parts.push(Buffer.from(data.buffer, data.byteOffset, data.byteLength));
        header[name] = { dtype, shape: dims, data_offsets: [end, (end += data.byteLength)] };
    }
    // Padded so that the tensors begin at a multiple of eight bytes.
    const text = JSON.stringify(header);
    const padded = Buffer.from(text.padEnd(Math.ceil(text.length / 8) * 8));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(padded.length));
    writeFileSync(path, Buffer.concat([length, padded, ...parts]));
}

async function run([model, feed, result]) {
    const session = await ort.InferenceSession.create(readFileSync(model));
    write(result, await session.run(read(feed)));
    await session.release();
}

ort.env.wasm.numThreads = 1; // else its threads keep the process from ending
for await (const line of createInterface({ input: process.stdin })) {
    try {
        await run(JSON.parse(line));
        console.log("done");
    } catch (error) {
        console.log(error.message.replaceAll("\n", " "));
    }
}
