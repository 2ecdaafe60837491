//! The table of all devices. A further one is a row here and a module beside this.

use super::{EngineError, Opening, Placement, ResidentEngine};
use crate::device::{Device, DeviceOption, Hardware, Runtime};
#[cfg(doc)]
use crate::model::Model;

/// A row of the table: a runtime on a kind of hardware.
///
/// The words of devices, `auto`, help texts and messages are all made of these rows.
#[derive(Debug)]
pub struct Backend {
    /// The word for it.
    pub word: &'static str,
    /// Runtime and hardware, with the number 0 where hardware is numbered.
    pub device: Device,
    /// Options that it takes.
    pub options: &'static [DeviceOption],
    /// What it is, in words.
    pub about: &'static str,
    /// When `auto` tries it, smallest first; `None` where it is only taken when asked for.
    pub auto_rank: Option<u8>,
    /// Whether this crate makes a class map of logits at an eighth of the size faster than the runtime does, so that it
    /// is given a network [without its head](Model::headless). On a GPU the class map is made where the logits are.
    pub finishes_here: bool,
    /// Whether it is given the built-in model in the form [`Form::BLOCKED`](lrnnet_graph::Form::BLOCKED), since it keeps
    /// channels in blocks: ONNX Runtime on CPUs of x86.
    pub keeps_blocks: bool,
    /// Whether networks of one thread each, side by side, segment more frames a second than one of as many threads:
    /// then no thread waits for another, and what else runs on the machine holds up one of them only.
    pub side_by_side: bool,
    /// The crate feature that compiles it in.
    pub feature: &'static str,
    /// How it is opened; `None` in a build without the feature.
    pub(super) entry: Option<Entry>,
}

impl Backend {
    /// Whether this build has it.
    pub fn is_built_in(&self) -> bool {
        self.entry.is_some()
    }
}

/// What the table calls.
#[derive(Debug)]
pub(super) struct Entry {
    /// Loads a network and, where a first run may fail or take long, runs it once.
    pub open: fn(&Opening<'_>) -> Result<Box<dyn ResidentEngine>, EngineError>,
    /// Finds what runs each node.
    pub placement: fn(&Opening<'_>) -> Result<Placement, EngineError>,
}

#[cfg(feature = "ort")]
const ORT: Option<Entry> = Some(Entry { open: super::ort::open, placement: super::ort::placement });
#[cfg(not(feature = "ort"))]
const ORT: Option<Entry> = None;

#[cfg(feature = "tract")]
const TRACT: Option<Entry> = Some(Entry { open: super::tract::open, placement: super::tract::placement });
#[cfg(not(feature = "tract"))]
const TRACT: Option<Entry> = None;

/// All devices there are, whether or not they work here.
pub const BACKENDS: &[Backend] = &[
    Backend {
        word: "cpu",
        device: Device::CPU,
        options: &[],
        about: "ONNX Runtime on the CPU",
        auto_rank: Some(1),
        finishes_here: true,
        keeps_blocks: cfg!(target_arch = "x86_64"),
        side_by_side: true,
        feature: "ort",
        entry: ORT,
    },
    Backend {
        word: "tract",
        device: Device::TRACT,
        options: &[],
        about: "tract on the CPU, with nothing to install",
        auto_rank: Some(2),
        finishes_here: true,
        keeps_blocks: false,
        side_by_side: true,
        feature: "tract",
        entry: TRACT,
    },
    Backend {
        word: "cuda",
        device: Device::new(Runtime::OnnxRuntime, Hardware::Cuda(0)),
        options: &[DeviceOption::Tf32, DeviceOption::Graph],
        about: "ONNX Runtime on an NVIDIA GPU",
        auto_rank: Some(0),
        finishes_here: false,
        keeps_blocks: false,
        side_by_side: false,
        feature: "ort",
        entry: ORT,
    },
    Backend {
        word: "tensorrt",
        device: Device::new(Runtime::OnnxRuntime, Hardware::TensorRt(0)),
        options: &[DeviceOption::Fp16, DeviceOption::Graph],
        about: "TensorRT on an NVIDIA GPU, through ONNX Runtime",
        auto_rank: None,
        finishes_here: false,
        keeps_blocks: false,
        side_by_side: false,
        feature: "ort",
        entry: ORT,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_row_is_found_by_its_word_and_its_device() {
        let words: HashSet<_> = BACKENDS.iter().map(|row| row.word).collect();
        assert_eq!(words.len(), BACKENDS.len(), "{words:?}");
        for row in BACKENDS {
            assert_eq!(row.word.parse(), Ok(row.device), "{}", row.word);
            assert_eq!(row.device.backend().map(|found| found.word), Some(row.word));
        }
    }

    #[test]
    fn auto_has_an_order_without_ties() {
        let ranks: Vec<_> = BACKENDS.iter().filter_map(|row| row.auto_rank).collect();
        let different: HashSet<_> = ranks.iter().collect();
        assert_eq!(different.len(), ranks.len(), "{ranks:?}");
    }
}
