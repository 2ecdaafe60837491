//! Frames of whatever ffmpeg can read.
//!
//! They come as a row of PPM pictures (netpbm's P6), each of which names its own size. ffmpeg turns them upright as the
//! file's display matrix says, and brings them from the file's own matrix and range to RGB.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::time::Duration;

use lrnnet_run::Size;
use lrnnet_run::picture::{MAX_PIXELS, MAX_SIDE};
use lrnnet_run::stream::{FrameBuffer, FrameProblem, Patient, Ratio, Source, Stop, StreamInfo};
use serde::Deserialize;

use super::feed::Place;
use super::ffmpeg::{self, FfmpegError, Running, words};

/// Bytes of a PPM header as ffmpeg writes it, at most.
const MAX_HEADER: u64 = 64;

/// What ffprobe knows of a stream.
#[derive(Debug)]
pub struct Probe {
    pub info: StreamInfo,
    /// Height and width, upright.
    pub size: Option<Size>,
    /// Codecs of its audio tracks.
    pub audio: Vec<String>,
    /// Seconds by which its video begins after the earliest track.
    pub delay: f64,
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    streams: Vec<Track>,
    #[serde(default)]
    format: Format,
}

#[derive(Default, Deserialize)]
struct Format {
    start_time: Option<String>,
}

#[derive(Deserialize)]
struct Track {
    codec_type: Option<String>,
    codec_name: Option<String>,
    width: Option<usize>,
    height: Option<usize>,
    avg_frame_rate: Option<String>,
    r_frame_rate: Option<String>,
    sample_aspect_ratio: Option<String>,
    start_time: Option<String>,
    #[serde(default)]
    side_data_list: Vec<SideData>,
}

#[derive(Deserialize)]
struct SideData {
    rotation: Option<f64>,
}

const ENTRIES: &str = "stream=codec_type,codec_name,width,height,avg_frame_rate,r_frame_rate,sample_aspect_ratio,start_time\
                       :stream_side_data=rotation:format=start_time";

/// Asks ffprobe about `place`.
pub fn probe(place: &Place, timeout: Duration, stop: &Stop) -> Result<Probe, anyhow::Error> {
    let mut args = words(&["-of", "json", "-show_entries", ENTRIES]);
    args.extend(place.input());
    let mut running = ffmpeg::start("ffprobe", &args, Stdio::null(), Stdio::piped())?;
    let mut text = String::new();
    if let Some(stdout) = running.child().stdout.take() {
        let mut patient = Patient::new(stdout, timeout, stop.clone());
        patient.read_to_string(&mut text).map_err(FrameProblem::reading)?;
    }
    running.wait()?;
    let place = place.to_string();
    let answer: Answer =
        serde_json::from_str(&text).map_err(|source| FfmpegError::Answer { place: place.clone(), source })?;
    Ok(answer.probe().ok_or(FfmpegError::NoVideo { place })?)
}

impl Answer {
    fn probe(&self) -> Option<Probe> {
        let of_kind = |kind: &'static str| self.streams.iter().filter(move |t| t.codec_type.as_deref() == Some(kind));
        let video = of_kind("video").next()?;
        let parse = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<Ratio>().ok());
        let seconds = |text: &Option<String>| text.as_ref().and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
        // A quarter turn turns the pixels too.
        let turned = video.side_data_list.iter().filter_map(|data| data.rotation).any(|r| r.rem_euclid(180.0) == 90.0);
        let aspect = parse(&video.sample_aspect_ratio);
        let info = StreamInfo {
            rate: parse(&video.avg_frame_rate).or_else(|| parse(&video.r_frame_rate)),
            aspect: if turned { aspect.map(Ratio::inverse) } else { aspect },
        };
        let audio = of_kind("audio").map(|track| track.codec_name.clone().unwrap_or_default()).collect();
        let delay = (seconds(&video.start_time) - seconds(&self.format.start_time)).max(0.0);
        let size = video.height.zip(video.width).map(|(h, w)| if turned { Size::new(w, h) } else { Size::new(h, w) });
        Some(Probe { info, size, audio, delay })
    }
}

/// Frames that ffmpeg decodes.
pub struct Decoder {
    info: StreamInfo,
    size: Option<Size>,
    running: Running,
    frames: BufReader<Patient>,
    header: Vec<u8>,
}

impl Decoder {
    /// Starts to decode `place`; a `live` file is read at its own speed.
    pub fn start(place: &Place, probe: &Probe, live: bool, timeout: Duration, stop: Stop) -> Result<Self, FfmpegError> {
        let mut args: Vec<OsString> = words(&["-nostdin"]);
        if live && place.is_recorded() {
            args.push("-re".into());
        }
        args.extend(place.input());
        if let Some(Size { height, width }) = probe.size {
            // Left to itself, ffmpeg brings frames of another size to that of the first and says nothing.
            let same = format!("crop=w=if(eq(iw\\,{width})*eq(ih\\,{height})\\,iw\\,-1):h=ih:x=0:y=0");
            args.extend(words(&["-vf", &same]));
        }
        args.extend(words(&["-map", "0:v:0", "-fps_mode", "passthrough"]));
        args.extend(words(&["-f", "image2pipe", "-c:v", "ppm", "-"]));
        let mut running = ffmpeg::start("ffmpeg", &args, Stdio::null(), Stdio::piped())?;
        let stdout = running.child().stdout.take().expect("the output is a pipe");
        let frames = BufReader::with_capacity(1 << 16, Patient::new(stdout, timeout, stop));
        Ok(Self {
            info: probe.info,
            size: probe.size,
            running,
            frames,
            header: Vec::with_capacity(MAX_HEADER as usize),
        })
    }

    /// The next picture's size; none at the end.
    fn size(&mut self) -> Result<Option<Size>, FrameProblem> {
        if self.frames.fill_buf().map_err(FrameProblem::reading)?.is_empty() {
            let complaints = self.running.wait().map_err(|error| self.explain(error))?;
            if !complaints.is_empty() {
                eprintln!("note: ffmpeg says: {complaints}");
            }
            return Ok(None);
        }
        self.header.clear();
        for _line in 0..3 {
            let room = MAX_HEADER - self.header.len() as u64;
            let mut limited = (&mut self.frames).take(room);
            limited.read_until(b'\n', &mut self.header).map_err(FrameProblem::reading)?;
        }
        parse(&self.header).map(Some).ok_or_else(|| {
            let said = String::from_utf8_lossy(&self.header).into_owned();
            FrameProblem::Other(
                format!("ffmpeg put out {said:?} where a PPM header of at most {MAX_PIXELS} pixels should be").into(),
            )
        })
    }
}

/// What ffmpeg's filter says of a frame of another size.
const OTHER_SIZE: &str = "too big or non positive size";

/// The size in `P6\n640 480\n255\n`.
fn parse(header: &[u8]) -> Option<Size> {
    let text = std::str::from_utf8(header).ok()?;
    let (width, height) = text.strip_prefix("P6\n")?.strip_suffix("\n255\n")?.split_once(' ')?;
    let extent = |text: &str| text.parse().ok().filter(|extent| (1..=MAX_SIDE as usize).contains(extent));
    let size = Size::new(extent(height)?, extent(width)?);
    (size.area() as u64 <= MAX_PIXELS).then_some(size)
}

impl Decoder {
    fn explain(&self, error: FfmpegError) -> FrameProblem {
        let error = match (error, self.size) {
            (FfmpegError::Failed { said, .. }, Some(from)) if said.contains(OTHER_SIZE) => {
                FfmpegError::SizeChanged { from }
            }
            (error, _) => error,
        };
        FrameProblem::Other(error.into())
    }
}

impl Source for Decoder {
    fn info(&self) -> StreamInfo {
        self.info
    }

    fn read(&mut self, frame: &mut FrameBuffer) -> Result<bool, FrameProblem> {
        let Some(size) = self.size()? else { return Ok(false) };
        frame.read(size, &mut self.frames).map(|()| true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_gives_a_size_within_limits() {
        assert_eq!(parse(b"P6\n640 480\n255\n"), Some(Size::new(480, 640)));
        for bad in [
            "",
            "P6\n",
            "P5\n640 480\n255\n",
            "P6\n640 480\n65535\n",
            "P6\n0 4\n255\n",
            "P6\n-1 4\n255\n",
            "P6\n16384 16384\n255\n",
            "P6\n99999 1\n255\n",
        ] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad:?}");
        }
    }

    #[test]
    fn what_ffprobe_says_is_understood() {
        let text = r#"{"streams": [
            {"codec_type": "audio", "codec_name": "aac", "avg_frame_rate": "0/0", "start_time": "0.000000"},
            {"codec_type": "video", "codec_name": "h264", "width": 640, "height": 480, "sample_aspect_ratio": "4:3", "r_frame_rate": "30/1",
             "avg_frame_rate": "30000/1001", "start_time": "0.500000", "side_data_list": [{"rotation": -90}]}],
            "format": {"start_time": "0.100000"}}"#;
        let probe = serde_json::from_str::<Answer>(text).unwrap().probe().unwrap();
        assert_eq!(probe.info, StreamInfo { rate: Ratio::new(30_000, 1001), aspect: Ratio::new(3, 4) });
        assert_eq!((probe.audio, probe.size), (vec!["aac".to_owned()], Some(Size::new(640, 480))));
        assert!((probe.delay - 0.4).abs() < 1e-9);
        let bare = r#"{"streams": [{"codec_type": "video", "avg_frame_rate": "0/0", "r_frame_rate": "25/1"}]}"#;
        let probe = serde_json::from_str::<Answer>(bare).unwrap().probe().unwrap();
        assert_eq!(probe.info, StreamInfo { rate: Ratio::new(25, 1), aspect: None });
        assert!(serde_json::from_str::<Answer>("{}").unwrap().probe().is_none());
    }
}
