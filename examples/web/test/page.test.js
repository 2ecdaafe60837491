// The page in headless Chromium. Needs the programs of this workspace (LRNNET_RUN, LRNNET_EXPORT; target/debug by
// default) and Chromium (CHROMIUM; Debian's by default). LRNNET_SCREENSHOT names a PNG to make of the page.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, beforeEach, test } from "node:test";
import { fileURLToPath } from "node:url";

import axe from "axe-core";
import { chromium } from "playwright-core";
import { PNG } from "pngjs";
import { build, preview } from "vite";

const root = fileURLToPath(new URL("../../../", import.meta.url));
const program = (name, variable) => process.env[variable] ?? join(root, "target/debug", name);
const street = join(root, "fixtures/street.png");
const LEAST_AGREEMENT = 0.9999;
const [DESKTOP, PHONE] = [
    { width: 1024, height: 800 },
    { width: 360, height: 740 },
];

let folder, server, browser, page, address;
let noise = []; // what the page says on its console

before(async () => {
    folder = mkdtempSync(join(tmpdir(), "lrnnet-web-"));
    const config = { root: join(root, "examples/web"), logLevel: "warn" };
    await build(config);
    server = await preview({ ...config, preview: { port: 0, strictPort: false } });
    address = server.resolvedUrls.local[0];
    browser = await chromium.launch({
        executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
        args: [
            "--no-sandbox", // for root in a container
            "--use-fake-device-for-media-stream",
            "--use-fake-ui-for-media-stream",
            "--enable-unsafe-webgpu", // computed by the CPU
            "--use-webgpu-adapter=swiftshader",
        ],
    });
});

after(async () => {
    await browser?.close();
    await server?.close();
    rmSync(folder, { recursive: true });
});

beforeEach(async () => {
    await page?.close();
    noise = [];
    page = await browser.newPage({ viewport: DESKTOP });
    page.on("pageerror", (error) => noise.push(error.message));
    page.on("console", (message) => message.type() === "error" && noise.push(message.text()));
    await page.goto(address);
    await says(/^street.png: \d+ ms for the network/);
});

/** Waits until the page's status line says `words`. */
async function says(words, timeout = 60_000) {
    const status = page.locator("#status");
    await assert.doesNotReject(
        status.filter({ hasText: words }).waitFor({ timeout }),
        async () => `the page says "${await status.textContent()}"; expected ${words}`,
    );
}

async function choose(path, words) {
    await page.setInputFiles("#file", path);
    await says(words);
}

async function savedMask() {
    const [download] = await Promise.all([page.waitForEvent("download"), page.click("#save")]);
    return PNG.sync.read(readFileSync(await download.path()));
}

/** The mask that `lrnnet-run` makes, in colours too. */
function maskOfProgram(picture, ...flags) {
    const mask = join(folder, "mask.png");
    const args = [picture, "-o", mask, "--mask", "color", "--device", "tract", "-q", ...flags];
    execFileSync(program("lrnnet-run", "LRNNET_RUN"), args);
    return PNG.sync.read(readFileSync(mask));
}

function assertSameMask(found, expected) {
    assert.deepEqual([found.width, found.height], [expected.width, expected.height]);
    const pixels = ({ data }) => new Uint32Array(data.buffer, data.byteOffset, data.length / 4);
    const [ours, theirs] = [found, expected].map(pixels);
    const same = ours.filter((pixel, i) => pixel === theirs[i]).length;
    console.log(`${same} of ${ours.length} pixels agree with lrnnet-run`);
    assert.ok(new Set(ours).size > 3, "the mask has hardly any classes");
    assert.ok(same >= LEAST_AGREEMENT * ours.length, `only ${same} of ${ours.length} pixels agree with lrnnet-run`);
}

function exported(...flags) {
    const model = join(folder, "model.onnx");
    const weights = join(root, "models/lrnnet-c-camvid.safetensors");
    execFileSync(program("lrnnet-export", "LRNNET_EXPORT"), [weights, "-o", model, "--no-verify", ...flags], {
        stdio: ["ignore", "ignore", "pipe"],
    });
    return model;
}

/** A part of the street, which has another size than the model. */
function part() {
    const whole = PNG.sync.read(readFileSync(street));
    const cut = new PNG({ width: 301, height: 203 });
    PNG.bitblt(whole, cut, 90, 130, cut.width, cut.height, 0, 0);
    const path = join(folder, "part.png");
    writeFileSync(path, PNG.sync.write(cut));
    return path;
}

test("the example's mask is that of lrnnet-run", async () => {
    assert.equal(await page.evaluate(() => crossOriginIsolated), true, "threads need the headers");
    assertSameMask(await savedMask(), maskOfProgram(street));
    assert.deepEqual(noise, []);
});

test("a picture of another size too", async () => {
    const picture = part();
    await choose(picture, /^part.png: /);
    assertSameMask(await savedMask(), maskOfProgram(picture));
});

test("another model, on the CPU and by WebGPU", async () => {
    const model = exported("--input", "u8-nhwc", "--imgsz", "64x128");
    const expected = maskOfProgram(street, "-m", model);
    await page.setInputFiles("#file", model);
    await says(/^street.png: .*WebAssembly/);
    assertSameMask(await savedMask(), expected);
    await page.selectOption("#device", "webgpu");
    await says(/^street.png: .*WebGPU/);
    assertSameMask(await savedMask(), expected);
});

test("legend and description tell the shares", async () => {
    const mask = maskOfProgram(street);
    const colors = new Map();
    for (let i = 0; i < mask.data.length; i += 4) {
        const color = `rgb(${mask.data.subarray(i, i + 3).join(", ")})`;
        colors.set(color, (colors.get(color) ?? 0) + 1);
    }
    const share = (color) => `${((100 * (colors.get(color) ?? 0)) / (mask.width * mask.height)).toFixed(1)} %`;
    const rows = await page.$$eval("#legend tbody tr", (rows) =>
        rows.map((row) => ({
            name: row.cells[0].textContent,
            share: row.cells[1].textContent,
            color: row.querySelector(".swatch").style.backgroundColor,
        })),
    );
    assert.equal(rows.length, 11);
    for (const row of rows) assert.equal(row.share, share(row.color), row.name);
    const described = await page.getAttribute("#view", "aria-label");
    assert.ok(described.startsWith(`street.png, segmented: Road ${rows[0].share}`), described);
});

test("the camera runs until it is stopped", async () => {
    await page.click("#camera");
    await says(/^Camera: /);
    assert.equal(await page.getAttribute("#camera", "aria-pressed"), "true");
    const frame = () => page.evaluate(() => document.getElementById("view").toDataURL());
    const first = await frame();
    await page.waitForFunction((first) => document.getElementById("view").toDataURL() !== first, first);
    await page.click("#camera");
    assert.equal(await page.getAttribute("#camera", "aria-pressed"), "false");
    await page.click("#sample");
    await says(/^street.png: /);
    assert.deepEqual(noise, []);
});

test("a picture may be dropped", async () => {
    const bytes = [...readFileSync(part())];
    await page.evaluate((bytes) => {
        const dataTransfer = new DataTransfer();
        dataTransfer.items.add(new File([new Uint8Array(bytes)], "dropped.png", { type: "image/png" }));
        document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true, cancelable: true }));
    }, bytes);
    await says(/^dropped.png: /);
});

test("what cannot be used is said, and the page goes on", async () => {
    const broken = (name, content) => {
        const path = join(folder, name);
        writeFileSync(path, content);
        return path;
    };
    await choose(broken("text.png", "no picture"), /text.png is no picture that this browser can read/);
    await choose(broken("text.onnx", "no model"), /This is no ONNX file, or a damaged one/);
    await choose(broken("empty.onnx", ""), /no metadata of lrnnet-export/);
    await choose(exported("--imgsz", "64x128"), /takes f32-nchw and gives class-map; this page needs u8-nhwc/);
    const model = readFileSync(join(root, "models/lrnnet-c-camvid.onnx"));
    await choose(broken("short.onnx", model.subarray(0, model.length / 2)), /no ONNX file, or a damaged one/);
    await page.click("#sample");
    await says(/^street.png: /);
});

test("no violation that axe finds, and no scrolling sideways on a phone", async () => {
    for (const viewport of [DESKTOP, PHONE]) {
        await page.setViewportSize(viewport);
        await page.evaluate(axe.source);
        const { violations } = await page.evaluate(() => window.axe.run());
        assert.deepEqual(
            violations.map(({ id, nodes }) => [id, nodes.map(({ html }) => html)]),
            [],
        );
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        assert.ok(width <= viewport.width, `${width} pixels wide on a screen of ${viewport.width}`);
    }
});

test("every control is reached and worked by keyboard", async () => {
    const reached = [];
    for (let i = 0; i < 6; i++) {
        await page.keyboard.press("Tab");
        reached.push(await page.evaluate(() => document.activeElement.id));
    }
    assert.deepEqual(reached, ["file", "sample", "camera", "save", "device", "opacity"]);
    const frame = () => page.evaluate(() => document.getElementById("view").toDataURL());
    const half = await frame();
    await page.keyboard.press("End"); // the mask alone
    assert.notEqual(await frame(), half);
    await page.focus("#camera");
    await page.keyboard.press("Enter");
    await says(/^Camera: /);
});

test("a picture of the page", { skip: !process.env.LRNNET_SCREENSHOT }, async () => {
    for (let i = 0; i < 8; i++) {
        await page.click("#sample"); // the first runs are slower
        await says(/^street.png: /);
    }
    await page.screenshot({ path: process.env.LRNNET_SCREENSHOT });
});
