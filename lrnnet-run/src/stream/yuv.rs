//! Between RGB and the YUV of video: ITU-R BT.601, 8 bits.
//!
//! BT.601 is what y4m means, since it cannot name another matrix. Of frames whose chroma is stored at half the width or
//! height, the nearest chroma value is taken; the network sees the picture at a size at which that makes no difference.

/// Weights of red and blue in luma (BT.601, section 2.5.1).
const KR: f64 = 0.299;
const KB: f64 = 0.114;
const KG: f64 = 1.0 - KR - KB;

/// Which values black, white and full colour have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Range {
    /// Luma 16 to 235, chroma 16 to 240 around 128.
    #[default]
    Limited,
    /// All values 0 to 255, as in JPEG.
    Full,
}

/// Bits behind the point: products of bytes still fit 32 bits.
const BITS: u32 = 20;
const HALF: i32 = 1 << (BITS - 1);

const fn fixed(value: f64) -> i32 {
    (value * (1 << BITS) as f64).round() as i32
}

/// From YUV to RGB.
#[derive(Clone, Copy)]
struct ToRgb {
    black: i32,
    luma: i32,
    red_of_v: i32,
    green_of_u: i32,
    green_of_v: i32,
    blue_of_u: i32,
}

impl ToRgb {
    const fn new(range: Range) -> Self {
        let (black, luma, chroma) = match range {
            Range::Limited => (16, 255.0 / 219.0, 255.0 / 224.0),
            Range::Full => (0, 1.0, 1.0),
        };
        let (red, blue) = (2.0 * (1.0 - KR) * chroma, 2.0 * (1.0 - KB) * chroma);
        Self {
            black,
            luma: fixed(luma),
            red_of_v: fixed(red),
            green_of_u: fixed(-blue * KB / KG),
            green_of_v: fixed(-red * KR / KG),
            blue_of_u: fixed(blue),
        }
    }

    const fn of(range: Range) -> Self {
        const LIMITED: ToRgb = ToRgb::new(Range::Limited);
        const FULL: ToRgb = ToRgb::new(Range::Full);
        match range {
            Range::Limited => LIMITED,
            Range::Full => FULL,
        }
    }

    /// What chroma adds to red, green and blue.
    fn tint(self, u: u8, v: u8) -> [i32; 3] {
        let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
        [self.red_of_v * v, self.green_of_u * u + self.green_of_v * v, self.blue_of_u * u]
    }

    fn pixel(self, y: u8, tint: [i32; 3]) -> [u8; 3] {
        let luma = (i32::from(y) - self.black) * self.luma + HALF;
        tint.map(|tint| ((luma + tint) >> BITS).clamp(0, 255) as u8)
    }
}

/// A row of RGB pixels from a row of luma and its chroma, of which each value serves `STEP` pixels.
pub fn row_to_rgb<const STEP: usize>(luma: &[u8], u: &[u8], v: &[u8], range: Range, rgb: &mut [u8]) {
    let matrix = ToRgb::of(range);
    for (((luma, out), u), v) in luma.chunks(STEP).zip(rgb.chunks_mut(3 * STEP)).zip(u).zip(v) {
        let tint = matrix.tint(*u, *v);
        out.as_chunks_mut().0.iter_mut().zip(luma).for_each(|(out, y)| *out = matrix.pixel(*y, tint));
    }
}

/// A row of RGB pixels from a row of luma alone.
pub fn grey_to_rgb(luma: &[u8], range: Range, rgb: &mut [u8]) {
    let matrix = ToRgb::of(range);
    rgb.as_chunks_mut().0.iter_mut().zip(luma).for_each(|(out, y)| *out = matrix.pixel(*y, [0; 3]));
}

/// A pixel in limited range: Y, U, V.
pub fn limited([r, g, b]: [u8; 3]) -> [u8; 3] {
    const Y: [i32; 3] = [fixed(KR * 219.0 / 255.0), fixed(KG * 219.0 / 255.0), fixed(KB * 219.0 / 255.0)];
    const U_SCALE: f64 = 224.0 / 255.0 / (2.0 * (1.0 - KB));
    const V_SCALE: f64 = 224.0 / 255.0 / (2.0 * (1.0 - KR));
    const U: [i32; 3] = [fixed(-KR * U_SCALE), fixed(-KG * U_SCALE), fixed((1.0 - KB) * U_SCALE)];
    const V: [i32; 3] = [fixed((1.0 - KR) * V_SCALE), fixed(-KG * V_SCALE), fixed(-KB * V_SCALE)];
    let [r, g, b] = [r, g, b].map(i32::from);
    let sum = |[a, b_, c]: [i32; 3], zero: i32| ((a * r + b_ * g + c * b + HALF) >> BITS) + zero;
    [sum(Y, 16), sum(U, 128), sum(V, 128)].map(|value| value.clamp(0, 255) as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The standard's equations, written out in floats: E'Y = 0.299 R + 0.587 G + 0.114 B, E'Cr = (R - Y) / 1.402,
    /// E'Cb = (B - Y) / 1.772, solved for R, G and B.
    fn by_formula([y, u, v]: [u8; 3], range: Range) -> [f64; 3] {
        let (y, u, v) = (f64::from(y), f64::from(u) - 128.0, f64::from(v) - 128.0);
        let (y, u, v) = match range {
            Range::Limited => ((y - 16.0) / 219.0, u / 224.0, v / 224.0),
            Range::Full => (y / 255.0, u / 255.0, v / 255.0),
        };
        let (r, b) = (y + 1.402 * v, y + 1.772 * u);
        let g = (y - 0.299 * r - 0.114 * b) / 0.587;
        [r, g, b].map(|value| (value * 255.0).clamp(0.0, 255.0))
    }

    #[test]
    fn every_luma_with_many_chromas_is_what_the_standard_says() {
        // Each of three coefficients is rounded to its last bit, and then the sum is.
        let tolerance = 0.5 + 3.0 * 255.0 / f64::from(2 << BITS);
        let mut compared = 0;
        for range in [Range::Limited, Range::Full] {
            for y in 0..=255 {
                for (u, v) in (0..=255).step_by(15).flat_map(|u| (0..=255).step_by(17).map(move |v| (u, v))) {
                    let mut found = [0; 3];
                    row_to_rgb::<1>(&[y], &[u], &[v], range, &mut found);
                    let expected = by_formula([y, u, v], range);
                    let close = found.iter().zip(expected).all(|(f, e)| (f64::from(*f) - e).abs() <= tolerance);
                    assert!(close, "{y} {u} {v} {range:?}: {found:?}; expected {expected:?}");
                    compared += 1;
                }
            }
        }
        assert!(compared > 100_000);
    }

    /// `ffmpeg -f rawvideo -pix_fmt yuv444p -i - -sws_flags accurate_rnd+full_chroma_int -pix_fmt rgb24`, version
    /// 5.1.
    #[test]
    fn colours_are_those_of_ffmpeg() {
        let cases = [
            ([16, 128, 128], [0, 0, 0]),
            ([235, 128, 128], [255, 255, 255]),
            ([126, 128, 128], [128, 128, 128]),
            ([81, 90, 240], [254, 0, 0]),
            ([145, 54, 34], [0, 255, 1]),
            ([41, 240, 110], [0, 0, 255]),
            ([210, 16, 146], [255, 255, 0]),
            ([170, 166, 16], [1, 255, 255]),
            ([106, 202, 222], [255, 0, 254]),
            ([76, 167, 155], [113, 33, 149]),
            ([49, 110, 170], [105, 11, 2]),
            ([137, 176, 164], [198, 93, 238]),
            ([32, 171, 19], [0, 90, 105]),
            ([230, 136, 82], [176, 255, 255]),
            ([157, 75, 65], [64, 236, 57]),
            ([199, 136, 154], [255, 189, 229]),
            ([230, 156, 137], [255, 231, 255]),
            ([117, 179, 54], [0, 158, 220]),
        ];
        for (yuv, expected) in cases {
            let mut found = [0; 3];
            row_to_rgb::<1>(&yuv[..1], &yuv[1..2], &yuv[2..], Range::Limited, &mut found);
            assert_eq!(found, expected, "{yuv:?}");
        }
    }

    #[test]
    fn chroma_serves_its_pixels_and_grey_has_none() {
        let mut pairs = [0; 15];
        row_to_rgb::<2>(&[50, 60, 70, 80, 90], &[90, 128, 200], &[100, 128, 30], Range::Limited, &mut pairs);
        let single = |y, u, v| by_formula([y, u, v], Range::Limited).map(|value| value.round() as u8);
        let expected = [single(50, 90, 100), single(60, 90, 100), single(70, 128, 128), single(80, 128, 128)];
        assert_eq!(&pairs[..12], expected.as_flattened());
        assert_eq!(pairs[12..], single(90, 200, 30));
        let mut grey = [0; 9];
        grey_to_rgb(&[16, 126, 235], Range::Limited, &mut grey);
        assert_eq!(grey, [0, 0, 0, 128, 128, 128, 255, 255, 255]);
    }

    #[test]
    fn colours_survive_the_way_there_and_back() {
        for r in (0..=255).step_by(5) {
            for (g, b) in (0..=255).step_by(15).flat_map(|g| (0..=255).step_by(17).map(move |b| (g, b))) {
                let [y, u, v] = limited([r, g, b]);
                let mut back = [0; 3];
                row_to_rgb::<1>(&[y], &[u], &[v], Range::Limited, &mut back);
                let far = back.iter().zip([r, g, b]).any(|(back, there)| back.abs_diff(there) > 2);
                assert!(!far, "{r} {g} {b} comes back as {back:?}");
            }
        }
        let primaries = [([255, 0, 0], [81, 90, 240]), ([0, 255, 0], [145, 54, 34]), ([0, 0, 255], [41, 240, 110])];
        for (rgb, expected) in primaries {
            assert_eq!(limited(rgb), expected, "as in ITU-R BT.601, section 2.5.3");
        }
    }
}
