//! Where results go, and what keeps them from going there.

use std::fs;
use std::process::Command;

use super::*;

#[test]
fn folders_are_mirrored_and_globs_keep_what_varies() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = folder.path().join("pictures");
    for name in ["a.png", "one/b.jpg", "one/two/c.webp"] {
        save_picture(&pictures, name, 20, 10);
    }
    fs::write(pictures.join("notes.txt"), "no picture").unwrap();
    let glob = format!("{}/**/*.*p*g", pictures.display());
    let overlay = folder.path().join("overlays");
    let mut report = Report::default();
    for (case, source, expected) in [
        ("folder", pictures.to_str().unwrap(), &["a.png", "one/b.png", "one/two/c.png"][..]),
        ("glob", &glob, &["a.png", "one/b.png"]),
    ] {
        let out = folder.path().join(case);
        let ran =
            run_tiny([source.as_ref(), "-o".as_ref(), out.as_os_str(), "--overlay".as_ref(), overlay.as_os_str()]);
        report.expect(case, &ran, 0, &[]);
        report.check(format!("{case}: {:?}", files_below(&out)), files_below(&out) == expected, &ran);
    }
    assert_eq!(files_below(&overlay), ["a.png", "one/b.png", "one/two/c.png"]);
    report.finish();
}

#[test]
fn masks_of_an_earlier_run_are_no_pictures() {
    let folder = tempfile::tempdir().unwrap();
    save_picture(folder.path(), "a.png", 20, 10);
    let out = folder.path().join("masks");
    for _ in 0..2 {
        let ran = run_tiny([folder.path(), Path::new("-o"), &out]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        assert_eq!(files_below(&out), ["a.png"]);
    }
}

#[test]
fn what_cannot_work_is_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for name in ["a.png", "a.jpg", "x/a.png", "in/p.png"] {
        save_picture(folder.path(), name, 20, 10);
    }
    fs::create_dir(path("empty")).unwrap();
    fs::write(path("file"), "").unwrap();
    let before = files_below(folder.path());
    let (a, jpg, xa, inside, empty, file) =
        (path("a.png"), path("a.jpg"), path("x/a.png"), path("in"), path("empty"), path("file"));
    let (out, mask) = (path("out"), path("mask.png"));
    let pattern = path("*.tif");
    let cases: [(&[&str], &[&str]); 17] = [
        (&[&a, &jpg, "-o", &out], &["both go to", "a.png", "a.jpg"]),
        (&[&a, &xa, "-o", &out], &["both go to"]),
        (&[&a, &a, "-o", &out], &["both go to"]),
        (&[&a, "-o", &a], &["would overwrite the picture"]),
        (&[&inside, "-o", &inside], &["would overwrite the picture"]),
        (&[&a, "-o", &mask, "--overlay", &mask], &["both go to"]),
        (&[&a, "-o", &mask, "--json", &mask], &["both go to"]),
        (&[&a, "-o", "-", "--json", "-"], &["both go to standard output"]),
        (&[&a, &xa, "-o", "-"], &["standard output takes one picture"]),
        (&[&a, &xa, "-o", &file], &["is a file; expected a folder"]),
        (&[&a, "-o", &path("mask.jpg")], &["is not named .png"]),
        (&[&empty, "-o", &out], &["no picture in the folder"]),
        (&[&pattern, "-o", &out], &["no file matches"]),
        (&[&a, "-o", &mask, "--mask", "pink"], &["no mask style", "indexed, gray or color"]),
        (&[&a, "-o", &mask, "--imgsz", "32x32"], &["input size 32x32", "64x128 is fixed"]),
        (&[&a, "-o", &mask, "--device", "gpu"], &["is no device", "cuda[:N]"]),
        (&[&a], &["--output"]),
    ];
    let mut report = Report::default();
    for (args, words) in cases {
        // Only the first of several --device counts for clap as an error, so the program is bare for that case.
        let ran = if args.contains(&"--device") { run(args) } else { run_tiny(args) };
        report.expect(format!("{args:?}"), &ran, 2, words);
        report.check(format!("{args:?}: wrote something"), files_below(folder.path()) == before, &ran);
        report.check(format!("{args:?}: standard output"), ran.stdout.is_empty(), &ran);
    }
    report.finish();
}

#[cfg(target_os = "linux")]
#[test]
fn places_that_cannot_be_written_fail_the_input_and_hold_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let a = save_picture(folder.path(), "a.png", 200, 100);
    let a = a.to_str().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let below_file = file.join("mask.png");
    let mut report = Report::default();
    let cases: [(&[&str], &[&str]); 5] = [
        (&[a, "-o", "/dev/full"], &["cannot write /dev/full", "No space left"]),
        (&[a, "-o", "/proc/mask.png"], &["cannot write /proc/mask.png"]),
        (&[a, "-o", below_file.to_str().unwrap()], &["cannot write"]),
        (&[a, "-o", "/dev/null", "--overlay", "/dev/full"], &["cannot write /dev/full", "No space left"]),
        (&[a, "-o", "/dev/null", "--json", "/dev/full"], &["cannot write /dev/full", "No space left"]),
    ];
    for (args, words) in cases {
        let ran = run_tiny(args);
        report.expect(format!("{args:?}"), &ran, 1, words);
    }
    assert_eq!(files_below(folder.path()), ["a.png", "file"]);
    report.finish();
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_leaves_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let noise = save_picture(folder.path(), "a.png", 300, 200);
    let overlay = folder.path().join("overlay.png");
    fs::write(&overlay, "from before").unwrap();
    // A limit on file sizes, in blocks of 512 bytes, fails in the middle of a file as a full disk does.
    let mut command = Command::new("sh");
    clear(&mut command);
    command.args(["-c", "trap '' XFSZ; ulimit -f 40; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_lrnnet-run")]);
    command.args(["--device", "tract", "--threads", "1", "-m"]).arg(tiny_model());
    let ran = finish(command.arg(&noise).args(["-o", "/dev/null", "--overlay"]).arg(&overlay));
    let mut report = Report::default();
    report.expect("file size limit", &ran, 1, &["cannot write", "overlay.png", "File too large"]);
    report.finish();
    assert_eq!(fs::read_to_string(&overlay).unwrap(), "from before");
    assert_eq!(files_below(folder.path()), ["a.png", "overlay.png"]);
}

#[test]
fn masks_are_what_their_style_says() {
    let folder = tempfile::tempdir().unwrap();
    let source = save_picture(folder.path(), "a.png", 100, 50);
    let read = |style: &str| {
        let path = folder.path().join(format!("{style}.png"));
        let ran = run_tiny([source.as_ref(), "-o".as_ref(), path.as_os_str(), "--mask".as_ref(), style.as_ref()]);
        assert_eq!(ran.code, Some(0), "{}", ran.stderr);
        let mut reader = png::Decoder::new(std::io::BufReader::new(fs::File::open(path).unwrap())).read_info().unwrap();
        let mut data = vec![0; reader.output_buffer_size().unwrap()];
        let info = reader.next_frame(&mut data).unwrap();
        data.truncate(info.buffer_size());
        (info.color_type, data, reader.info().palette.as_deref().map(<[u8]>::to_vec))
    };
    let (kind, ids, palette) = read("indexed");
    let palette = palette.unwrap();
    assert_eq!(kind, png::ColorType::Indexed);
    assert_eq!(palette, lrnnet_graph::Classes::camvid().palette.as_flattened());
    assert!(ids.iter().all(|id| *id < 11) && ids.iter().any(|id| *id != ids[0]));
    assert_eq!(read("gray"), (png::ColorType::Grayscale, ids.clone(), None));
    let colors: Vec<u8> = ids.iter().flat_map(|id| palette[usize::from(*id) * 3..][..3].to_vec()).collect();
    assert_eq!(read("color"), (png::ColorType::Rgb, colors, None));
}

/// A program that a signal ends leaves whole masks or none, and no temporary files.
///
/// The signal is SIGTERM: it ends the program the way Ctrl-C does, since both keep their default meaning, but a shell
/// that runs the tests in the background has its children ignore SIGINT.
#[cfg(target_os = "linux")]
#[test]
fn an_interrupt_leaves_nothing_partial() {
    const SIGTERM: i32 = 15;
    let folder = tempfile::tempdir().unwrap();
    let (pictures, out) = (folder.path().join("pictures"), folder.path().join("out"));
    for i in 0..200 {
        save_picture(&pictures, &format!("{i:03}.png"), 64, 32);
    }
    // The last picture never comes through the pipe, so the program cannot be done before it is interrupted.
    let mut command = tiny();
    command.arg(&pictures).args(["-", "-q", "-o"]).arg(&out).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let started = std::time::Instant::now();
    while !out.join("003.png").exists() {
        assert!(started.elapsed().as_secs() < 60, "the program does not get going");
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let interrupted = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    // `wait` would close the pipe first, which the program could take for an empty picture.
    let pipe = child.stdin.take();
    let status = child.wait().unwrap();
    drop(pipe);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(SIGTERM), "{status}");
    for mask in files_below(&out) {
        assert!(mask.ends_with(".png") && image::open(out.join(&mask)).is_ok(), "{mask} is not whole");
    }
}
