//! Where a network runs: a runtime, the hardware that it uses, and options of the two.
//!
//! Which combinations exist, and the word for each, is one table: [`BACKENDS`](crate::engine::BACKENDS).

use std::fmt;
use std::str::FromStr;

use crate::ErrorKind;
use crate::engine::{BACKENDS, Backend};

/// The library that runs a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Runtime {
    /// ONNX Runtime.
    OnnxRuntime,
    /// tract.
    Tract,
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OnnxRuntime => "ONNX Runtime",
            Self::Tract => "tract",
        })
    }
}

/// What a runtime computes on, and through which of its execution providers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Hardware {
    /// The CPU.
    Cpu,
    /// The GPU of this number, by CUDA.
    Cuda(u32),
    /// The GPU of this number, by TensorRT.
    TensorRt(u32),
}

impl Hardware {
    /// Number of the GPU, if it is one.
    pub fn gpu(self) -> Option<u32> {
        match self {
            Self::Cpu => None,
            Self::Cuda(gpu) | Self::TensorRt(gpu) => Some(gpu),
        }
    }

    /// The same kind with another number; `None` for what has none.
    fn numbered(self, number: u32) -> Option<Self> {
        match self {
            Self::Cpu => None,
            Self::Cuda(_) => Some(Self::Cuda(number)),
            Self::TensorRt(_) => Some(Self::TensorRt(number)),
        }
    }
}

/// A choice that some hardware leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeviceOption {
    /// Products of float32 values in TensorFloat-32, which keeps 10 of their 23 fraction bits. Off by default, although
    /// ONNX Runtime's own default is on, so that float32 means float32.
    Tf32,
    /// float16 where that is faster, for a float32 model. A float16 model always runs in float16.
    Fp16,
    /// Record the launches of a run as a CUDA graph and replay them. The model's input shape must be fixed.
    Graph,
}

impl DeviceOption {
    const ALL: [Self; 3] = [Self::Tf32, Self::Fp16, Self::Graph];

    /// The word behind the plus sign.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Tf32 => "tf32",
            Self::Fp16 => "fp16",
            Self::Graph => "graph",
        }
    }
}

/// A set of [`DeviceOption`]s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct DeviceOptions(u8);

impl DeviceOptions {
    /// No option.
    pub const NONE: Self = Self(0);

    /// Whether `option` is chosen.
    pub const fn contains(self, option: DeviceOption) -> bool {
        self.0 & (1 << option as u8) != 0
    }

    /// The same with `option` too.
    #[must_use]
    pub const fn with(self, option: DeviceOption) -> Self {
        Self(self.0 | 1 << option as u8)
    }

    /// The same without `option`.
    #[must_use]
    pub const fn without(self, option: DeviceOption) -> Self {
        Self(self.0 & !(1 << option as u8))
    }

    /// What is chosen, in the order of printing.
    pub fn iter(self) -> impl Iterator<Item = DeviceOption> {
        DeviceOption::ALL.into_iter().filter(move |option| self.contains(*option))
    }
}

/// Where a network runs.
///
/// ```
/// use lrnnet_run::{Device, DeviceOption, Hardware, Runtime};
///
/// let device: Device = "cuda:1+tf32".parse()?;
/// assert_eq!((device.runtime, device.hardware), (Runtime::OnnxRuntime, Hardware::Cuda(1)));
/// assert!(device.options.contains(DeviceOption::Tf32));
/// assert_eq!(device, Device::cuda(1).with(DeviceOption::Tf32));
/// # Ok::<(), lrnnet_run::UnknownDevice>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Device {
    /// The library that runs the network.
    pub runtime: Runtime,
    /// What it computes on.
    pub hardware: Hardware,
    /// Choices that the hardware leaves; what it does not know is refused when the device is opened.
    pub options: DeviceOptions,
}

impl Device {
    /// tract on the CPU: needs nothing installed.
    pub const TRACT: Self = Self::new(Runtime::Tract, Hardware::Cpu);
    /// ONNX Runtime on the CPU.
    pub const CPU: Self = Self::new(Runtime::OnnxRuntime, Hardware::Cpu);

    /// A device without options.
    pub const fn new(runtime: Runtime, hardware: Hardware) -> Self {
        Self { runtime, hardware, options: DeviceOptions::NONE }
    }

    /// ONNX Runtime's CUDA execution provider on the GPU of this number.
    pub const fn cuda(gpu: u32) -> Self {
        Self::new(Runtime::OnnxRuntime, Hardware::Cuda(gpu))
    }

    /// ONNX Runtime's TensorRT execution provider on the GPU of this number.
    pub const fn tensorrt(gpu: u32) -> Self {
        Self::new(Runtime::OnnxRuntime, Hardware::TensorRt(gpu))
    }

    /// The same with `option` too.
    #[must_use]
    pub const fn with(self, option: DeviceOption) -> Self {
        Self { options: self.options.with(option), ..self }
    }

    /// Its row of the table, if there is one.
    pub fn backend(self) -> Option<&'static Backend> {
        let same = |hardware: Hardware| std::mem::discriminant(&hardware) == std::mem::discriminant(&self.hardware);
        BACKENDS.iter().find(|row| row.device.runtime == self.runtime && same(row.device.hardware))
    }
}

/// The words that read back as this device.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.backend() {
            Some(row) => f.write_str(row.word)?,
            None => write!(f, "{}/{:?}", self.runtime, self.hardware)?,
        }
        if let Some(gpu) = self.hardware.gpu() {
            write!(f, ":{gpu}")?;
        }
        self.options.iter().try_for_each(|option| write!(f, "+{}", option.word()))
    }
}

/// Words that are no device.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnknownDevice {
    /// No such device.
    #[error("`{found}` is no device; expected {expected}", expected = device_words())]
    Word {
        /// What was found.
        found: String,
    },
    /// No option that the device has.
    #[error("`+{word}` is no choice for {device}; {expected}", expected = option_words())]
    Option {
        /// What stands after the plus sign.
        word: String,
        /// The device, or `auto`.
        device: String,
    },
}

impl UnknownDevice {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Argument
    }
}

impl FromStr for Device {
    type Err = UnknownDevice;

    /// Reads a word of the table, the number of a GPU and options: `cuda:0+tf32+graph`. Without a number it is GPU 0.
    fn from_str(text: &str) -> Result<Self, UnknownDevice> {
        let mut words = text.split('+');
        let mut device = without_options(words.next().unwrap_or_default())?;
        let known = device.backend().map_or(&[][..], |row| row.options);
        for word in words {
            let option = known.iter().find(|option| option.word() == word);
            let unknown = || UnknownDevice::Option { word: word.to_owned(), device: device.to_string() };
            device = device.with(*option.ok_or_else(unknown)?);
        }
        Ok(device)
    }
}

fn without_options(text: &str) -> Result<Device, UnknownDevice> {
    let unknown = || UnknownDevice::Word { found: text.to_owned() };
    let (word, number) = match text.split_once(':') {
        Some((word, number)) => (word, Some(number)),
        None => (text, None),
    };
    let device = BACKENDS.iter().find(|row| row.word == word).ok_or_else(unknown)?.device;
    let Some(number) = number else { return Ok(device) };
    // ONNX Runtime counts GPUs in an i32.
    let number = number.parse().ok().filter(|n| *n < 1 << 16).ok_or_else(unknown)?;
    Ok(Device { hardware: device.hardware.numbered(number).ok_or_else(unknown)?, ..device })
}

/// A device, or the best that works.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceChoice {
    /// The best that really works, by the ranks of the table. The only choice that falls back.
    #[default]
    Auto,
    /// This device or none.
    Only(Device),
}

impl From<Device> for DeviceChoice {
    fn from(device: Device) -> Self {
        Self::Only(device)
    }
}

/// `auto`, or the words of the device.
impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Only(device) => device.fmt(f),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = UnknownDevice;

    fn from_str(text: &str) -> Result<Self, UnknownDevice> {
        match text.split_once('+') {
            None if text == "auto" => Ok(Self::Auto),
            Some(("auto", word)) => {
                Err(UnknownDevice::Option { word: word.to_owned(), device: Self::Auto.to_string() })
            }
            _ => text.parse().map(Self::Only),
        }
    }
}

/// Every word for a device, as for a help text: `auto, cpu, tract, cuda[:N][+tf32][+graph] or ...`.
pub fn device_words() -> String {
    let word = |row: &Backend| {
        let number = if row.device.hardware.gpu().is_some() { "[:N]" } else { "" };
        let options: String = row.options.iter().map(|option| format!("[+{}]", option.word())).collect();
        format!("{}{number}{options}", row.word)
    };
    listed(std::iter::once("auto".to_owned()).chain(BACKENDS.iter().map(word)).collect(), "or")
}

/// Which device takes which option: `cuda takes +tf32 and +graph, tensorrt takes +fp16 and +graph`.
fn option_words() -> String {
    let takes = |row: &Backend| {
        let options = row.options.iter().map(|option| format!("+{}", option.word())).collect();
        format!("{} takes {}", row.word, listed(options, "and"))
    };
    BACKENDS.iter().filter(|row| !row.options.is_empty()).map(takes).collect::<Vec<_>>().join(", ")
}

/// `a, b or c`
fn listed(mut words: Vec<String>, joint: &str) -> String {
    match words.pop() {
        Some(last) if !words.is_empty() => format!("{} {joint} {last}", words.join(", ")),
        Some(last) => last,
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_devices_match() {
        use DeviceOption::{Fp16, Graph, Tf32};
        let only = DeviceChoice::Only;
        let cases = [
            ("auto", DeviceChoice::Auto, "auto"),
            ("cpu", only(Device::CPU), "cpu"),
            ("tract", only(Device::TRACT), "tract"),
            ("cuda", only(Device::cuda(0)), "cuda:0"),
            ("cuda:65535", only(Device::cuda(65_535)), "cuda:65535"),
            ("tensorrt", only(Device::tensorrt(0)), "tensorrt:0"),
            ("cuda:1+tf32", only(Device::cuda(1).with(Tf32)), "cuda:1+tf32"),
            ("cuda+graph+tf32", only(Device::cuda(0).with(Tf32).with(Graph)), "cuda:0+tf32+graph"),
            ("tensorrt:1+fp16+graph", only(Device::tensorrt(1).with(Fp16).with(Graph)), "tensorrt:1+fp16+graph"),
        ];
        for (text, choice, printed) in cases {
            assert_eq!(text.parse(), Ok(choice), "{text}");
            assert_eq!(choice.to_string(), printed);
            assert_eq!(printed.parse(), Ok(choice), "{printed}");
        }
        assert_eq!(DeviceChoice::from(Device::CPU), only(Device::CPU));
    }

    #[test]
    fn words_of_no_device_and_options_of_others_are_refused() {
        let bad = [
            "",
            "gpu",
            "CUDA",
            "cuda:",
            "cuda:x",
            "cuda:-1",
            "cpu:0",
            "cuda:0:0",
            "cuda:65536",
            "+tf32",
            "auto+tf32",
            "cpu+graph",
            "tract+tf32",
            "cuda+fp16",
            "tensorrt+tf32",
            "cuda+",
            "cuda+TF32",
            "auto:0",
        ];
        let taken: Vec<_> = bad.iter().filter(|text| text.parse::<DeviceChoice>().is_ok()).collect();
        assert!(taken.is_empty(), "{taken:?}");
    }

    #[test]
    fn messages_and_help_list_what_the_table_holds() {
        let message = "gpu".parse::<Device>().unwrap_err().to_string();
        let words = "auto, cpu, tract, cuda[:N][+tf32][+graph] or tensorrt[:N][+fp16][+graph]";
        assert_eq!(message, format!("`gpu` is no device; expected {words}"));
        let message = "cpu+graph".parse::<Device>().unwrap_err().to_string();
        let options = "cuda takes +tf32 and +graph, tensorrt takes +fp16 and +graph";
        assert_eq!(message, format!("`+graph` is no choice for cpu; {options}"));
        let message = "auto+tf32".parse::<DeviceChoice>().unwrap_err().to_string();
        assert_eq!(message, format!("`+tf32` is no choice for auto; {options}"));
        assert_eq!(listed(vec!["one".to_owned()], "or"), "one");
    }

    #[test]
    fn runtimes_are_called_what_their_makers_call_them() {
        assert_eq!(
            [Runtime::OnnxRuntime, Runtime::Tract].map(|runtime| runtime.to_string()),
            ["ONNX Runtime", "tract"]
        );
    }

    #[test]
    fn options_are_a_set() {
        let both = DeviceOptions::NONE.with(DeviceOption::Graph).with(DeviceOption::Tf32);
        assert_eq!(both.iter().collect::<Vec<_>>(), [DeviceOption::Tf32, DeviceOption::Graph]);
        assert_eq!(both.with(DeviceOption::Graph), both);
        assert_eq!(both.without(DeviceOption::Graph), DeviceOptions::NONE.with(DeviceOption::Tf32));
        assert!(!both.contains(DeviceOption::Fp16));
    }
}
