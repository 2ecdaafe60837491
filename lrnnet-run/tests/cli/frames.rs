//! Streams that need nothing installed: y4m and raw frames, from files and pipes to files and pipes.

use std::fs;

use serde_json::Value as Json;

use super::*;

const SIZE: (usize, usize) = (128, 64);

/// Raw frames that differ.
fn raw(frames: usize) -> Vec<u8> {
    let (width, height) = SIZE;
    let first = synthetic::picture(height, width);
    (0..frames).flat_map(|frame| first.iter().map(move |byte| byte.wrapping_add(40 * frame as u8))).collect()
}

fn y4m(frames: usize) -> Vec<u8> {
    let (width, height) = SIZE;
    let mut bytes = format!("YUV4MPEG2 W{width} H{height} F25:1 A1:1 C444\n").into_bytes();
    for frame in raw(frames).chunks_exact(3 * width * height) {
        bytes.extend(b"FRAME\n");
        bytes.extend(frame);
    }
    bytes
}

fn arguments(line: &str) -> Command {
    let mut command = tiny();
    command.args(line.split_whitespace());
    command
}

#[test]
fn raw_frames_on_standard_input_become_ids_on_standard_output() {
    let folder = tempfile::tempdir().unwrap();
    let ran = run_with_stdin(&mut arguments("- --raw 64x128 -o -"), &raw(3));
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ran.stdout.len(), 3 * 128 * 64);
    assert!(ran.stderr.contains("3 frames in") && ran.stderr.contains("0 dropped"), "{}", ran.stderr);
    // Each is the mask of the picture alone.
    for (number, bytes) in raw(3).chunks_exact(3 * 128 * 64).enumerate() {
        let (source, mask) = (folder.path().join("frame.png"), folder.path().join("mask.png"));
        RgbImage::from_raw(128, 64, bytes.to_vec()).unwrap().save(&source).unwrap();
        let ran_alone = run_tiny([&source, Path::new("-o"), &mask, Path::new("--mask"), Path::new("gray")]);
        assert_eq!(ran_alone.code, Some(0), "{}", ran_alone.stderr);
        let alone = image::open(&mask).unwrap().into_luma8().into_raw();
        assert!(ran.stdout[number * 128 * 64..][..128 * 64] == alone, "frame {number}");
    }
}

#[test]
fn every_form_of_output_holds_the_same_ids() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("in.y4m"), y4m(3)).unwrap();
    let piped = run_with_stdin(&mut arguments("- -o - --format raw"), &y4m(3));
    assert_eq!(piped.code, Some(0), "{}", piped.stderr);
    assert_eq!(piped.stdout.len(), 3 * 128 * 64);
    let as_y4m = run_with_stdin(&mut arguments("- -o -"), &y4m(3)).stdout;
    assert!(as_y4m.starts_with(b"YUV4MPEG2 W128 H64 F25:1 Ip A1:1 Cmono\n"));
    let ids: Vec<u8> = {
        let start = as_y4m.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        as_y4m[start..].chunks_exact(6 + 128 * 64).flat_map(|frame| frame[6..].to_vec()).collect()
    };
    assert!(ids == piped.stdout);

    for output in ["out.raw", "out.y4m", "masks/"] {
        let ran = finish(&mut arguments(&format!("{} -o {}", path("in.y4m"), path(output))));
        assert_eq!(ran.code, Some(0), "{output}: {}", ran.stderr);
    }
    assert!(fs::read(path("out.raw")).unwrap() == ids);
    assert!(fs::read(path("out.y4m")).unwrap() == as_y4m);
    assert_eq!(files_below(&folder.path().join("masks")), ["000000.png", "000001.png", "000002.png"]);
    for (number, expected) in ids.chunks_exact(128 * 64).enumerate() {
        let label = lrnnet_run::label::open(&folder.path().join(format!("masks/{number:06}.png"))).unwrap();
        assert!(label.into_raw() == expected);
    }
    assert_eq!(files_below(folder.path()).len(), 6, "no file is left over");
    let pngs = run_with_stdin(&mut arguments("- -o - --format png"), &y4m(3)).stdout;
    assert_eq!(pngs.windows(8).filter(|word| word == b"\x89PNG\r\n\x1a\n").count(), 3);
}

#[test]
fn the_json_report_of_a_stream_counts_frames_and_pixels() {
    let folder = tempfile::tempdir().unwrap();
    let (json, overlay) = (folder.path().join("report.json"), folder.path().join("overlay.y4m"));
    let mut command = arguments("- --raw 64x128 --fps 30000/1001 -o /dev/null --live -q --json");
    let ran = run_with_stdin(command.arg(&json).arg("--overlay").arg(&overlay), &raw(4));
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    let json: Json = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    let number = |name: &str| json[name].as_u64().unwrap();
    assert_eq!(number("frames") + number("dropped"), 4);
    let pixels: u64 = json["class_pixels"].as_object().unwrap().values().filter_map(Json::as_u64).sum();
    assert_eq!(pixels, number("frames") * 128 * 64);
    assert!(json["p50_ms"].as_f64().unwrap() > 0.0 && json["live"] == true && json["error"].is_null());
    let overlay = fs::read(overlay).unwrap();
    assert!(overlay.starts_with(b"YUV4MPEG2 W128 H64 F30000:1001 Ip A0:0 C444\n"));
}

#[test]
fn a_stream_that_breaks_is_an_error_and_what_was_done_stays() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.raw");
    let bytes = y4m(3);
    let mut resized = y4m(1);
    resized.extend(b"YUV4MPEG2 W16 H16 Cmono\nFRAME\n");
    resized.extend([7; 256]);
    let cases: [(&str, &[u8], usize, &[&str]); 4] = [
        ("cut", &bytes[..bytes.len() - 9], 2, &["cannot decode frame 2", "in the middle of a frame"]),
        ("resized", &resized, 1, &["cannot decode frame 1", "change from 64x128 to 16x16"]),
        ("no frame", b"YUV4MPEG2 W4 H4 Cmono\nFRAMX\n0123", 0, &["cannot decode frame 0", "expected a line FRAME"]),
        ("header", b"YUV4MPEG2 W4 C411\n", 0, &["standard input", "`411` cannot be read"]),
    ];
    let mut report = Report::default();
    for (case, bytes, frames, words) in cases {
        let _ = fs::remove_file(&out);
        let ran = run_with_stdin(arguments("- -o").arg(&out), bytes);
        report.expect(case, &ran, 1, words);
        let length = fs::metadata(&out).map(|found| found.len()).unwrap_or(0);
        report.check(format!("{case}: {length} bytes"), length as usize == frames * 128 * 64, &ran);
    }
    report.finish();
}

#[test]
fn a_silent_source_is_an_error() {
    let mut child = arguments("- --raw 64x128 -o /dev/null --timeout 1");
    let mut child = child.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pipe = child.stdin.take();
    let output = child.wait_with_output().unwrap();
    drop(pipe);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("cannot decode frame 0") && said.contains("no data for 1 seconds"), "{said}");
}

#[cfg(unix)]
#[test]
fn an_interrupt_completes_what_was_done() {
    let folder = tempfile::tempdir().unwrap();
    let (out, json) = (folder.path().join("out.y4m"), folder.path().join("report.json"));
    let mut command = arguments("- --raw 64x128 --fps 25 -o");
    command.arg(&out).arg("--json").arg(&json);
    let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&raw(3)).unwrap();
    // The program waits for a fourth frame. That it has the three cannot be seen from here but by time.
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    drop(pipe);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    let json: Json = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!((json["interrupted"].as_bool(), json["frames"].as_u64()), (Some(true), Some(3)), "{said}");
    let frames = fs::read(&out).unwrap().windows(6).filter(|word| word == b"FRAME\n").count();
    assert_eq!(frames, 3);
    assert_eq!(files_below(folder.path()), ["out.y4m", "report.json"]);
}

#[test]
fn what_cannot_work_with_a_stream_is_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("in.y4m"), y4m(1)).unwrap();
    let source = path("in.y4m");
    let picture = save_picture(folder.path(), "a.png", 20, 10);
    let picture = picture.to_str().unwrap();
    let before = files_below(folder.path());
    let cases: [(String, &[&str]); 10] = [
        (format!("{source} -o {}", path("mask.png")), &["many", "folder"]),
        (format!("{source} -o {}", path("mask.webm")), &["expected .mp4"]),
        (format!("{source} -o {source}"), &["would overwrite the source"]),
        (format!("{source} -o {0} --overlay {0}", path("o.y4m")), &["two results would go to"]),
        (format!("{source} {picture} -o {}", path("out")), &["2 sources"]),
        (format!("{source} -o {} --mask gray", path("o.mp4")), &["do not survive a video codec"]),
        (format!("{picture} -o {} --overlay", path("o.png")), &["--overlay PATH"]),
        (format!("{picture} -o {} --live", path("o.png")), &["--live is for streams"]),
        (format!("{source} -o {} --fps 0", path("o.y4m")), &["is no rate"]),
        (format!("{source} -o {} --raw 0x4", path("o.y4m")), &["is no size"]),
    ];
    let mut report = Report::default();
    for (line, words) in cases {
        let ran = finish(&mut arguments(&line));
        report.expect(&line, &ran, 2, words);
        report.check(format!("{line}: wrote something"), files_below(folder.path()) == before, &ran);
    }
    // A place that takes nothing, and ffmpeg that is not there.
    let ran = finish(&mut arguments(&format!("{source} -o /dev/full")));
    #[cfg(target_os = "linux")]
    report.expect("full", &ran, 1, &["cannot write", "No space left"]);
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    for line in [format!("{source} -o {}", path("o.mp4")), "rtsp://nowhere.invalid/ -o o.y4m".to_owned()] {
        let ran = finish(arguments(&line).env("PATH", &empty));
        report.expect(&line, &ran, 3, &["was not found", "hint: install ffmpeg: `apt-get install ffmpeg`"]);
    }
    report.finish();
}
