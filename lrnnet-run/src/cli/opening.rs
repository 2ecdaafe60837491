//! Opening a network, and what is said about where it runs.

use std::io::{IsTerminal, stderr};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use lrnnet_graph::Precision;
use lrnnet_run::engine::EngineError;
use lrnnet_run::{BuildError, Device, Runtime, Segmenter, SegmenterBuilder, with_causes};

use super::failure::{Failure, explained};

/// How much is said besides results and errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Volume {
    Quiet,
    Normal,
    Verbose,
}

/// Builds a segmenter; says what takes long, where the network runs, and why not on something better.
pub fn open(builder: SegmenterBuilder, volume: Volume) -> Result<Segmenter, Failure> {
    let segmenter = built(builder, volume, SegmenterBuilder::build)?;
    say_how(&segmenter, 1, volume);
    Ok(segmenter)
}

/// The same with one segmenter, which is done with a picture soonest, or with as many `side_by_side` as give the most
/// pictures a second.
pub fn open_networks(builder: SegmenterBuilder, volume: Volume, side_by_side: bool) -> Result<Vec<Segmenter>, Failure> {
    if !side_by_side {
        return open(builder, volume).map(|segmenter| vec![segmenter]);
    }
    let segmenters = built(builder, volume, SegmenterBuilder::build_side_by_side)?;
    say_how(&segmenters[0], segmenters.len(), volume);
    Ok(segmenters)
}

fn built<T>(
    builder: SegmenterBuilder,
    volume: Volume,
    build: impl FnOnce(SegmenterBuilder) -> Result<T, BuildError>,
) -> Result<T, Failure> {
    let waiting = if volume == Volume::Quiet { ProgressBar::hidden() } else { spinner("loading the network".into()) };
    let notes = waiting.clone();
    let builder = builder.on_notice(move |text| {
        if volume != Volume::Quiet {
            notes.suspend(|| eprintln!("note: {text}"));
        }
    });
    let built = build(builder);
    waiting.finish_and_clear();
    Ok(built?)
}

/// Says where `networks` of `segmenter` run, and what is better done otherwise.
fn say_how(segmenter: &Segmenter, networks: usize, volume: Volume) {
    let runtime = match networks {
        1 => segmenter.runtime().to_owned(),
        _ => format!("{}, {networks} networks side by side", segmenter.runtime()),
    };
    say_where(&runtime, segmenter.passed_over(), volume);
    let in_tract = segmenter.device().is_some_and(|device| device.runtime == Runtime::Tract);
    if in_tract && segmenter.metadata().precision == Precision::Int8 && volume != Volume::Quiet {
        eprintln!("note: tract computes int8 in floats and is slower with it than with fp32; --device cpu is faster");
    }
}

/// Says where a network runs, and why not on something better.
pub fn say_where(runtime: &str, passed_over: &[(Device, EngineError)], volume: Volume) {
    if volume != Volume::Quiet {
        eprintln!("running on {runtime}{}", reasons(passed_over, volume == Volume::Verbose));
    }
}

/// A line for each device that was passed over; `whole` with remedy and causes.
pub fn reasons(passed_over: &[(Device, EngineError)], whole: bool) -> String {
    let line = |(device, error): &(Device, EngineError)| {
        let reason = if whole { explained(error) } else { with_causes(error) };
        let shown = if whole { reason.as_str() } else { reason.lines().next().unwrap_or_default() };
        format!("\n  not on {device}: {shown}")
    };
    passed_over.iter().map(line).collect()
}

/// A sign of life with the time gone by, on a terminal only.
pub fn spinner(what: String) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("the template is well formed");
    let spinner = ProgressBar::new_spinner().with_style(style).with_message(what);
    spinner.enable_steady_tick(Duration::from_millis(200));
    spinner
}

#[cfg(test)]
mod tests {
    use lrnnet_run::engine::DeviceProblem;

    use super::*;

    #[test]
    fn a_device_that_is_passed_over_keeps_its_cause() {
        let error = EngineError::Device {
            device: Device::cuda(0),
            problem: DeviceProblem::NoDriver,
            source: Some("libx.so: cannot open".into()),
        };
        let passed_over = [(Device::cuda(0), error)];
        let first = "\n  not on cuda:0: device cuda:0 does not work here: NVIDIA's driver is not found";
        assert_eq!(reasons(&passed_over, false), first);
        let whole = reasons(&passed_over, true);
        assert!(
            whole.starts_with(&format!("{first}\ncaused by: libx.so: cannot open\nhint: install NVIDIA")),
            "{whole}"
        );
        assert_eq!(reasons(&[], true), "");
    }
}
