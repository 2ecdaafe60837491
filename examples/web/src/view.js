// What is shown: the mask over the picture, and how much of it each class takes.

import { resizeIds } from "./resize.js";

/** @typedef {{ids: Uint8Array, width: number, height: number}} Mask */

/** Draws `mask` in the colours of `palette` over `picture`; `opacity` is from 0 to 1. */
export function drawOverlay(canvas, picture, mask, palette, opacity) {
    Object.assign(canvas, { width: picture.width, height: picture.height });
    const context = canvas.getContext("2d");
    context.drawImage(picture, 0, 0);
    context.globalAlpha = opacity;
    context.imageSmoothingEnabled = false; // between two classes lies no third
    context.drawImage(colored(mask, palette), 0, 0, canvas.width, canvas.height);
}

/** A PNG of the mask at the picture's size, in the colours of `palette`: that of `lrnnet-run --mask color`. */
export function maskFile(mask, palette, { width, height }) {
    return colored({ ids: resizeIds(mask, width, height), width, height }, palette).convertToBlob();
}

function colored({ ids, width, height }, palette) {
    const canvas = new OffscreenCanvas(width, height);
    const pixels = new ImageData(width, height);
    ids.forEach((id, i) => pixels.data.set([...palette[id], 255], i * 4));
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    return canvas;
}

/** Classes with their shares of the mask, the largest first. */
export function sharesOf(mask, { class_names, palette }) {
    const counts = new Array(class_names.length).fill(0);
    for (const id of mask.ids) counts[id]++;
    const shares = class_names.map((name, id) => ({ name, color: palette[id], share: counts[id] / mask.ids.length }));
    return shares.sort((a, b) => b.share - a.share);
}

/** Fills the table `legend`. */
export function drawLegend(legend, shares) {
    const rows = shares.map(({ name, color, share }) => {
        const row = document.createElement("tr");
        const title = row.appendChild(document.createElement("th"));
        title.scope = "row";
        const swatch = title.appendChild(document.createElement("span"));
        swatch.className = "swatch";
        swatch.style.backgroundColor = `rgb(${color})`;
        title.append(name);
        row.insertCell().textContent = percent(share);
        return row;
    });
    legend.tBodies[0].replaceChildren(...rows);
}

/** The picture in words, for those who do not see it. */
export function describe(name, shares) {
    const seen = shares.filter(({ share }) => share >= 0.005);
    return `${name}, segmented: ${seen.map(({ name, share }) => `${name} ${percent(share)}`).join(", ")}`;
}

const percent = (share) => `${(100 * share).toFixed(1)} %`;
