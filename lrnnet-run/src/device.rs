//! Where a network runs.

use std::fmt;
use std::str::FromStr;

/// A runtime and the hardware it uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Device {
    /// The best that really works: CUDA, else ONNX Runtime on the CPU, else tract. The only one that falls back.
    #[default]
    Auto,
    /// ONNX Runtime on the CPU.
    Cpu,
    /// tract, which is part of this program, on the CPU.
    Tract,
    /// ONNX Runtime's CUDA execution provider on the GPU of this number.
    Cuda(u32),
    /// ONNX Runtime's TensorRT execution provider on the GPU of this number.
    TensorRt(u32),
}

/// The word that reads back as this device.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Tract => f.write_str("tract"),
            Self::Cuda(gpu) => write!(f, "cuda:{gpu}"),
            Self::TensorRt(gpu) => write!(f, "tensorrt:{gpu}"),
        }
    }
}

/// A word that is no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no device; expected auto, cpu, tract, cuda, cuda:N, tensorrt or tensorrt:N")]
pub struct UnknownDevice(String);

impl FromStr for Device {
    type Err = UnknownDevice;

    fn from_str(word: &str) -> Result<Self, UnknownDevice> {
        let unknown = || UnknownDevice(word.to_owned());
        let (name, gpu) = match word.split_once(':') {
            // ONNX Runtime counts GPUs in an i32.
            Some((name, digits)) => (name, Some(digits.parse().ok().filter(|n| *n < 1 << 16).ok_or_else(unknown)?)),
            None => (word, None),
        };
        match (name, gpu) {
            ("auto", None) => Ok(Self::Auto),
            ("cpu", None) => Ok(Self::Cpu),
            ("tract", None) => Ok(Self::Tract),
            ("cuda", gpu) => Ok(Self::Cuda(gpu.unwrap_or(0))),
            ("tensorrt", gpu) => Ok(Self::TensorRt(gpu.unwrap_or(0))),
            _ => Err(unknown()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_devices_match() {
        let cases = [
            ("auto", Device::Auto),
            ("cpu", Device::Cpu),
            ("tract", Device::Tract),
            ("cuda", Device::Cuda(0)),
            ("cuda:3", Device::Cuda(3)),
            ("tensorrt", Device::TensorRt(0)),
            ("tensorrt:1", Device::TensorRt(1)),
        ];
        for (word, device) in cases {
            assert_eq!(word.parse(), Ok(device), "{word}");
            assert_eq!(device.to_string().parse(), Ok(device), "{word}");
        }
        for bad in ["", "gpu", "CUDA", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "cuda:0:0", "cuda:99999999"] {
            assert!(bad.parse::<Device>().is_err(), "{bad}");
        }
    }
}
