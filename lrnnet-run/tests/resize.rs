//! The one resize against PyTorch's `interpolate` (`fixtures/resize.safetensors`).
#![allow(missing_docs)]

use lrnnet_graph::synthetic;
use lrnnet_run::resize::Resizer;
use lrnnet_run::scores::Difference;
use lrnnet_run::{Frame, PixelFormat, Size};
use safetensors::SafeTensors;

/// PyTorch's values are not rounded; the bytes are, once.
const TOLERANCE: f32 = 0.5 + 1e-4;

#[test]
fn the_resize_is_the_one_of_pytorch() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../fixtures/resize.safetensors");
    let bytes = std::fs::read(path).unwrap();
    let golden = SafeTensors::deserialize(&bytes).unwrap();
    assert!(golden.len() >= 4, "only {} cases", golden.len());
    let mut failing = vec![];
    for (name, tensor) in golden.iter() {
        let (from, to) = name.split_once('-').unwrap();
        let (from, to): (Size, Size) = (from.parse().unwrap(), to.parse().unwrap());
        let pixels = synthetic::picture(from.height, from.width);
        let frame = Frame::new(&pixels, from, PixelFormat::Rgb).unwrap();
        let mut resizer = Resizer::default();
        let found = resizer.resize(frame, to);
        assert_eq!(tensor.shape(), [3, to.height, to.width]);
        let expected = tensor.data().chunks_exact(4).map(|c| f32::from_le_bytes([c[0], c[1], c[2], c[3]]));
        let at = |i: usize| f32::from(found[i % to.area() * 3 + i / to.area()]);
        let found: Vec<f32> = (0..found.len()).map(at).collect();
        let difference = Difference::of(&found, &expected.collect::<Vec<_>>());
        let within = difference.largest <= TOLERANCE;
        if !within {
            failing.push(format!("{name}: {difference:?}"));
        }
    }
    assert!(failing.is_empty(), "{} cases differ:\n{}", failing.len(), failing.join("\n"));
}
