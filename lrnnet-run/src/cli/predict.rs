//! The main command: segment every picture and write what was asked for.

use std::fs;
use std::io::{self, Cursor, Read, Write};
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Context, Result};
use image::RgbImage;
use lrnnet_run::stream::pipeline::{self, Options};
use lrnnet_run::{Metadata, Segmentation, Segmenter, atomic, mask, picture};

use super::args::PredictArgs;
use super::failure::Failure;
use super::opening::open_networks;
use super::report::{Report, Voice};
use super::sources::{self, Job, Source, Target};
use super::stream::{self, Input};

/// Pictures for which networks side by side are worth loading: one takes as long as it saves on a few pictures.
const MANY: usize = 16;

/// Segments the pictures or the stream that `args` name.
pub fn run(args: &PredictArgs) -> Result<(), Failure> {
    match stream::input(args).map_err(Failure::Usage)? {
        Input::Stream(plan) => stream::run(args, plan),
        Input::Pictures { stdin } => pictures(args, stdin),
    }
}

/// A picture on its way through the pipeline. What fails does not stop the others.
#[derive(Default)]
struct Work<'j> {
    job: Option<&'j Job>,
    picture: Option<Result<RgbImage>>,
    segmentation: Option<Segmentation>,
}

/// Segments pictures; `stdin` holds what is read of standard input already. The next picture is read and the last mask
/// written while the network runs.
fn pictures(args: &PredictArgs, stdin: Vec<u8>) -> Result<(), Failure> {
    let jobs = sources::plan(args).map_err(Failure::Usage)?;
    let mut segmenters = open_networks(args.engine.builder(), args.volume(), jobs.len() >= MANY)?;
    let metadata = segmenters[0].metadata().clone();
    let mut report = Report::new(Voice::new(args, jobs.len()));
    let (mut waiting, mut stdin) = (jobs.iter(), Some(stdin));
    let slots = std::iter::repeat_with(Work::default).take(pipeline::slots(segmenters.len())).collect();
    let (_, failed) = pipeline::run(
        slots,
        &Options::default(),
        |work| {
            work.job = waiting.next();
            work.picture = work.job.map(|job| read(&job.source, &mut stdin));
            Ok(work.job.is_some())
        },
        segmenters.iter_mut().map(|segmenter| |work: &mut Work<'_>| segment(work, segmenter)).collect(),
        |_, work| finish(work, args, &metadata, &mut report),
    );
    match failed {
        Some(failed) => Err(failed.error),
        None => report.finish(&segmenters[0], args.json.as_deref()),
    }
}

fn read(source: &Source, stdin: &mut Option<Vec<u8>>) -> Result<RgbImage> {
    Ok(match source {
        Source::Stdin => {
            let begun = Cursor::new(stdin.take().unwrap_or_default());
            picture::decode(&picture::read(begun.chain(io::stdin().lock()))?)?
        }
        Source::File(path) => picture::open(path)?,
    })
}

fn segment(work: &mut Work<'_>, segmenter: &mut Segmenter) -> Result<(), Failure> {
    if let Some(Ok(picture)) = &work.picture {
        match segmenter.segment(picture) {
            Ok(segmentation) => work.segmentation = Some(segmentation),
            Err(error) => work.picture = Some(Err(error.into())),
        }
    }
    Ok(())
}

/// Writes and reports what came of a picture, and frees its memory.
fn finish(
    work: &mut Work<'_>,
    args: &PredictArgs,
    metadata: &Metadata,
    report: &mut Report,
) -> Result<ControlFlow<()>, Failure> {
    let Work { job: Some(job), picture: Some(picture), segmentation } = std::mem::take(work) else {
        return Ok(ControlFlow::Continue(()));
    };
    let done = picture.and_then(|picture| {
        let segmentation = segmentation.context("the picture did not reach the network")?;
        write_results(job, &picture, &segmentation, args, metadata)?;
        Ok(segmentation)
    });
    match done {
        Ok(segmentation) => report.done(job, &segmentation, metadata)?,
        Err(error) => report.failed(job, error),
    }
    Ok(ControlFlow::Continue(()))
}

fn write_results(
    job: &Job,
    picture: &RgbImage,
    segmentation: &Segmentation,
    args: &PredictArgs,
    metadata: &Metadata,
) -> Result<()> {
    let palette = &metadata.classes.palette;
    write(&job.mask, |out| mask::write_png(&segmentation.mask, palette, args.mask, out))?;
    if let Some(target) = &job.overlay {
        let drawn = mask::overlay(picture, &segmentation.mask, palette, args.opacity);
        write(target, |out| mask::write_picture(&drawn, out))?;
    }
    Ok(())
}

/// Writes a result whole or not at all.
pub fn write(target: &Target, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    match target {
        Target::File(path) => write_file(path, content).with_context(|| format!("cannot write {}", path.display())),
        Target::Stdout => {
            let mut bytes = vec![];
            content(&mut bytes)?;
            to_stdout(&bytes).context("cannot write to standard output")
        }
    }
}

fn write_file(path: &Path, content: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    make_folder(path)?;
    atomic::write(path, content)
}

/// Makes the folder of `path`, with those above.
pub fn make_folder(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => fs::create_dir_all(folder),
        _ => Ok(()),
    }
}

/// Writes to standard output; a reader that has seen enough is no failure.
pub fn to_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
