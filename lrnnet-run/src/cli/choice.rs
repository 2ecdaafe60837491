//! A device with the choices that only GPUs have, as typed: `cuda:0+tf32+graph`.

use std::fmt;
use std::str::FromStr;

use lrnnet_run::engine::GpuOptions;
use lrnnet_run::{Device, UnknownDevice};

/// Where a network runs, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeviceChoice {
    /// The device.
    pub device: Device,
    /// What was appended to it.
    pub gpu: GpuOptions,
}

/// Words that are no device with choices.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChoiceError {
    /// No device.
    #[error(transparent)]
    Device(#[from] UnknownDevice),
    /// No choice that the device has.
    #[error("`+{word}` is no choice for {device}; cuda takes +tf32 and +graph, tensorrt takes +fp16 and +graph")]
    Word {
        /// What stands after the plus sign.
        word: String,
        /// The device.
        device: Device,
    },
}

impl FromStr for DeviceChoice {
    type Err = ChoiceError;

    fn from_str(text: &str) -> Result<Self, ChoiceError> {
        let mut words = text.split('+');
        let device = words.next().unwrap_or_default().parse()?;
        let mut gpu = GpuOptions::default();
        for word in words {
            match (word, device) {
                ("tf32", Device::Cuda(_)) => gpu.tf32 = true,
                ("fp16", Device::TensorRt(_)) => gpu.fp16 = true,
                ("graph", Device::Cuda(_) | Device::TensorRt(_)) => gpu.graph = true,
                _ => return Err(ChoiceError::Word { word: word.to_owned(), device }),
            }
        }
        Ok(Self { device, gpu })
    }
}

/// The words that read back as this choice.
impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GpuOptions { tf32, fp16, graph } = self.gpu;
        self.device.fmt(f)?;
        let words = [(tf32, "+tf32"), (fp16, "+fp16"), (graph, "+graph")];
        words.iter().filter(|(chosen, _)| *chosen).try_for_each(|(_, word)| f.write_str(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices_read_as_they_print() {
        let good = ["auto", "cpu", "tract", "cuda:0", "cuda:1+tf32", "cuda:0+tf32+graph", "tensorrt:0+fp16+graph"];
        let wrong: Vec<_> = good
            .iter()
            .map(|text| (*text, text.parse::<DeviceChoice>().map(|choice| choice.to_string())))
            .filter(|(text, found)| found.as_deref() != Ok(*text))
            .collect();
        assert!(wrong.is_empty(), "{wrong:#?}");
    }

    #[test]
    fn a_choice_that_the_device_does_not_have_is_refused() {
        let bad = [
            "",
            "+tf32",
            "gpu",
            "auto+tf32",
            "cpu+graph",
            "tract+tf32",
            "cuda+fp16",
            "tensorrt+tf32",
            "cuda+",
            "cuda+TF32",
        ];
        let wrong: Vec<_> = bad.iter().filter(|text| text.parse::<DeviceChoice>().is_ok()).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        let message = "cpu+graph".parse::<DeviceChoice>().unwrap_err().to_string();
        assert!(message.contains("cuda takes +tf32"), "{message}");
    }
}
