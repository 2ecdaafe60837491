//! Opening a model on the device that was asked for, or on the best that works.

use super::gpu;
use super::library::{self, Library, LibraryError};
use super::ort::{self, OrtEngine};
use super::tract::TractEngine;
use super::{Engine, EngineError, EngineOptions, Placement};
use crate::device::Device;
use crate::model::Model;
use crate::size::Size;

/// An engine, and how it came to be chosen.
pub struct Opened {
    /// The engine.
    pub engine: Box<dyn Engine>,
    /// The device it runs on; never [`Device::Auto`].
    pub device: Device,
    /// The better devices that `auto` tried before, each with the reason why not.
    pub passed_over: Vec<(Device, EngineError)>,
}

/// Opens `model` on `device`, to run at the size that it was trained for: [`open_for`] is for another.
///
/// # Errors
///
/// As for [`open_for`].
pub fn open(
    model: &Model,
    device: Device,
    options: &EngineOptions,
    notice: &dyn Fn(&str),
) -> Result<Opened, EngineError> {
    let shape = (model.fixed_batch().unwrap_or(1), model.default_size());
    open_for(model, device, options, shape, notice)
}

/// Opens `model` on `device`, to run `batch` pictures of `size` at a time. Only [`Device::Auto`] falls back, and says
/// from what and why.
///
/// A GPU may fail as late as in its first run, so there that run belongs to opening. It also builds what TensorRT needs,
/// for this shape; others can follow, each after a [`prepare`](Engine::prepare) of its own.
///
/// `notice` hears of what takes long.
///
/// # Errors
///
/// A device that does not work, a model that the runtime does not take; for `auto` only a library that was named and
/// does not do, or a model that not even tract takes.
pub fn open_for(
    model: &Model,
    device: Device,
    options: &EngineOptions,
    (batch, size): (usize, Size),
    notice: &dyn Fn(&str),
) -> Result<Opened, EngineError> {
    let wish = Wish { model, options, batch, size, notice };
    match device {
        Device::Auto => wish.open_best(),
        device => Ok(Opened { engine: wish.open_exactly(device)?, device, passed_over: vec![] }),
    }
}

/// What runs each node of `model` on `device`, found in a run of its own with `batch` pictures of `size`.
///
/// # Errors
///
/// As for [`open_for`].
pub fn placement(
    model: &Model,
    device: Device,
    options: &EngineOptions,
    batch: usize,
    size: Size,
) -> Result<Placement, EngineError> {
    if device == Device::Tract {
        let nodes = TractEngine::open(model, options)?.nodes(batch, size)?;
        return Ok(Placement::from([("tract".to_owned(), nodes)]));
    }
    let library = library::find(options.library.as_deref())?;
    ort::placement(model, device, &library, options, (batch, size))
}

/// What is to be opened, wherever that will be.
struct Wish<'a> {
    model: &'a Model,
    options: &'a EngineOptions,
    batch: usize,
    size: Size,
    notice: &'a dyn Fn(&str),
}

impl Wish<'_> {
    fn open_exactly(&self, device: Device) -> Result<Box<dyn Engine>, EngineError> {
        if device == Device::Tract {
            return Ok(Box::new(TractEngine::open(self.model, self.options)?));
        }
        let library = library::find(self.options.library.as_deref())?;
        self.open_in_library(device, &library)
    }

    fn open_in_library(&self, device: Device, library: &Library) -> Result<Box<dyn Engine>, EngineError> {
        gpu::check_provider(device, library)?;
        if matches!(device, Device::TensorRt(_)) {
            (self.notice)(&self.tensorrt_notice(library));
        }
        let mut engine = OrtEngine::open(self.model, device, library, self.options)?;
        engine.prepare(self.batch, self.size)?;
        Ok(Box::new(engine))
    }

    fn tensorrt_notice(&self, library: &Library) -> String {
        let kept = match ort::tensorrt_cache(self.model, self.options, library.minor) {
            Some(cache) => {
                format!("TensorRT builds an engine on first use, which takes minutes; it is kept in {cache}")
            }
            None => "TensorRT builds an engine, which takes minutes; no cache folder could be made".to_owned(),
        };
        match self.model.fixed_size() {
            Some(_) => kept,
            None => format!("{kept}; the model is dynamic, so other input sizes can make it build again"),
        }
    }

    fn open_best(&self) -> Result<Opened, EngineError> {
        let mut passed_over = vec![];
        match library::find(self.options.library.as_deref()) {
            // A library that was named is a wish, not one possibility of many.
            Err(error @ LibraryError::Named(_)) => return Err(error.into()),
            Err(error) => passed_over.push((Device::Cpu, error.into())),
            Ok(library) => {
                for device in [Device::Cuda(0), Device::Cpu] {
                    match self.open_in_library(device, &library) {
                        Ok(engine) => return Ok(Opened { engine, device, passed_over }),
                        Err(error) => passed_over.push((device, error)),
                    }
                }
            }
        }
        let engine = Box::new(TractEngine::open(self.model, self.options)?);
        Ok(Opened { engine, device: Device::Tract, passed_over })
    }
}
