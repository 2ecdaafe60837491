//! Results as a video file, encoded by ffmpeg.

use std::ffi::OsString;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use lrnnet_run::Size;
use lrnnet_run::stream::{FrameProblem, Painter, Ratio, Segmented, Sink, Stop, StreamInfo};
use tempfile::TempPath;

use super::feed::Place;
use super::ffmpeg::{self, FfmpegError, Running, words};

/// Audio codecs that every container that we write can hold.
const COPIED: [&str; 4] = ["aac", "mp3", "ac3", "eac3"];

/// How a video is made.
#[derive(Clone)]
pub struct Recipe {
    /// Rate and aspect, the rate at least.
    pub info: StreamInfo,
    /// Whether frames keep the time at which they come, since some are left out.
    pub live: bool,
    /// Where audio tracks come from.
    pub audio: Option<Audio>,
    /// Says whether the stream was ended early.
    pub stop: Stop,
    /// H.264, which not every ffmpeg can write.
    pub h264: bool,
}

/// Audio tracks to be kept.
#[derive(Clone)]
pub struct Audio {
    pub place: Place,
    pub codecs: Vec<String>,
    /// Seconds by which the video begins later than the source.
    pub delay: f64,
}

/// A video file that appears at its path once it is complete.
pub struct Encoder {
    path: PathBuf,
    painter: Painter,
    recipe: Recipe,
    begun: Option<Begun>,
    frames: u64,
}

struct Begun {
    running: Running,
    temporary: TempPath,
}

fn other(error: FfmpegError) -> FrameProblem {
    FrameProblem::Other(error.into())
}

impl Encoder {
    /// A video at `path` of what `painter` draws.
    pub fn new(path: PathBuf, painter: Painter, recipe: Recipe) -> Self {
        Self { path, painter, recipe, begun: None, frames: 0 }
    }
}

/// A file beside `path`, whose name ends as that does, so that ffmpeg takes the same container.
fn beside(path: &Path) -> io::Result<TempPath> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut suffix = OsString::from(".");
    suffix.push(path.extension().unwrap_or_default());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".lrnnet-").suffix(&suffix);
    #[cfg(unix)]
    // The mode of any new file; tempfile's own default would hide the video from everybody else.
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    Ok(builder.tempfile_in(folder)?.into_temp_path())
}

impl Recipe {
    fn rate(&self) -> Ratio {
        self.info.rate.expect("the plan gives every video a rate")
    }

    /// Arguments for frames of `size` through a pipe.
    fn arguments(&self, size: Size, output: &Path) -> Vec<OsString> {
        let rate = self.rate().to_string();
        let (wide, high) = self.info.aspect.unwrap_or(Ratio::ONE).parts();
        let pixels = format!("{}x{}", size.width, size.height);
        // Half-size chroma needs even sides. High definition's matrix is named, since players guess by size.
        let filter = format!(
            "pad=ceil(iw/2)*2:ceil(ih/2)*2,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p,setsar={wide}/{high}"
        );
        let mut args = words(&["-nostdin", "-y"]);
        if self.live {
            args.extend(words(&["-use_wallclock_as_timestamps", "1"]));
        }
        // For the input -framerate and not -r, which would count frames in place of the clock.
        args.extend(words(&["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", &pixels]));
        args.extend(words(&["-framerate", &rate, "-i", "pipe:0"]));
        args.extend(words(&["-vf", &filter, "-fps_mode", "cfr", "-r", &rate]));
        args.extend(words(&["-color_primaries", "bt709", "-color_trc", "bt709", "-colorspace", "bt709"]));
        args.extend(if self.h264 {
            words(&["-c:v", "libx264", "-preset", "veryfast", "-crf", "20"])
        } else {
            words(&["-c:v", "mpeg4", "-q:v", "3"])
        });
        args.push(ffmpeg::file(output));
        args
    }

    /// Puts the source's audio beside the `video` of so many frames.
    fn with_audio(&self, audio: &Audio, frames: u64, video: &Path, output: &Path) -> Result<(), FfmpegError> {
        let mut args = words(&["-nostdin", "-y", "-itsoffset", &audio.delay.to_string(), "-i"]);
        args.push(ffmpeg::file(video));
        args.extend(audio.place.input());
        let any = output.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("mkv"));
        let copied = any || audio.codecs.iter().all(|codec| COPIED.contains(&codec.as_str()));
        let codec = if copied { "copy" } else { "aac" };
        args.extend(words(&["-map", "0:v", "-map", "1:a", "-c:v", "copy", "-c:a", codec]));
        // Of a stream that was ended early, sound without pictures is of no use.
        if self.stop.is_set() {
            let (over, under) = self.rate().parts();
            let seconds = audio.delay + frames as f64 * f64::from(under) / f64::from(over);
            args.extend(words(&["-t", &seconds.to_string()]));
        }
        args.push(ffmpeg::file(output));
        ffmpeg::run(&args).map(|_| ())
    }
}

impl Begun {
    fn new(recipe: &Recipe, size: Size, path: &Path) -> Result<Self, FrameProblem> {
        let temporary = beside(path).map_err(FrameProblem::Write)?;
        let arguments = recipe.arguments(size, &temporary);
        let running = ffmpeg::start("ffmpeg", &arguments, Stdio::piped(), Stdio::null()).map_err(other)?;
        Ok(Self { running, temporary })
    }

    /// Writes a frame's bytes. Where ffmpeg is gone, what it said is the error.
    fn write(&mut self, bytes: &[u8]) -> Result<(), FrameProblem> {
        let pipe = self.running.child().stdin.as_mut().expect("the input is a pipe");
        pipe.write_all(bytes).map_err(|error| match self.running.wait() {
            Err(failed) => other(failed),
            Ok(_) => FrameProblem::Write(error),
        })
    }
}

impl Sink for Encoder {
    fn write(&mut self, result: &Segmented<'_>) -> Result<ControlFlow<()>, FrameProblem> {
        let painted = self.painter.paint(result);
        if self.begun.is_none() {
            self.begun = Some(Begun::new(&self.recipe, painted.size, &self.path)?);
        }
        let begun = self.begun.as_mut().expect("it has begun");
        begun.write(painted.bytes)?;
        self.frames += 1;
        Ok(ControlFlow::Continue(()))
    }

    fn finish(&mut self) -> Result<(), FrameProblem> {
        let Some(Begun { mut running, mut temporary }) = self.begun.take() else { return Ok(()) };
        running.wait().map_err(other)?;
        if let Some(audio) = &self.recipe.audio {
            let whole = beside(&self.path).map_err(FrameProblem::Write)?;
            self.recipe.with_audio(audio, self.frames, &temporary, &whole).map_err(other)?;
            temporary = whole;
        }
        temporary.persist(&self.path).map_err(|failed| FrameProblem::Write(failed.error))
    }
}
