// The network, off the page's own thread: a model's bytes and pictures in, class ids out.

import { expose, transfer } from "comlink";
import wasmGlue from "onnxruntime-web/ort-wasm-simd-threaded.mjs?url";
import wasm from "onnxruntime-web/ort-wasm-simd-threaded.wasm?url";
import webgpuGlue from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs?url";
import webgpuWasm from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.wasm?url";

import { readMetadata } from "./metadata.js";
import { resizeToRgb } from "./resize.js";

// A build of the runtime for each device, fetched when it is asked for.
const RUNTIMES = {
    wasm: [() => import("onnxruntime-web/wasm"), wasmGlue, wasm],
    webgpu: [() => import("onnxruntime-web/webgpu"), webgpuGlue, webgpuWasm],
};
const MOST_THREADS = 8; // more cost more in waiting for each other than they compute

const OUTPUT = "class_map";

let ort, session, size;

const segmenter = {
    /** Loads the model `bytes` on `device`, "wasm" or "webgpu", and gives its metadata and the threads it runs on. */
    async open(bytes, device) {
        const metadata = readMetadata(bytes);
        const [load, mjs, binary] = RUNTIMES[device];
        const runtime = await load();
        const threads = self.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, MOST_THREADS) : 1;
        runtime.env.wasm.numThreads = threads;
        runtime.env.wasm.wasmPaths = { mjs: absolute(mjs), wasm: absolute(binary) };
        const opened = await runtime.InferenceSession.create(bytes, { executionProviders: [device] });
        await session?.release();
        [ort, session] = [runtime, opened];
        size = inputSize(session.inputMetadata[0].shape, metadata);
        return { metadata, threads };
    },

    /** Class ids of `picture`, RGBA bytes with width and height, at the model's size. */
    async segment(picture) {
        const [height, width] = size;
        const start = performance.now();
        const rgb = resizeToRgb(picture, width, height);
        const prepared = performance.now();
        const image = new ort.Tensor("uint8", rgb, [1, height, width, 3]);
        const results = await session.run({ image }, [OUTPUT]);
        const ids = new Uint8Array(await results[OUTPUT].getData()); // a copy: the original is the runtime's
        const milliseconds = { resize: prepared - start, network: performance.now() - prepared };
        return transfer({ ids, width, height, milliseconds }, [ids.buffer]);
    },
};

const absolute = (url) => new URL(url, self.location.href).href;

/** A static model's height and width; of a dynamic one those of its training, as far as it can take them. */
function inputSize(shape, { trained_size, size_multiple }) {
    const fixed = shape.slice(1, 3);
    if (fixed.every((extent) => typeof extent === "number")) return fixed;
    return trained_size.map((extent) => Math.max(Math.floor(extent / size_multiple), 1) * size_multiple);
}

expose(segmenter);
