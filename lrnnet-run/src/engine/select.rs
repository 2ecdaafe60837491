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

/// Opens `model` on `device`. Only [`Device::Auto`] falls back, and says from what and why.
///
/// `notice` hears of what takes long.
///
/// # Errors
///
/// A device that does not work, a model that the runtime does not take; for `auto` only a library that was named and
/// does not do, or a model that not even tract takes.
pub fn open(
    model: &Model,
    device: Device,
    options: &EngineOptions,
    notice: &dyn Fn(&str),
) -> Result<Opened, EngineError> {
    match device {
        Device::Auto => open_best(model, options, notice),
        device => {
            let engine = open_exactly(model, device, options, notice)?;
            Ok(Opened { engine, device, passed_over: vec![] })
        }
    }
}

/// What runs each node of `model` on `device`, found in a run of its own with `batch` pictures of `size`.
///
/// # Errors
///
/// As for [`open`].
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

fn open_exactly(
    model: &Model,
    device: Device,
    options: &EngineOptions,
    notice: &dyn Fn(&str),
) -> Result<Box<dyn Engine>, EngineError> {
    if device == Device::Tract {
        return Ok(Box::new(TractEngine::open(model, options)?));
    }
    let library = library::find(options.library.as_deref())?;
    open_in_library(model, device, &library, options, notice)
}

fn open_in_library(
    model: &Model,
    device: Device,
    library: &Library,
    options: &EngineOptions,
    notice: &dyn Fn(&str),
) -> Result<Box<dyn Engine>, EngineError> {
    gpu::check_provider(device, library)?;
    if matches!(device, Device::TensorRt(_)) {
        notice(&match ort::tensorrt_cache(model, options, library.minor) {
            Some(cache) => {
                format!("TensorRT builds an engine on first use, which takes minutes; it is kept in {cache}")
            }
            None => "TensorRT builds an engine, which takes minutes; no cache folder could be made".to_owned(),
        });
    }
    let mut engine = OrtEngine::open(model, device, library, options)?;
    // A GPU may fail as late as in the first run; so that run belongs to opening.
    engine.prepare(model.fixed_batch().unwrap_or(1), model.input_size(model.trained_size()))?;
    Ok(Box::new(engine))
}

fn open_best(model: &Model, options: &EngineOptions, notice: &dyn Fn(&str)) -> Result<Opened, EngineError> {
    let mut passed_over = vec![];
    match library::find(options.library.as_deref()) {
        // A library that was named is a wish, not one possibility of many.
        Err(error @ LibraryError::Named(_)) => return Err(error.into()),
        Err(error) => passed_over.push((Device::Cpu, error.into())),
        Ok(library) => {
            for device in [Device::Cuda(0), Device::Cpu] {
                match open_in_library(model, device, &library, options, notice) {
                    Ok(engine) => return Ok(Opened { engine, device, passed_over }),
                    Err(error) => passed_over.push((device, error)),
                }
            }
        }
    }
    let engine = Box::new(TractEngine::open(model, options)?);
    Ok(Opened { engine, device: Device::Tract, passed_over })
}
