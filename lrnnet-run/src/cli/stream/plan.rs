//! From what was typed to a stream's feed and outputs, checked before any work is done.

use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use lrnnet_run::mask::MaskStyle;
use lrnnet_run::stream::{Look, y4m};

use super::feed::{Feed, Kind, Place, extension};
use crate::cli::args::{PredictArgs, StreamFormat};
use crate::cli::sources::Target;

/// File name extensions of containers that are written.
const WRITTEN: [&str; 5] = ["mp4", "m4v", "mov", "mkv", "avi"];
/// What the main command works on.
pub enum Input {
    Stream(Plan),
    /// Pictures, with what was read of standard input to tell.
    Pictures {
        stdin: Vec<u8>,
    },
}

/// A stream with its outputs.
pub struct Plan {
    pub feed: Feed,
    pub outputs: Vec<Output>,
}

/// What is written where.
#[derive(Clone, Debug, PartialEq)]
pub struct Output {
    pub target: Target,
    pub format: Format,
    pub look: Look,
    pub style: MaskStyle,
}

/// Forms of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Raw,
    Y4m,
    /// Numbered in a folder, or one behind the other on standard output.
    Png,
    /// Encoded by ffmpeg.
    Video,
}

/// What `args` name. Standard input is looked into as far as is needed to tell.
pub fn input(args: &PredictArgs) -> Result<Input> {
    let mut stdin = vec![];
    let first = match &args.sources[..] {
        [only] if only.as_os_str() == "-" && args.stream.raw.is_none() => {
            stdin = begin_stdin()?;
            (stdin == y4m::MAGIC).then(|| Feed::new(Place::Stdin(std::mem::take(&mut stdin)), Kind::Y4m))
        }
        sources => sources.iter().find_map(|source| Feed::of(source, args.stream.raw)),
    };
    let Some(mut feed) = first else {
        no_stream_flags(args)?;
        return Ok(Input::Pictures { stdin });
    };
    ensure!(
        args.sources.len() == 1,
        "{} is a stream, which is segmented alone, but {} sources are named",
        feed.place,
        args.sources.len()
    );
    feed.live |= args.stream.live;
    let plan = Plan { outputs: outputs(args, feed.kind)?, feed };
    check(&plan, args)?;
    Ok(Input::Stream(plan))
}

/// The first bytes of standard input, as many as the word that a y4m stream begins with has.
fn begin_stdin() -> Result<Vec<u8>> {
    let mut stdin = super::feed::stdin()?;
    let mut begun = vec![];
    while begun.len() < y4m::MAGIC.len() && y4m::MAGIC.starts_with(&begun) {
        let mut byte = [0];
        if stdin.read(&mut byte).context("cannot read standard input")? == 0 {
            break;
        }
        begun.push(byte[0]);
    }
    Ok(begun)
}

fn no_stream_flags(args: &PredictArgs) -> Result<()> {
    let stream = &args.stream;
    let given = [("--live", stream.live), ("--fps", stream.fps.is_some()), ("--format", stream.format.is_some())];
    if let Some((flag, _)) = given.iter().find(|(_, given)| *given) {
        bail!("{flag} is for streams; expected a video, a camera, y4m or --raw HxW as the source");
    }
    ensure!(
        args.overlay != Some(None),
        "--overlay without PATH is for videos, whose -o it draws on; for pictures name a path: --overlay PATH"
    );
    Ok(())
}

/// What goes to -o and to --overlay.
fn outputs(args: &PredictArgs, kind: Kind) -> Result<Vec<Output>> {
    let overlay = Look::Overlay(args.opacity);
    let main = output(args.output(), args, kind, (args.overlay == Some(None)).then_some(overlay))?;
    let beside = args.overlay_path().map(|path| output(path, args, kind, Some(overlay))).transpose()?;
    Ok([Some(main), beside].into_iter().flatten().collect())
}

/// The output at `path`, which shows the mask unless it is given another look.
fn output(path: &Path, args: &PredictArgs, kind: Kind, look: Option<Look>) -> Result<Output> {
    let target = Target::new(path);
    let format = format_of(path, &target, args.stream.format, kind)?;
    let look = match (look, format, args.mask) {
        (Some(look), ..) => look,
        (None, Format::Video, MaskStyle::Gray) => bail!(
            "class ids do not survive a video codec; write {} as .y4m or to a folder, or leave --mask gray out",
            path.display()
        ),
        (None, Format::Video, _) | (None, Format::Raw | Format::Y4m, MaskStyle::Color) => Look::Colors,
        (None, ..) => Look::Ids,
    };
    Ok(Output { target, format, look, style: args.mask })
}

fn format_of(path: &Path, target: &Target, wanted: Option<StreamFormat>, kind: Kind) -> Result<Format> {
    if let Some(wanted) = wanted {
        return Ok(match wanted {
            StreamFormat::Raw => Format::Raw,
            StreamFormat::Y4m => Format::Y4m,
            StreamFormat::Png => Format::Png,
        });
    }
    let folder = path.is_dir() || path.as_os_str().as_encoded_bytes().ends_with(b"/");
    Ok(match extension(path).as_str() {
        _ if *target == Target::Stdout => {
            if matches!(kind, Kind::Raw(_)) {
                Format::Raw
            } else {
                Format::Y4m
            }
        }
        _ if folder => Format::Png,
        // A device or pipe, which takes bytes.
        _ if path.exists() && !path.is_file() => Format::Raw,
        "" => Format::Png,
        "y4m" => Format::Y4m,
        "raw" | "rgb" | "gray" => Format::Raw,
        extension if WRITTEN.contains(&extension) => Format::Video,
        "png" => bail!("{} is one picture, but a stream gives many; name a folder, such as masks/", path.display()),
        _ => bail!(
            "{} is no video that can be written; expected .{}, .y4m, .raw or a folder for numbered PNG files",
            path.display(),
            WRITTEN.join(", .")
        ),
    })
}

/// No two results may share a place, and none may take the place of the source.
fn check(plan: &Plan, args: &PredictArgs) -> Result<()> {
    let source = match &plan.feed.place {
        Place::File(path) => path.canonicalize().ok(),
        _ => None,
    };
    let json = args.json.as_deref().map(Target::new);
    let mut taken: Vec<&Target> = vec![];
    for target in plan.outputs.iter().map(|output| &output.target).chain(&json) {
        if let Target::File(path) = target {
            let overwrites = source.is_some() && path.canonicalize().ok() == source;
            ensure!(!overwrites, "{target} would overwrite the source; choose another path");
        }
        ensure!(
            !taken.contains(&target) || is_device(target),
            "two results would go to {target}; give them different paths"
        );
        taken.push(target);
    }
    Ok(())
}

/// A device such as /dev/null has room for everybody.
fn is_device(target: &Target) -> bool {
    matches!(target, Target::File(path) if path.exists() && !path.is_file() && !path.is_dir())
}
