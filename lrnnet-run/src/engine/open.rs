//! Opening a model on the device that was asked for, or on the best that works.

use std::borrow::Borrow;

use super::table::Entry;
use super::{BACKENDS, Backend, EngineError, EngineOptions, Placement, ResidentEngine};
use crate::device::{Device, DeviceChoice};
use crate::model::Model;
use crate::size::Size;

/// What is to be opened, and how.
pub struct Opening<'a> {
    /// The network.
    pub model: &'a Model,
    /// Where it is to run.
    pub device: Device,
    /// How runtimes are found and run.
    pub options: &'a EngineOptions,
    /// Pictures per run.
    pub batch: usize,
    /// Height and width of the input.
    pub size: Size,
    /// Hears of what takes long.
    pub notice: &'a dyn Fn(&str),
}

/// An engine, and how it came to be chosen.
pub struct Opened {
    /// The engine.
    pub engine: Box<dyn ResidentEngine>,
    /// The device that it runs on.
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
    device: impl Into<DeviceChoice>,
    options: &EngineOptions,
    notice: &dyn Fn(&str),
) -> Result<Opened, EngineError> {
    let shape = (model.fixed_batch().unwrap_or(1), model.default_size());
    open_for(model, device, options, shape, notice)
}

/// Opens `model` on `device`, to run `batch` pictures of `size` at a time. Only [`DeviceChoice::Auto`] falls back, and
/// says from what and why.
///
/// A GPU may fail as late as in its first run, so there that run belongs to opening. It also builds what TensorRT needs,
/// for this shape; others can follow, each after a [`prepare`](super::Engine::prepare) of its own.
///
/// `notice` hears of what takes long.
///
/// # Errors
///
/// A device that does not work or is not compiled in, a model that the runtime does not take; for `auto` only a library
/// that was named and does not do, or that no device works.
pub fn open_for(
    model: &Model,
    device: impl Into<DeviceChoice>,
    options: &EngineOptions,
    (batch, size): (usize, Size),
    notice: &dyn Fn(&str),
) -> Result<Opened, EngineError> {
    open_fitting(|_| (model, options.clone()), device.into(), (batch, size), notice).map(|(opened, _)| opened)
}

/// As [`open_for`] does, the model that `fit` gives for the row of a device, with the options for it, and that model.
pub(crate) fn open_fitting<M: Borrow<Model>>(
    fit: impl Fn(&Backend) -> (M, EngineOptions),
    device: DeviceChoice,
    (batch, size): (usize, Size),
    notice: &dyn Fn(&str),
) -> Result<(Opened, M), EngineError> {
    let open = |row: &Backend, device, entry: &Entry| {
        let (model, options) = fit(row);
        let opening = Opening { model: model.borrow(), device, options: &options, batch, size, notice };
        (entry.open)(&opening).map(|engine| (engine, model))
    };
    match device {
        DeviceChoice::Auto => open_best(open),
        DeviceChoice::Only(device) => {
            let (row, entry) = entry(device)?;
            let (engine, model) = open(row, device, entry)?;
            Ok((Opened { engine, device, passed_over: vec![] }, model))
        }
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
    (entry(device)?.1.placement)(&Opening { model, device, options, batch, size, notice: &|_| () })
}

/// The row of `device`, and what it calls.
fn entry(device: Device) -> Result<(&'static Backend, &'static Entry), EngineError> {
    let row = device.backend().ok_or(EngineError::NoSuchDevice { device })?;
    match device.options.iter().find(|option| !row.options.contains(option)) {
        Some(option) => Err(EngineError::NoSuchOption { device, option }),
        None => match &row.entry {
            Some(entry) => Ok((row, entry)),
            None => Err(EngineError::NotBuiltIn { device, feature: row.feature }),
        },
    }
}

/// The first that works of the devices of this build, by their ranks.
fn open_best<M>(
    open: impl Fn(&Backend, Device, &Entry) -> Result<(Box<dyn ResidentEngine>, M), EngineError>,
) -> Result<(Opened, M), EngineError> {
    let mut candidates: Vec<_> =
        BACKENDS.iter().filter_map(|row| Some((row.auto_rank?, row, row.entry.as_ref()?))).collect();
    candidates.sort_by_key(|(rank, ..)| *rank);
    let mut passed_over: Vec<(Device, EngineError)> = vec![];
    for (_, row, entry) in candidates {
        let device = row.device;
        match open(row, device, entry) {
            Ok((engine, model)) => return Ok((Opened { engine, device, passed_over }, model)),
            // A library that was named is a wish, not one possibility of many.
            Err(error) if error.is_about_a_named_library() => return Err(error),
            Err(error) => {
                // A library that is missing is missing for all devices of its runtime; once is enough.
                passed_over.retain(|(other, why)| other.runtime != device.runtime || !why.is_about_the_library());
                passed_over.push((device, error));
            }
        }
    }
    Err(EngineError::NothingWorks { tried: passed_over })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::DeviceOption;

    #[test]
    fn a_device_takes_the_options_of_its_row_and_is_there_if_it_is_built_in() {
        for row in BACKENDS {
            assert_eq!(entry(row.device).is_ok(), row.is_built_in(), "{}", row.word);
            for option in [DeviceOption::Tf32, DeviceOption::Fp16, DeviceOption::Graph] {
                let found = entry(row.device.with(option)).err();
                let refused = matches!(found, Some(EngineError::NoSuchOption { option: named, .. }) if named == option);
                assert_ne!(refused, row.options.contains(&option), "{}+{}", row.word, option.word());
            }
        }
    }
}
