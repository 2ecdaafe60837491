//! What the fuzzer does without an end, a million times from one seed.

use std::panic;
use std::sync::Mutex;

use super::mutate::{Random, archive, mutate, pickle};
use super::seeds;
use super::targets::TARGETS;

/// Mutations of each parser's files: a million together. Pictures take the longest.
const RUNS: [(&str, usize); 8] = [
    ("weights", 240_000),
    ("pickles", 100_000),
    ("model", 180_000),
    ("classes", 200_000),
    ("picture", 30_000),
    ("label", 50_000),
    ("words", 100_000),
    ("y4m", 100_000),
];

fn run(name: &str, times: usize, failures: &Mutex<Vec<String>>) {
    let target = TARGETS.iter().find(|(of, _)| *of == name).unwrap().1;
    let files: Vec<_> = seeds::all().into_iter().filter(|(of, ..)| *of == name).map(|(.., bytes)| bytes).collect();
    let mut random = Random(name.bytes().fold(0, |seed, byte| seed * 31 + u64::from(byte)));
    for i in 0..times {
        let mut bytes = files[random.below(files.len())].clone();
        match name {
            "pickles" => (0..=random.below(3)).for_each(|_| pickle(&mut bytes, &mut random)),
            _ => mutate(&mut bytes, &mut random),
        }
        if panic::catch_unwind(|| target(&bytes)).is_err() {
            failures.lock().unwrap().push(format!("{name}, mutation {i}: {}", bytes.escape_ascii()));
            return;
        }
    }
}

#[test]
fn a_million_mutations_do_no_harm() {
    assert_eq!(RUNS.iter().map(|(_, times)| times).sum::<usize>(), 1_000_000);
    let failures = Mutex::new(vec![]);
    std::thread::scope(|scope| {
        for (name, times) in RUNS {
            let failures = &failures;
            scope.spawn(move || run(name, times, failures));
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Without this the mutations of pickles would test nothing but the archive.
#[test]
fn the_archive_of_the_mutations_is_one() {
    super::readers::weights_from_bytes("archive".as_ref(), archive(&seeds::small_pickle())).unwrap();
}

/// Each parser has its mutations.
#[test]
fn no_target_is_left_out() {
    for (name, _) in TARGETS {
        assert!(RUNS.iter().any(|(run, _)| *run == name), "{name}");
    }
}
