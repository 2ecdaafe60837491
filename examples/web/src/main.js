// The page: what was chosen goes to the worker, and its answer on the screen.

import { wrap } from "comlink";
import modelUrl from "../../../models/lrnnet-c-camvid.onnx?url";
import sampleUrl from "../../../fixtures/street.png?url";

import { openCamera } from "./camera.js";
import { describe, drawLegend, drawOverlay, maskFile, sharesOf } from "./view.js";

const at = (id) => document.getElementById(id);
const [view, legend, status, device] = ["view", "legend", "status", "device"].map(at);

const segmenter = wrap(new Worker(new URL("./worker.js", import.meta.url), { type: "module" }));
let modelBytes, metadata, runsOn, camera;
let shown; // {picture, name, mask}: what is on the screen

/** One thing after the other: a click waits until what runs is done. Whatever fails is said on the page. */
let last = Promise.resolve();
function doing(what, action) {
    last = last.then(async () => {
        if (what) say(what);
        try {
            await action();
        } catch (error) {
            say(error.message, true);
        }
    });
    return last;
}

function say(text, isError = false) {
    status.textContent = text;
    status.classList.toggle("error", isError);
}

async function fetched(url) {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`Cannot fetch ${url}: ${response.status} ${response.statusText}`);
    return response;
}

async function openModel(bytes) {
    const opened = await segmenter.open(bytes, device.value);
    [modelBytes, metadata] = [bytes, opened.metadata];
    const threads = `${opened.threads} thread${opened.threads === 1 ? "" : "s"}`;
    runsOn = device.value === "webgpu" ? "WebGPU" : `WebAssembly, ${threads}`;
    if (shown) await segment(shown.picture, shown.name);
    else say(`Ready (${runsOn}).`);
}

/** Segments `picture`, an ImageBitmap, and shows the result. */
async function segment(picture, name) {
    const { width, height } = picture;
    const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
    context.drawImage(picture, 0, 0);
    const mask = await segmenter.segment(context.getImageData(0, 0, width, height));
    if (shown && shown.picture !== picture) shown.picture.close();
    shown = { picture, name, mask };
    const shares = sharesOf(mask, metadata);
    draw();
    drawLegend(legend, shares);
    view.setAttribute("aria-label", describe(name, shares));
    at("save").disabled = false;
    const { network, resize } = mask.milliseconds;
    say(`${name}: ${network.toFixed(0)} ms for the network, ${resize.toFixed(0)} ms to resize (${runsOn}).`);
}

function draw() {
    if (shown) drawOverlay(view, shown.picture, shown.mask, metadata.palette, at("opacity").value / 100);
}

/** A picture as it stands in its file: turned as it says, its colours not converted. */
async function decoded(blob, name) {
    try {
        return await createImageBitmap(blob, { colorSpaceConversion: "none" });
    } catch {
        throw new Error(`${name} is no picture that this browser can read.`);
    }
}

function openFile(file) {
    stopCamera();
    return file.name.endsWith(".onnx")
        ? doing(`Loading ${file.name} …`, async () => openModel(new Uint8Array(await file.arrayBuffer())))
        : doing(`Segmenting ${file.name} …`, async () => segment(await decoded(file, file.name), file.name));
}

function openSample() {
    stopCamera();
    return doing("Segmenting the example …", async () => {
        const blob = await (await fetched(sampleUrl)).blob();
        await segment(await decoded(blob, "street.png"), "street.png");
    });
}

function stopCamera() {
    camera?.stop();
    showCamera(undefined);
}

function showCamera(opened) {
    camera = opened;
    at("camera").setAttribute("aria-pressed", String(Boolean(opened)));
    status.ariaLive = opened ? "off" : "polite"; // nobody wants each frame's milliseconds read out
}

function startCamera() {
    return doing("Starting the camera …", async () => {
        const opened = await openCamera();
        showCamera(opened);
        // Beside what the buttons do: each picture waits its turn among them.
        (async () => {
            for await (const picture of opened.frames()) await doing("", () => segment(picture, "Camera"));
        })().finally(() => camera === opened && stopCamera());
    });
}

async function save() {
    const { mask, picture, name } = shown;
    const url = URL.createObjectURL(await maskFile(mask, metadata.palette, picture));
    Object.assign(document.createElement("a"), {
        href: url,
        download: `${name.replace(/\.\w+$/, "")}-mask.png`,
    }).click();
    URL.revokeObjectURL(url);
}

function listen() {
    at("file").addEventListener("change", ({ target }) => {
        if (target.files.length) openFile(target.files[0]);
        target.value = ""; // so that the same file can be chosen again
    });
    at("sample").addEventListener("click", openSample);
    at("camera").addEventListener("click", () => (camera ? stopCamera() : startCamera()));
    at("save").addEventListener("click", () => doing("", save));
    at("opacity").addEventListener("input", draw);
    device.addEventListener("change", () => doing("Loading the runtime …", () => openModel(modelBytes)));
    addEventListener("dragover", (event) => {
        event.preventDefault();
        document.body.classList.add("dropping");
    });
    addEventListener("dragleave", (event) => {
        if (!event.relatedTarget) document.body.classList.remove("dropping");
    });
    addEventListener("drop", (event) => {
        event.preventDefault();
        document.body.classList.remove("dropping");
        const [file] = event.dataTransfer.files;
        if (file) openFile(file);
    });
}

async function offerWebGpu() {
    if (await navigator.gpu?.requestAdapter()) device.append(new Option("GPU (WebGPU)", "webgpu"));
}

listen();
offerWebGpu();
doing("Loading the model …", async () => openModel(new Uint8Array(await (await fetched(modelUrl)).arrayBuffer())));
openSample();
