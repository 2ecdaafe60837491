//! Writes that fail and programs that are killed: a path holds what it held, or all of what was to come.
#![allow(missing_docs)]

mod program;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use image::{GrayImage, RgbImage};
use lrnnet_graph::{Classes, Config, InputKind, InputSize, Settings, synthetic};
use lrnnet_run::mask::{self, MaskStyle};
use lrnnet_run::{Size, atomic, selftest};
use tempfile::TempDir;

/// Takes so many bytes and no more.
struct Failing<'w> {
    inner: &'w mut dyn Write,
    left: usize,
    error: io::ErrorKind,
}

impl Write for Failing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.left == 0 {
            return Err(self.error.into());
        }
        let written = self.inner.write(&bytes[..bytes.len().min(self.left)])?;
        self.left -= written;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Both results that this program writes, from the first byte to the last.
#[test]
fn a_write_that_fails_anywhere_leaves_the_old_file() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mask.png");
    let palette = Classes::camvid().palette;
    let ids = GrayImage::from_raw(40, 30, (0..1200).map(|i| (i % 11) as u8).collect()).unwrap();
    let drawn = selftest::picture(Size::new(12, 20));
    type Result<'c> = &'c dyn Fn(&mut dyn Write) -> io::Result<()>;
    let mask: Result = &|out| mask::write_png(&ids, &palette, MaskStyle::Indexed, out);
    let picture: Result = &|out| mask::write_picture(&drawn, out);
    for (what, content) in [("mask", mask), ("picture", picture)] {
        let mut whole = vec![];
        content(&mut whole).unwrap();
        for old in [None, Some(b"old".as_slice())] {
            for left in 0..whole.len() {
                let _ = fs::remove_file(&path);
                old.iter().for_each(|old| fs::write(&path, old).unwrap());
                for error in [io::ErrorKind::StorageFull, io::ErrorKind::BrokenPipe, io::ErrorKind::Other] {
                    let fails = |out: &mut dyn Write| content(&mut Failing { inner: out, left, error });
                    let found = atomic::write(&path, fails).unwrap_err();
                    assert_eq!(found.kind(), error, "{what}, byte {left}");
                }
                assert_eq!(fs::read(&path).ok().as_deref(), old, "{what}, byte {left}");
                assert!(names(folder.path()).len() <= 1, "{what}, byte {left}: {:?}", names(folder.path()));
            }
            atomic::write(&path, content).unwrap();
            assert_eq!(fs::read(&path).unwrap(), whole);
        }
    }
}

/// A file system in memory of so many KiB; none where this process may not mount one.
struct SmallDisk(TempDir);

impl SmallDisk {
    fn new(kib: usize) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={kib}k"), "tmpfs"]).arg(folder.path());
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then(|| Self(folder))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

/// The program with the smallest model, in tract.
fn tiny(folder: &Path) -> Command {
    let model = folder.join("tiny.onnx");
    if !model.exists() {
        let size = InputSize::Static { batch: 1, height: 64, width: 128 };
        let settings = Settings { size, input: InputKind::U8Nhwc, ..Settings::camvid() };
        fs::write(&model, synthetic::onnx(Config::new(settings).unwrap())).unwrap();
    }
    let mut command = program::program();
    command.args(["--device", "tract", "--threads", "1", "-m"]).arg(model);
    command.stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Pictures whose masks are of some KiB each.
fn pictures(folder: &Path, count: usize) -> PathBuf {
    let pictures = folder.join("pictures");
    fs::create_dir_all(&pictures).unwrap();
    for i in 0..count {
        let (width, height) = (320 + i, 240);
        let picture = RgbImage::from_raw(width as u32, height, synthetic::picture(height as usize, width)).unwrap();
        picture.save(pictures.join(format!("{i}.png"))).unwrap();
    }
    pictures
}

#[test]
fn a_full_disk_is_said_and_leaves_old_files_and_whole_ones() {
    let Some(disk) = SmallDisk::new(64) else {
        eprintln!("not tested: mounting a small file system needs root");
        return;
    };
    let folder = TempDir::new().unwrap();
    let pictures = pictures(folder.path(), 12);
    let masks = disk.0.path().join("masks");
    fs::create_dir(&masks).unwrap();
    fs::write(masks.join("11.png"), "old").unwrap();
    // What fills the disk but for a few masks; overlays are far larger than what is left.
    fs::write(disk.0.path().join("filler"), vec![0; 40 << 10]).unwrap();
    let overlays = disk.0.path().join("overlays");
    let ran = tiny(folder.path()).args([&pictures, Path::new("-o"), &masks]).arg("--overlay").arg(&overlays).output();
    let ran = ran.unwrap();
    let said = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert_eq!(ran.status.code(), Some(1), "{said}");
    assert!(said.contains("No space left on device") && said.contains("of 12"), "{said}");
    for folder in [&masks, &overlays].into_iter().filter(|folder| folder.exists()) {
        for name in names(folder) {
            let bytes = fs::read(folder.join(&name)).unwrap();
            let whole = bytes == b"old" || image::load_from_memory(&bytes).is_ok();
            assert!(whole && !name.starts_with('.'), "{name} of {} bytes", bytes.len());
        }
    }
    assert!(masks.join("11.png").exists());
}

/// How often programs are killed: a few times, or as often as asked for.
fn kills() -> u64 {
    std::env::var("LRNNET_KILLS").map_or(12, |number| number.parse().expect("a number of kills"))
}

/// `LRNNET_KILLS=1000 cargo test --test faults kill` takes some minutes.
#[test]
fn a_kill_at_any_moment_leaves_old_files_or_whole_ones() {
    let folder = TempDir::new().unwrap();
    let pictures = pictures(folder.path(), 4);
    let masks = folder.path().join("masks");
    let command = || {
        let mut command = tiny(folder.path());
        command.args([&pictures, Path::new("-o"), &masks]);
        command
    };
    let start = Instant::now();
    assert!(command().output().unwrap().status.success());
    let whole: Vec<_> = names(&masks).into_iter().map(|name| (fs::read(masks.join(&name)).unwrap(), name)).collect();
    assert_eq!(whole.len(), 4);
    let span = start.elapsed();
    let mut seed = 1u64;
    for kill in 0..kills() {
        // Every other time the files are old ones.
        for (_, name) in &whole {
            match kill % 2 {
                0 => fs::write(masks.join(name), "old").unwrap(),
                _ => fs::remove_file(masks.join(name)).unwrap(),
            }
        }
        let mut child = command().stderr(Stdio::null()).spawn().unwrap();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        thread::sleep(span.mul_f64((seed >> 33) as f64 / (1u64 << 31) as f64 * 1.1));
        let _ = child.kill();
        child.wait().unwrap();
        for (new, name) in &whole {
            match fs::read(masks.join(name)) {
                Ok(bytes) => assert!(bytes == *new || (kill % 2 == 0 && bytes == b"old"), "kill {kill}, {name}"),
                Err(error) => assert!(kill % 2 == 1 && error.kind() == io::ErrorKind::NotFound, "{name}: {error}"),
            }
        }
    }
    // What a file system without nameless files would leave.
    let left = masks.join(".lrnnet-abcdef.part");
    fs::write(&left, "part").unwrap();
    assert!(command().output().unwrap().status.success());
    let names: Vec<_> = names(&masks);
    assert_eq!(
        names,
        whole.iter().map(|(_, name)| name.clone()).collect::<Vec<_>>(),
        "nothing stray after the next run"
    );
}
