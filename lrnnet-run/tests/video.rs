//! Videos through the system's ffmpeg, which these tests need: `apt-get install ffmpeg`. They run with
//! `cargo test --test video`, not with the others.
#![allow(missing_docs)]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use lrnnet_graph::{Config, InputKind, InputSize, Settings, synthetic};
use serde_json::Value as Json;
use tempfile::TempDir;

struct Bench {
    folder: TempDir,
}

impl Bench {
    /// A folder with a tiny model and the video `in.mkv` (or another `name`) that ffmpeg makes of `arguments`.
    fn new(name: &str, arguments: &str) -> Self {
        let bench = Self { folder: tempfile::tempdir().unwrap() };
        let size = InputSize::Static { batch: 1, height: 64, width: 128 };
        let settings = Settings { size, trained_size: [64, 128], input: InputKind::U8Nhwc, ..Settings::camvid() };
        std::fs::write(bench.path("tiny.onnx"), synthetic::onnx(Config::new(settings).unwrap())).unwrap();
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-y"]).args(arguments.split_whitespace()).arg(bench.path(name));
        let made = command.status().unwrap_or_else(|error| {
            panic!("ffmpeg cannot be started ({error}), which these tests are about: apt-get install ffmpeg")
        });
        assert!(made.success());
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lrnnet-run"));
        command.current_dir(self.folder.path()).env_remove("ORT_DYLIB_PATH").stdin(Stdio::null());
        command.args(["-m", "tiny.onnx", "--device", "tract", "--threads", "1"]).args(line.split_whitespace());
        command
    }

    /// Exit code and standard error.
    fn run(&self, line: &str) -> (Option<i32>, String) {
        let output = self.program(line).output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    }

    /// What ffprobe counts and measures in a video.
    fn probe(&self, name: &str) -> Json {
        let entries = "stream=codec_type,codec_name,width,height,avg_frame_rate,sample_aspect_ratio,nb_read_frames,\
                       duration,start_time:stream_side_data=rotation:format=duration";
        let mut command = Command::new("ffprobe");
        command.args(["-v", "error", "-count_frames", "-of", "json", "-show_entries", entries]).arg(self.path(name));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{name} is no video: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn report(&self) -> Json {
        serde_json::from_str(&std::fs::read_to_string(self.path("report.json")).unwrap()).unwrap()
    }
}

fn track<'j>(probe: &'j Json, kind: &str) -> &'j Json {
    let streams = probe["streams"].as_array().unwrap();
    streams.iter().find(|stream| stream["codec_type"] == kind).unwrap_or_else(|| panic!("no {kind} in {probe}"))
}

fn no_leftovers(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with('.'), "{name} is left over");
    }
}

const SOUND: &str = "-f lavfi -i sine=d=2 -c:a aac";

#[test]
fn a_video_keeps_rate_aspect_frames_and_sound() {
    let bench = Bench::new(
        "in.mp4",
        &format!("-f lavfi -i testsrc=s=128x64:r=30000/1001:d=2 {SOUND} -vf setsar=4/3 -c:v mpeg4"),
    );
    let frames = track(&bench.probe("in.mp4"), "video")["nb_read_frames"].clone();
    for (line, output) in [
        ("in.mp4 -o out.mp4 --overlay --json report.json", "out.mp4"),
        ("in.mp4 -o mask.mkv --overlay over.mov --json report.json", "mask.mkv"),
    ] {
        let (code, said) = bench.run(line);
        assert_eq!(code, Some(0), "{line}: {said}");
        let probe = bench.probe(output);
        let video = track(&probe, "video");
        assert_eq!((&video["width"], &video["height"]), (&128.into(), &64.into()));
        assert_eq!((&video["avg_frame_rate"], &video["sample_aspect_ratio"]), (&"30000/1001".into(), &"4:3".into()));
        assert_eq!(video["nb_read_frames"], frames, "{line}");
        assert_eq!(track(&probe, "audio")["codec_name"], "aac");
        let report = bench.report();
        assert_eq!(report["frames"].to_string(), frames.as_str().unwrap());
        assert_eq!(report["dropped"], 0);
    }
    assert!(track(&bench.probe("over.mov"), "audio")["codec_name"] == "aac");
    no_leftovers(bench.folder.path());
}

#[test]
fn a_turned_video_comes_out_upright() {
    let bench = Bench::new("flat.mp4", "-f lavfi -i testsrc=s=128x64:r=10:d=1 -c:v mpeg4");
    let mut turn = Command::new("ffmpeg");
    turn.args(["-v", "error", "-i"]).arg(bench.path("flat.mp4")).args(["-c", "copy", "-metadata:s:v:0", "rotate=90"]);
    assert!(turn.arg(bench.path("in.mp4")).status().unwrap().success());
    let turned = bench.probe("in.mp4")["streams"][0]["side_data_list"][0]["rotation"].as_f64();
    assert!(turned.is_some_and(|turned| turned.abs() == 90.0), "{turned:?}");
    let (code, said) = bench.run("in.mp4 -o masks/");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(image::image_dimensions(bench.path("masks/000009.png")).unwrap(), (64, 128));
    let (code, said) = bench.run("in.mp4 -o out.mp4");
    assert_eq!(code, Some(0), "{said}");
    let probe = bench.probe("out.mp4");
    let video = track(&probe, "video");
    assert_eq!((&video["width"], &video["height"]), (&64.into(), &128.into()));
    assert!(video["side_data_list"].is_null());
}

#[test]
fn odd_sizes_and_colours_survive() {
    let bench =
        Bench::new("in.mkv", "-f lavfi -i color=c=red:s=200x100:r=5:d=1 -vf scale=101:51,format=bgr0 -c:v ffv1");
    let (code, said) = bench.run("in.mkv -o out.mp4 --overlay --opacity 0");
    assert_eq!(code, Some(0), "{said}");
    let mut back = Command::new("ffmpeg");
    back.args(["-v", "error", "-i"]).arg(bench.path("out.mp4")).args(["-frames:v", "1"]).arg(bench.path("back.png"));
    assert!(back.status().unwrap().success());
    let picture = image::open(bench.path("back.png")).unwrap().into_rgb8();
    assert_eq!(picture.dimensions(), (102, 52), "half-size chroma needs even sides");
    let [r, g, b] = picture.get_pixel(40, 20).0;
    assert!(r > 245 && g < 10 && b < 10, "red became {r} {g} {b}");
}

#[test]
fn a_change_of_size_in_the_middle_is_an_error_and_what_was_done_stays() {
    let bench = Bench::new("a.ts", "-f lavfi -i testsrc=s=128x64:r=10:d=1 -c:v mpeg2video");
    let mut second = Command::new("ffmpeg");
    second.args("-v error -f lavfi -i testsrc=s=192x96:r=10:d=1 -c:v mpeg2video".split_whitespace());
    assert!(second.arg(bench.path("b.ts")).status().unwrap().success());
    let both = ["a.ts", "b.ts"].map(|name| std::fs::read(bench.path(name)).unwrap()).concat();
    std::fs::write(bench.path("in.ts"), both).unwrap();
    let (code, said) = bench.run("in.ts -o out.mp4");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("do not stay at 64x128"), "{said}");
    let frames = track(&bench.probe("out.mp4"), "video")["nb_read_frames"].as_str().unwrap().parse::<u32>().unwrap();
    assert!((8..=11).contains(&frames), "{frames}");
}

#[test]
fn what_is_no_video_says_so() {
    let bench = Bench::new("sound.mp4", SOUND);
    std::fs::write(bench.path("text.mp4"), "no video").unwrap();
    for (line, word) in [
        ("sound.mp4 -o out.mp4", "has no video"),
        ("text.mp4 -o out.mp4", "Invalid data"),
        ("missing.mp4 -o out.mp4", "No such file"),
    ] {
        let (code, said) = bench.run(line);
        assert!(code == Some(1) && said.contains(word), "{line}: {code:?} {said}");
        assert!(!bench.path("out.mp4").exists());
    }
}

/// The file plays at its own speed, 20 s at more frames a second than the network makes; the interrupt comes long before its end.
#[cfg(unix)]
#[test]
fn an_interrupt_leaves_a_video_that_plays() {
    let bench = Bench::new("in.mp4", "-f lavfi -i testsrc=s=128x64:r=1000:d=20 -c:v mpeg4");
    let mut command = bench.program("in.mp4 -o out.mp4 --live --json report.json");
    let child = command.stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(6));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    let report = bench.report();
    let count = |key: &str| report[key].as_u64().unwrap();
    assert!(report["interrupted"] == true && count("frames") > 1 && count("dropped") > count("frames"), "{report}");
    assert_ne!(report["limited_by"], "decode", "{report}");
    // The video keeps the time at which frames came, although most of them are not in it: at the source's rate it would last
    // less than half as long. The first may wait until ffmpeg has started, which takes a part of a second or more.
    let counted = count("frames") as f64 / report["frames_per_second"].as_f64().unwrap();
    let probe = bench.probe("out.mp4");
    let seconds: f64 = probe["format"]["duration"].as_str().unwrap().parse().unwrap();
    assert!((0.5..1.5).contains(&(seconds / counted)), "{seconds} s; expected {counted} s");
    no_leftovers(bench.folder.path());
}
