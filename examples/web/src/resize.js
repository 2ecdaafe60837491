// The two resizes of this project, as lrnnet-run has them (its resize.rs and postprocess.rs): a browser's own differ.

/**
 * RGBA bytes at another size as RGB bytes: bilinear between pixel centres, without antialiasing, rounded once.
 * @param {{data: Uint8ClampedArray, width: number, height: number}} picture
 */
export function resizeToRgb(picture, width, height) {
    const { data } = picture;
    const out = new Uint8Array(width * height * 3);
    const columns = Array.from({ length: width }, (_, x) => tap(x, width, picture.width));
    let at = 0;
    for (let y = 0; y < height; y++) {
        const row = tap(y, height, picture.height);
        const [above, below] = [row.first, row.second].map((y) => y * picture.width);
        for (const column of columns) {
            const topLeft = (above + column.first) * 4;
            const topRight = (above + column.second) * 4;
            const bottomLeft = (below + column.first) * 4;
            const bottomRight = (below + column.second) * 4;
            for (let channel = 0; channel < 3; channel++) {
                const top = mix(data[topLeft + channel], data[topRight + channel], column.weight);
                const bottom = mix(data[bottomLeft + channel], data[bottomRight + channel], column.weight);
                out[at++] = mix(top, bottom, row.weight) + 0.5;
            }
        }
    }
    return out;
}

const mix = (a, b, weight) => a + (b - a) * weight;

/** The two of `source` positions between which position `at` of `target` lies, and the weight of the second. */
function tap(at, target, source) {
    const position = Math.max((at + 0.5) * (source / target) - 0.5, 0);
    const first = Math.min(Math.floor(position), source - 1);
    return { first, second: Math.min(first + 1, source - 1), weight: position - first };
}

/** Class ids at another size: each pixel takes the id at the nearest pixel centre. */
export function resizeIds({ ids, width, height }, toWidth, toHeight) {
    const out = new Uint8Array(toWidth * toHeight);
    const nearest = (i, target, source) => Math.floor(((2 * i + 1) * source) / (2 * target));
    const columns = Array.from({ length: toWidth }, (_, x) => nearest(x, toWidth, width));
    for (let y = 0; y < toHeight; y++) {
        const row = nearest(y, toHeight, height) * width;
        columns.forEach((x, i) => (out[y * toWidth + i] = ids[row + x]));
    }
    return out;
}
