//! Bad and unusual pictures.

use std::fs;
use std::io::Cursor;
use std::process::Command;

use image::codecs::jpeg::JpegEncoder;
use image::{ImageEncoder, ImageFormat, ImageReader};

use super::*;

/// A PNG that says to have 50,000 x 50,000 pixels, with the beginning of its data.
fn huge_png() -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, 50_000, 50_000);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().unwrap();
    writer.write_chunk(png::chunk::IDAT, &[0x78, 0x9C, 0xED, 0xC1]).unwrap();
    drop(writer);
    bytes
}

fn encoded(format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(vec![]);
    picture(64, 48).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

#[test]
fn what_is_no_picture_is_reported_and_the_others_are_done() {
    let truncated = |format| {
        let bytes = encoded(format);
        bytes[..bytes.len() * 2 / 3].to_vec()
    };
    let cases: [(&str, Vec<u8>, &str); 7] = [
        ("text.png", b"this is no picture".to_vec(), "not a PNG, JPEG or WebP picture"),
        ("empty.png", vec![], "the file is empty"),
        ("huge.png", huge_png(), "50000 x 50000 pixels; expected at most 16384"),
        ("truncated.png", truncated(ImageFormat::Png), "cut short"),
        ("half.jpg", truncated(ImageFormat::Jpeg), "cut short"),
        ("cut.webp", truncated(ImageFormat::WebP), "cut short"),
        ("animation.gif.png", b"GIF89a rest".to_vec(), "not a PNG, JPEG or WebP picture"),
    ];
    let folder = tempfile::tempdir().unwrap();
    let (pictures, masks) = (folder.path().join("pictures"), folder.path().join("masks"));
    save_picture(&pictures, "good.png", 40, 30);
    let mut report = Report::default();
    for (name, bytes, message) in &cases {
        fs::write(pictures.join(name), bytes).unwrap();
        let mask = folder.path().join("alone.png");
        let ran = run_tiny([&pictures.join(name), Path::new("-o"), &mask]);
        report.expect(name, &ran, 1, &["error: ", name, message]);
        report.check(format!("{name}: left a file"), !mask.exists(), &ran);
    }
    let ran = run_tiny([&pictures, Path::new("-o"), &masks]);
    let names: Vec<_> = cases.iter().map(|(name, ..)| *name).collect();
    report.expect("all together", &ran, 1, &names);
    report.expect("all together", &ran, 1, &["failed: 7 of 8"]);
    report.check("only the good one has a mask", files_below(&masks) == ["good.png"], &ran);
    report.finish();
}

#[test]
fn a_picture_whose_decoder_panics_ends_the_picture_and_not_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let (pictures, masks) = (folder.path().join("pictures"), folder.path().join("masks"));
    for name in ["a.png", "z.png"] {
        save_picture(&pictures, name, 40, 30);
    }
    fs::copy(fixture("hostile/overflow.jpg"), pictures.join("m.jpg")).unwrap();
    let ran = run_tiny([&pictures, Path::new("-o"), &masks]);
    let mut report = Report::default();
    // Only a build with overflow checks, as tests are, finds what the picture is about.
    let (code, words): (_, &[&str]) = match cfg!(debug_assertions) {
        true => (1, &["m.jpg", "the picture is damaged", "its decoder broke down", "failed: 1 of 3"]),
        false => (0, &[]),
    };
    report.expect("a folder", &ran, code, words);
    let done = files_below(&masks).iter().filter(|name| *name != "m.png").count();
    report.check(format!("{done} of the others are done"), done == 2, &ran);
    report.finish();
}

#[test]
fn a_missing_file_is_a_failed_input() {
    let folder = tempfile::tempdir().unwrap();
    let good = save_picture(folder.path(), "good.png", 40, 30);
    let out = folder.path().join("out");
    let ran = run_tiny([Path::new("no/such.png"), &good, Path::new("-o"), &out]);
    let mut report = Report::default();
    report.expect("missing", &ran, 1, &["no/such.png", "No such file", "failed: 1 of 2"]);
    report.check("the other is done", files_below(&out) == ["good.png"], &ran);
    report.finish();
}

#[cfg(target_os = "linux")]
#[test]
fn a_huge_picture_is_refused_within_little_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("huge.png");
    fs::write(&path, huge_png()).unwrap();
    // The decoded picture would take 7.5 GB; the limit is in KiB of address space.
    let mut command = Command::new("sh");
    clear(&mut command);
    command.args(["-c", "ulimit -v 1500000; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_lrnnet-run")]);
    command.args(["--device", "tract", "--threads", "1", "-m"]).arg(tiny_model());
    let ran = finish(command.arg(&path).arg("-o").arg(folder.path().join("mask.png")));
    let mut report = Report::default();
    report.expect("huge", &ran, 1, &["50000 x 50000"]);
    report.finish();
}

/// EXIF with one entry: the orientation (tag 0x0112, one short).
fn exif(orientation: u8) -> Vec<u8> {
    let entry = [0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0];
    [&b"II*\0"[..], &[8, 0, 0, 0], &[1, 0], &entry, &[0; 4]].concat()
}

#[test]
fn pictures_are_turned_upright() {
    // Stored 32 wide and 16 high; the stored top left corner is white, the rest black.
    let stored = RgbImage::from_fn(32, 16, |x, y| image::Rgb([if x < 8 && y < 8 { 255 } else { 0 }; 3]));
    // Orientation, width and height when upright, where the white corner then is.
    let cases = [
        (1, (32, 16), (0, 0)),
        (2, (32, 16), (31, 0)),
        (3, (32, 16), (31, 15)),
        (4, (32, 16), (0, 15)),
        (5, (16, 32), (0, 0)),
        (6, (16, 32), (15, 0)),
        (7, (16, 32), (15, 31)),
        (8, (16, 32), (0, 31)),
    ];
    for (orientation, size, (x, y)) in cases {
        let mut bytes = vec![];
        let mut encoder = JpegEncoder::new_with_quality(&mut bytes, 100);
        encoder.set_exif_metadata(exif(orientation)).unwrap();
        encoder.encode_image(&stored).unwrap();
        let upright = lrnnet_run::picture::decode(&bytes).unwrap();
        assert_eq!(upright.dimensions(), size, "orientation {orientation}");
        let white = upright.get_pixel(x, y).0[0] > 200;
        assert!(white, "orientation {orientation}: the white corner is not at {x}, {y}");
    }
}

#[test]
fn a_mask_has_the_size_of_the_upright_picture() {
    let folder = tempfile::tempdir().unwrap();
    let (path, mask) = (folder.path().join("turned.jpg"), folder.path().join("mask.png"));
    let mut bytes = vec![];
    let mut encoder = JpegEncoder::new(&mut bytes);
    encoder.set_exif_metadata(exif(6)).unwrap();
    encoder.encode_image(&picture(60, 20)).unwrap();
    fs::write(&path, bytes).unwrap();
    let ran = run_tiny([&path, Path::new("-o"), &mask]);
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    assert_eq!(ImageReader::open(&mask).unwrap().into_dimensions().unwrap(), (20, 60));
}

#[test]
fn pictures_of_every_format_and_size_give_masks_of_their_size() {
    let folder = tempfile::tempdir().unwrap();
    let mut report = Report::default();
    for (name, width, height) in [("a.png", 1, 1), ("b.jpg", 333, 7), ("c.webp", 128, 64), ("d.JPEG", 500, 400)] {
        let path = save_picture(folder.path(), name, width, height);
        let mask = folder.path().join("mask.png");
        let ran = run_tiny([&path, Path::new("-o"), &mask]);
        let found = image::image_dimensions(&mask).ok();
        report.check(format!("{name}: {found:?}"), ran.code == Some(0) && found == Some((width, height)), &ran);
    }
    report.finish();
}
