//! What every parser must hold to, whatever it is given. The fuzzer calls these, and so does a plain test with seeded
//! mutations: each brings the `readers` of its own.

use std::fmt::Display;
use std::io::Cursor;
use std::path::Path;
use std::str::FromStr;

use lrnnet_graph::onnx::ModelFile;
use lrnnet_run::stream::{FrameBuffer, Source, Y4mSource};
use lrnnet_run::{Model, Size, label, picture};

use super::mutate::archive;
use super::readers::{classes_from_bytes, weights_from_bytes};

/// A parser by its name, and a function that panics if it does not hold to what is promised.
pub type Target = (&'static str, fn(&[u8]));

/// Every parser of files and words from outside.
pub const TARGETS: [Target; 8] = [
    ("weights", weights),
    ("pickles", pickles),
    ("model", model),
    ("classes", classes),
    ("picture", picture),
    ("label", label),
    ("words", words),
    ("y4m", y4m),
];

/// Weight files: what is read takes no more memory than a small multiple of the file.
pub fn weights(bytes: &[u8]) {
    let Ok(file) = weights_from_bytes(Path::new("weights"), bytes.to_vec()) else { return };
    let values: usize = file.entries().iter().map(|entry| entry.shape.iter().product::<usize>()).sum();
    // The smallest have four bits.
    assert!(values <= 2 * bytes.len(), "{values} values of {} bytes", bytes.len());
    if let Ok(weights) = file.into_weights() {
        assert!(weights.values().all(|tensor| tensor.shape().iter().product::<usize>() == tensor.data().len()));
    }
}

/// Weight files of PyTorch by their structure: the pickle, whose archive is made around it. So changes reach the pickle,
/// which a changed archive's checksum would keep them from.
pub fn pickles(pickle: &[u8]) {
    weights(&archive(pickle));
}

/// Model files: what passes is written again as it was, and says what to feed it.
pub fn model(bytes: &[u8]) {
    let trusted = ModelFile::parse_trusted(bytes);
    let Ok(model) = Model::from_bytes("model", bytes.to_vec()) else { return };
    assert!(trusted.is_ok_and(|file| file.metadata() == model.metadata()));
    let size = model.input_size(Size::new(480, 640));
    assert!(size.height > 0 && size.width > 0 && !model.outputs().is_empty());
    assert!(model.output_ports().iter().all(|port| port.shape(1, size).is_none_or(|shape| shape.len() <= 8)));
    if let Some(headless) = model.headless() {
        assert!(Model::from_bytes("headless", headless.bytes().to_vec()).is_ok(), "it is a part of a checked file");
    }
}

/// Files of class names.
pub fn classes(bytes: &[u8]) {
    if let Ok(classes) = classes_from_bytes(Path::new("classes"), bytes) {
        assert_eq!(classes.names.len(), classes.palette.len());
    }
}

/// Pictures: of a size within the limits.
pub fn picture(bytes: &[u8]) {
    if let Ok(picture) = picture::decode(bytes) {
        assert!(picture.width().max(picture.height()) <= picture::MAX_SIDE);
    }
}

/// Label files, likewise.
pub fn label(bytes: &[u8]) {
    if let Ok(label) = label::decode(bytes) {
        assert!(label.width().max(label.height()) <= picture::MAX_SIDE);
    }
}

/// Words of the command line: what is understood is printed as words that are understood alike.
pub fn words(bytes: &[u8]) {
    let Ok(text) = str::from_utf8(bytes) else { return };
    for word in text.lines().take(64) {
        reads_back::<lrnnet_run::DeviceChoice>(word);
        reads_back::<lrnnet_run::Device>(word);
        reads_back::<Size>(word);
        reads_back::<lrnnet_run::mask::MaskStyle>(word);
        reads_back::<lrnnet_run::stream::Ratio>(word);
        reads_back::<lrnnet_graph::Block>(word);
        reads_back::<lrnnet_graph::Context>(word);
        reads_back::<lrnnet_graph::Head>(word);
        reads_back::<lrnnet_graph::InputKind>(word);
        reads_back::<lrnnet_graph::Precision>(word);
        let _ = lrnnet_graph::Form::from_str(word);
    }
}

fn reads_back<T: FromStr + Display + PartialEq>(word: &str) {
    let Ok(value) = T::from_str(word) else { return };
    let again = T::from_str(&value.to_string());
    assert!(again.is_ok_and(|again| again == value), "{word:?} is printed as {value}");
}

/// y4m streams: frames of the size that the header says.
pub fn y4m(bytes: &[u8]) {
    let Ok(mut source) = Y4mSource::new(Cursor::new(bytes)) else { return };
    let mut frame = FrameBuffer::default();
    for _ in 0..4 {
        match source.read(&mut frame) {
            Ok(true) => assert_eq!(frame.rgb().len(), 3 * source.header().size.area()),
            _ => return,
        }
    }
}
