//! From what was typed to a stream's source and outputs, checked before any work is done.

use std::ffi::OsString;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use lrnnet_run::Size;
use lrnnet_run::mask::MaskStyle;
use lrnnet_run::stream::{Look, y4m};

use super::ffmpeg::{self, words};
use crate::cli::args::{PredictArgs, StreamFormat};
use crate::cli::sources::Target;

/// File name extensions of containers that are read.
const VIDEOS: [&str; 14] =
    ["mp4", "m4v", "mov", "mkv", "avi", "webm", "mpg", "mpeg", "ts", "m2ts", "wmv", "flv", "3gp", "ogv"];
/// File name extensions of containers that are written.
const WRITTEN: [&str; 5] = ["mp4", "m4v", "mov", "mkv", "avi"];
/// Network streams that do not wait for us.
const LIVE_SCHEMES: [&str; 6] = ["rtsp", "rtsps", "rtmp", "udp", "rtp", "srt"];

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
    pub place: Place,
    pub kind: Kind,
    pub live: bool,
    pub outputs: Vec<Output>,
}

/// Where a stream comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Standard input, with what was read of it already.
    Stdin(Vec<u8>),
    File(PathBuf),
    /// A camera of Video4Linux.
    Camera(PathBuf),
    Url(String),
}

/// How a stream is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RGB24 of this size.
    Raw(Size),
    Y4m,
    /// By ffmpeg.
    Video,
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

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin(_) => f.write_str("standard input"),
            Self::File(path) | Self::Camera(path) => path.display().fmt(f),
            Self::Url(url) => f.write_str(url),
        }
    }
}

impl Place {
    fn of(path: &Path) -> Self {
        let text = path.to_string_lossy();
        if text.contains("://") {
            Self::Url(text.into_owned())
        } else if text.starts_with("/dev/video") {
            Self::Camera(path.to_owned())
        } else {
            Self::File(path.to_owned())
        }
    }

    /// ffmpeg's arguments for this as an input.
    pub fn input(&self) -> Vec<OsString> {
        match self {
            Self::Stdin(_) => words(&["-i", "pipe:0"]),
            Self::File(path) => vec!["-i".into(), ffmpeg::file(path)],
            Self::Camera(path) => vec!["-f".into(), "v4l2".into(), "-i".into(), path.into()],
            // Over UDP, a lost packet is a torn picture.
            Self::Url(url) if url.starts_with("rtsp") => words(&["-rtsp_transport", "tcp", "-i", url]),
            Self::Url(url) => words(&["-i", url]),
        }
    }

    /// Whether this waits for us.
    pub fn is_recorded(&self) -> bool {
        match self {
            Self::File(_) => true,
            Self::Stdin(_) => true,
            Self::Camera(_) => false,
            Self::Url(url) => url.split_once("://").is_none_or(|(scheme, _)| !LIVE_SCHEMES.contains(&scheme)),
        }
    }
}

fn extension(path: &Path) -> String {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase()
}

/// What `args` name. Standard input is looked into as far as is needed to tell.
pub fn input(args: &PredictArgs) -> Result<Input> {
    let mut stdin = vec![];
    let first = match &args.sources[..] {
        [only] if only.as_os_str() == "-" && args.stream.raw.is_none() => {
            stdin = begin_stdin()?;
            if stdin == y4m::MAGIC { Some((Place::Stdin(std::mem::take(&mut stdin)), Kind::Y4m)) } else { None }
        }
        sources => sources.iter().find_map(|source| stream(source, args.stream.raw)),
    };
    let Some((place, kind)) = first else {
        no_stream_flags(args)?;
        return Ok(Input::Pictures { stdin });
    };
    ensure!(
        args.sources.len() == 1,
        "{place} is a stream, which is segmented alone, but {} sources are named",
        args.sources.len()
    );
    let live = args.stream.live || !place.is_recorded();
    let plan = Plan { outputs: outputs(args, kind)?, place, kind, live };
    check(&plan, args)?;
    Ok(Input::Stream(plan))
}

/// Whether `source` is a stream, by its name.
fn stream(source: &Path, raw: Option<Size>) -> Option<(Place, Kind)> {
    let stdin = source.as_os_str() == "-";
    let place = if stdin { Place::Stdin(vec![]) } else { Place::of(source) };
    if let Some(size) = raw {
        return Some((place, Kind::Raw(size)));
    }
    match &place {
        Place::Camera(_) | Place::Url(_) => Some((place, Kind::Video)),
        Place::File(_) if extension(source) == "y4m" => Some((place, Kind::Y4m)),
        Place::File(_) if VIDEOS.contains(&extension(source).as_str()) && !source.is_dir() => {
            Some((place, Kind::Video))
        }
        _ => None,
    }
}

/// The first bytes of standard input, as many as the word that a y4m stream begins with has.
fn begin_stdin() -> Result<Vec<u8>> {
    let mut stdin = super::stdin()?;
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
    let source = match &plan.place {
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
