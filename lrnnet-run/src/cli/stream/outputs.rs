//! The sinks of a stream as the program writes them.

use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;

use indicatif::ProgressBar;
use lrnnet_graph::Color;
use lrnnet_run::atomic;
use lrnnet_run::mask::{self, MaskStyle};
use lrnnet_run::stream::{Destination, FrameProblem, Look, Painter, RawSink, Segmented, Sink, Y4mSink};

use super::encoder::{Encoder, Recipe};
use super::plan::{Format, Output};
use crate::cli::predict::make_folder;
use crate::cli::sources::Target;

/// All outputs of a stream, and what is counted on the way.
pub struct Outputs {
    sinks: Vec<Box<dyn Sink>>,
    /// Pixels of all frames by class id.
    pub class_pixels: Vec<u64>,
    progress: ProgressBar,
}

impl Outputs {
    /// Opens what `plans` name.
    pub fn open(plans: &[Output], palette: &[Color], recipe: &Recipe, progress: ProgressBar) -> io::Result<Self> {
        let sinks = plans.iter().map(|plan| open(plan, palette, recipe)).collect::<io::Result<_>>()?;
        Ok(Self { sinks, class_pixels: vec![], progress })
    }
}

fn open(plan: &Output, palette: &[Color], recipe: &Recipe) -> io::Result<Box<dyn Sink>> {
    let painter = Painter::new(plan.look, palette);
    let out = || -> io::Result<Box<dyn Destination>> {
        Ok(match &plan.target {
            Target::Stdout => Box::new(stdout()?),
            Target::File(path) => {
                make_folder(path)?;
                Box::new(atomic::Pending::create(path)?)
            }
        })
    };
    Ok(match (plan.format, &plan.target) {
        (Format::Raw, _) => Box::new(RawSink::new(out()?, painter)),
        (Format::Y4m, _) => Box::new(Y4mSink::new(out()?, painter, recipe.info)),
        (Format::Video, Target::File(path)) => {
            make_folder(path)?;
            Box::new(Encoder::new(path.clone(), painter, recipe.clone()))
        }
        (Format::Png | Format::Video, target) => {
            let folder = match target {
                Target::Stdout => None,
                Target::File(path) => {
                    std::fs::create_dir_all(path)?;
                    Some(path.clone())
                }
            };
            Box::new(PngSink { folder, painter, palette: palette.to_owned(), style: plan.style, look: plan.look })
        }
    })
}

/// Standard output without a buffer that looks for ends of lines.
#[cfg(unix)]
fn stdout() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(io::stdout().as_fd().try_clone_to_owned()?.into())
}

#[cfg(windows)]
fn stdout() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(io::stdout().as_handle().try_clone_to_owned()?.into())
}

/// Results as PNG files that are numbered as the frames are, or one behind the other on standard output.
struct PngSink {
    folder: Option<PathBuf>,
    painter: Painter,
    palette: Vec<Color>,
    style: MaskStyle,
    look: Look,
}

impl PngSink {
    fn encode(&mut self, result: &Segmented<'_>, out: &mut dyn Write) -> io::Result<()> {
        let painted = self.painter.paint(result);
        match self.look {
            Look::Ids => mask::write_ids(painted.size, painted.bytes, &self.palette, self.style, out),
            _ => mask::write_rgb(painted.size, painted.bytes, out),
        }
    }
}

impl Sink for PngSink {
    fn write(&mut self, result: &Segmented<'_>) -> Result<ControlFlow<()>, FrameProblem> {
        let written = match self.folder.clone() {
            Some(folder) => {
                let path = folder.join(format!("{:06}.png", result.number));
                atomic::write(&path, |out| self.encode(result, out))
            }
            None => {
                let mut bytes = vec![];
                self.encode(result, &mut bytes).and_then(|()| stdout()?.write_all(&bytes))
            }
        };
        match written {
            Ok(()) => Ok(ControlFlow::Continue(())),
            Err(error) if self.folder.is_none() && error.kind() == io::ErrorKind::BrokenPipe => {
                Ok(ControlFlow::Break(()))
            }
            Err(error) => Err(FrameProblem::Write(error)),
        }
    }

    fn finish(&mut self) -> Result<(), FrameProblem> {
        Ok(())
    }
}

impl Sink for Outputs {
    fn write(&mut self, result: &Segmented<'_>) -> Result<ControlFlow<()>, FrameProblem> {
        self.class_pixels.resize(result.class_pixels.len(), 0);
        self.class_pixels.iter_mut().zip(result.class_pixels).for_each(|(sum, pixels)| *sum += pixels);
        self.progress.set_position(result.number + 1);
        let mut flow = ControlFlow::Continue(());
        for at in 0..self.sinks.len() {
            match self.sinks[at].write(result) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => flow = ControlFlow::Break(()),
                Err(problem) => {
                    // What the others hold stays; the first error is the one to tell.
                    self.sinks.remove(at);
                    let _ = self.finish();
                    return Err(problem);
                }
            }
        }
        Ok(flow)
    }

    /// Finishes all of them, whether or not one fails; the first error is given.
    fn finish(&mut self) -> Result<(), FrameProblem> {
        self.sinks.iter_mut().map(|sink| sink.finish()).fold(Ok(()), Result::and)
    }
}
