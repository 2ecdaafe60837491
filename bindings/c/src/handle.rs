//! What a handle holds.

use std::any::Any;
use std::error::Error;
use std::ffi::CString;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use lrnnet_run::{DeviceChoice, ErrorKind, Frame, Segmenter, with_causes};

/// What became of a call.
/// cbindgen:prefix-with-name=true
/// cbindgen:rename-all=ScreamingSnakeCase
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LrnnetStatus {
    /// It did what it should.
    Ok = 0,
    /// What was asked for makes no sense, or does not fit the model.
    Argument = 1,
    /// The model file cannot be read, is none of this project, or cannot be fed.
    Model = 2,
    /// The bytes are no picture.
    Picture = 3,
    /// The device, or the library of its runtime, does not work here.
    Device = 4,
    /// The network ran and failed.
    Run = 5,
    /// A fault of this library. The segmenter is of no more use; close it.
    Panic = 6,
}

impl From<ErrorKind> for LrnnetStatus {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Argument => Self::Argument,
            ErrorKind::Model => Self::Model,
            ErrorKind::Picture => Self::Picture,
            ErrorKind::Device => Self::Device,
            _ => Self::Run,
        }
    }
}

/// Why a call failed.
pub struct Failure {
    status: LrnnetStatus,
    text: String,
}

impl Failure {
    /// What C's arguments have to be and are not.
    pub fn argument(text: &str) -> Self {
        Self { status: LrnnetStatus::Argument, text: text.to_owned() }
    }

    fn new(kind: ErrorKind, error: &(dyn Error + 'static)) -> Self {
        Self { status: kind.into(), text: with_causes(error) }
    }
}

/// A trained network on a device. C sees a pointer to it and nothing of what is in it.
#[derive(Default)]
pub struct LrnnetSegmenter {
    /// None where opening failed, and after a panic.
    opened: Option<Opened>,
    /// What the last call failed with; empty if it did not.
    pub(crate) error: CString,
}

/// A segmenter, with what C reads of it in C's form.
pub(crate) struct Opened {
    segmenter: Segmenter,
    pub names: Vec<CString>,
    /// Red, green and blue of each class.
    pub palette: Vec<u8>,
    pub device: CString,
    pub runtime: CString,
}

impl Opened {
    fn new(model: Option<&Path>, device: DeviceChoice) -> Result<Self, Failure> {
        let builder = Segmenter::builder().device(device);
        let builder = match model {
            Some(path) => builder.model_path(path),
            None => builder,
        };
        let segmenter = builder.build().map_err(|error| Failure::new(error.kind(), &error))?;
        let classes = &segmenter.metadata().classes;
        Ok(Self {
            names: classes.names.iter().map(|name| c_string(name)).collect(),
            palette: classes.palette.concat(),
            device: c_string(&segmenter.device().map_or_else(String::new, |device| device.to_string())),
            runtime: c_string(segmenter.runtime()),
            segmenter,
        })
    }
}

impl LrnnetSegmenter {
    /// Opens a model, the built-in one where there is no path, on the device that a word names.
    pub(crate) fn open(&mut self, model: Option<&Path>, device: &str) -> LrnnetStatus {
        self.call(|handle| {
            let device = device.parse().map_err(|error| Failure::new(ErrorKind::Argument, &error))?;
            handle.opened = Some(Opened::new(model, device)?);
            Ok(())
        })
    }

    /// Segments the picture that `frame` gives into `ids`.
    pub(crate) fn segment<'f>(
        &mut self,
        frame: impl FnOnce() -> Result<(Frame<'f>, &'f mut [u8]), Failure>,
    ) -> LrnnetStatus {
        self.call(|handle| {
            let Some(opened) = &mut handle.opened else {
                return Err(Failure::argument("the segmenter is not open; see what lrnnet_open said"));
            };
            let (frame, ids) = frame()?;
            let run = opened.segmenter.segment_into(frame, ids);
            run.map(|_| ()).map_err(|error| Failure::new(error.kind(), &error))
        })
    }

    pub(crate) fn opened(&self) -> Option<&Opened> {
        self.opened.as_ref()
    }

    /// Does what is asked for and keeps what it fails with. A segmenter that panicked is in no known state, so it is left
    /// alone from then on.
    fn call(&mut self, ask: impl FnOnce(&mut Self) -> Result<(), Failure>) -> LrnnetStatus {
        let done = catch_unwind(AssertUnwindSafe(|| ask(self)));
        let (status, text) = match done {
            Ok(Ok(())) => (LrnnetStatus::Ok, String::new()),
            Ok(Err(failure)) => (failure.status, failure.text),
            Err(panic) => {
                std::mem::forget(self.opened.take());
                let text = format!("a fault of the library, please report it: {}", message(&*panic));
                // What a panic carries may panic itself when it is dropped.
                std::mem::forget(panic);
                (LrnnetStatus::Panic, text)
            }
        };
        self.error = c_string(&text);
        status
    }
}

/// The error of a frame, for `api`.
pub(crate) fn picture(error: &lrnnet_run::FrameError) -> Failure {
    Failure::new(error.kind(), error)
}

fn message(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    literal.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("it does not say why")
}

/// `text` for C, which ends at the first zero byte.
fn c_string(text: &str) -> CString {
    CString::new(text.replace('\0', "\u{fffd}")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(handle: &LrnnetSegmenter) -> &str {
        handle.error.to_str().unwrap()
    }

    #[test]
    fn a_panic_becomes_a_status_and_ends_the_segmenter() {
        let mut handle = LrnnetSegmenter::default();
        assert_eq!(handle.open(None, "tract"), LrnnetStatus::Ok, "{}", said(&handle));
        assert!(handle.opened().is_some() && said(&handle).is_empty());
        assert_eq!(handle.call(|_| panic!("no luck {}", 7)), LrnnetStatus::Panic);
        assert!(handle.opened().is_none() && said(&handle).ends_with("no luck 7"), "{}", said(&handle));
        assert_eq!(handle.segment(|| unreachable!()), LrnnetStatus::Argument);
        assert!(said(&handle).contains("is not open"), "{}", said(&handle));
    }

    #[test]
    fn a_failure_is_told_until_the_next_call() {
        let mut handle = LrnnetSegmenter::default();
        let cases = [
            (None, "gpu", LrnnetStatus::Argument, "`gpu` is no device"),
            (Some(Path::new("missing.onnx")), "tract", LrnnetStatus::Model, "missing.onnx\ncaused by: "),
            (None, "cuda:7", LrnnetStatus::Device, "cuda:7"),
        ];
        for (model, device, status, words) in cases {
            assert_eq!(handle.open(model, device), status, "{device}");
            assert!(handle.opened().is_none() && said(&handle).contains(words), "{device}: {}", said(&handle));
        }
        assert_eq!(handle.call(|_| Ok(())), LrnnetStatus::Ok);
        assert_eq!(said(&handle), "");
        assert_eq!(c_string("a\0b").to_str(), Ok("a\u{fffd}b"));
    }
}
