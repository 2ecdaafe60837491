//! The main command: segment every picture and write what was asked for.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use anyhow::{Context, Result};
use lrnnet_run::{Segmentation, Segmenter, atomic, mask, picture};

use super::args::PredictArgs;
use super::failure::Failure;
use super::opening::open;
use super::report::{Report, Voice};
use super::sources::{self, Job, Source, Target};

/// Segments the pictures that `args` name.
pub fn run(args: &PredictArgs) -> Result<(), Failure> {
    let jobs = sources::plan(args).map_err(Failure::Usage)?;
    let mut segmenter = open(args.engine.builder(), args.volume())?;
    let mut report = Report::new(Voice::new(args, jobs.len()));
    for job in &jobs {
        match process(job, args, &mut segmenter) {
            Ok(segmentation) => report.done(job, &segmentation, segmenter.metadata())?,
            Err(error) => report.failed(job, error),
        }
    }
    report.finish(&segmenter, args.json.as_deref())
}

fn process(job: &Job, args: &PredictArgs, segmenter: &mut Segmenter) -> Result<Segmentation> {
    let picture = match &job.source {
        Source::Stdin => picture::decode(&picture::read(io::stdin().lock())?)?,
        Source::File(path) => picture::open(path)?,
    };
    let segmentation = segmenter.segment(&picture)?;
    let palette = &segmenter.metadata().classes.palette;
    write(&job.mask, |out| mask::write_png(&segmentation.mask, palette, args.mask, out))?;
    if let Some(target) = &job.overlay {
        let drawn = mask::overlay(&picture, &segmentation.mask, palette, args.opacity);
        write(target, |out| mask::write_picture(&drawn, out))?;
    }
    Ok(segmentation)
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
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder)?;
    }
    atomic::write(path, content)
}

/// Writes to standard output; a reader that has seen enough is no failure.
pub fn to_stdout(bytes: &[u8]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}
