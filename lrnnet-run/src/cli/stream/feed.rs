//! Where a stream's frames come from, and how they are read.

use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use lrnnet_run::Size;
use lrnnet_run::stream::{Patient, Ratio, RawSource, Source, Stop, Y4mSource};

use super::decoder::{self, Decoder, Probe};
use super::ffmpeg::{self, words};

/// File name extensions of containers that are read.
const VIDEOS: [&str; 14] =
    ["mp4", "m4v", "mov", "mkv", "avi", "webm", "mpg", "mpeg", "ts", "m2ts", "wmv", "flv", "3gp", "ogv"];
/// Network streams that do not wait for us.
const LIVE_SCHEMES: [&str; 6] = ["rtsp", "rtsps", "rtmp", "udp", "rtp", "srt"];

/// The frames of a stream.
pub struct Feed {
    pub place: Place,
    pub kind: Kind,
    /// Whether old frames are dropped where the network lags.
    pub live: bool,
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

pub fn extension(path: &Path) -> String {
    path.extension().and_then(|extension| extension.to_str()).unwrap_or_default().to_ascii_lowercase()
}

impl Feed {
    /// Live where the place does not wait for us.
    pub fn new(place: Place, kind: Kind) -> Self {
        Self { live: !place.is_recorded(), place, kind }
    }

    /// The stream that `source` is by its name, if it is one.
    pub fn of(source: &Path, raw: Option<Size>) -> Option<Self> {
        let stdin = source.as_os_str() == "-";
        let place = if stdin { Place::Stdin(vec![]) } else { Place::of(source) };
        if let Some(size) = raw {
            return Some(Self::new(place, Kind::Raw(size)));
        }
        match &place {
            Place::Camera(_) | Place::Url(_) => Some(Self::new(place, Kind::Video)),
            Place::File(_) if extension(source) == "y4m" => Some(Self::new(place, Kind::Y4m)),
            Place::File(_) if VIDEOS.contains(&extension(source).as_str()) && !source.is_dir() => {
                Some(Self::new(place, Kind::Video))
            }
            _ => None,
        }
    }

    /// What ffmpeg knows of it; none where ffmpeg is not needed.
    ///
    /// # Errors
    ///
    /// ffmpeg that is not there, and what it says of the place.
    pub fn probe(&self, timeout: Duration, stop: &Stop) -> Result<Option<Probe>> {
        match self.kind {
            Kind::Video => decoder::probe(&self.place, timeout, stop).map(Some),
            _ => Ok(None),
        }
    }

    /// Begins to read it. A source that gives nothing for as long as `timeout` is an error.
    ///
    /// # Errors
    ///
    /// A place that cannot be read.
    pub fn open(
        &self,
        probe: Option<&Probe>,
        fps: Option<Ratio>,
        timeout: Duration,
        stop: &Stop,
    ) -> Result<Box<dyn Source>> {
        let patient = |file: File| Patient::new(file, timeout, stop.clone());
        let cannot = || format!("cannot open {}", self.place);
        let bytes = || -> Result<BufReader<Box<dyn Read + Send>>> {
            let reader: Box<dyn Read + Send> = match &self.place {
                Place::Stdin(begun) => Box::new(Cursor::new(begun.clone()).chain(patient(stdin()?))),
                Place::File(path) => Box::new(patient(File::open(path).with_context(cannot)?)),
                place => return Err(anyhow!("{place} is read by ffmpeg; leave --raw out")),
            };
            Ok(BufReader::with_capacity(1 << 16, reader))
        };
        Ok(match self.kind {
            Kind::Raw(size) => Box::new(RawSource::new(bytes()?, size, fps)),
            Kind::Y4m => Box::new(Y4mSource::new(bytes()?).with_context(cannot)?),
            Kind::Video => {
                let probe = probe.context("ffprobe was not asked")?;
                Box::new(Decoder::start(&self.place, probe, self.live, timeout, stop.clone())?)
            }
        })
    }
}

/// Standard input without a buffer: what is not read here is left to others.
#[cfg(unix)]
pub fn stdin() -> io::Result<File> {
    use std::os::fd::AsFd;
    Ok(io::stdin().as_fd().try_clone_to_owned()?.into())
}

#[cfg(windows)]
pub fn stdin() -> io::Result<File> {
    use std::os::windows::io::AsHandle;
    Ok(io::stdin().as_handle().try_clone_to_owned()?.into())
}
