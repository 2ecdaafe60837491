//! An export that is killed at any moment leaves the file of before, or all of the new one.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

/// `LRNNET_KILLS=1000 cargo test --test kills` takes some minutes.
#[test]
fn a_kill_at_any_moment_leaves_the_old_file_or_the_whole_new_one() {
    let kills = std::env::var("LRNNET_KILLS").map_or(12u32, |number| number.parse().expect("a number of kills"));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.onnx");
    let weights = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/lrnnet-c-camvid.safetensors");
    let export = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_lrnnet-export"));
        command.arg(&weights).arg("-o").arg(&path).args(["--imgsz", "64x128", "--no-verify"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    };
    let timed = |_| {
        let start = Instant::now();
        assert!(export().status().unwrap().success());
        start.elapsed()
    };
    // The first reads from the disk.
    let span = (0..3).map(timed).min().unwrap();
    let whole = fs::read(&path).unwrap();
    let (mut seed, mut replaced) = (3u64, 0);
    for kill in 0..kills {
        fs::write(&path, "old").unwrap();
        let mut child = export().spawn().unwrap();
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        thread::sleep(span.mul_f64((seed >> 33) as f64 / (1u64 << 31) as f64 * 1.1));
        let _ = child.kill();
        child.wait().unwrap();
        let found = fs::read(&path).unwrap();
        assert!(found == b"old" || found == whole, "kill {kill}: {} bytes", found.len());
        replaced += u32::from(found == whole);
    }
    println!("{replaced} of {kills} were done before");
    fs::write(folder.path().join(".lrnnet-abcdef.part"), "part").unwrap();
    assert!(export().status().unwrap().success());
    assert_eq!(fs::read(&path).unwrap(), whole);
    let names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["model.onnx"], "nothing stray after the next run");
}
