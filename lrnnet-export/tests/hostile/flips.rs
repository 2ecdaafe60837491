//! Files that are cut short, and files of which one byte is another: an error of the right sort, or the same result.

use super::seeds::{self, outcome};

/// Where a file may end and still be whole: behind what its decoder needs, in checksums and trailers that hold nothing, or
/// where a stream or a list of names has an end of its own.
fn may_end(parser: &str, whole: &[u8], prefix: &[u8]) -> bool {
    match parser {
        // The last chunk, IEND (12 bytes), holds nothing, and the data are complete before their checksum.
        "picture" | "label" if whole.starts_with(b"\x89PNG") => prefix.len() + 16 >= whole.len(),
        // Each beginning of such a list is one.
        "classes" => true,
        // An odd chunk of a RIFF file is followed by a byte that says nothing.
        "picture" if whole.starts_with(b"RIFF") => prefix.len() + 1 == whole.len(),
        // A stream may end after any frame.
        "y4m" => prefix.ends_with(b"\n") || whole.len() == prefix.len() || frames_end(whole, prefix.len()),
        _ => false,
    }
}

fn frames_end(whole: &[u8], at: usize) -> bool {
    whole[at..].starts_with(b"FRAME\n")
}

fn sort(parser: &str) -> &'static str {
    match parser {
        "weights" | "pickles" => "Weights",
        "model" => "Model",
        "classes" => "Classes",
        _ => "Picture",
    }
}

/// Fails with every case.
fn judge(failures: Vec<String>) {
    assert!(failures.is_empty(), "{} cases:\n{}", failures.len(), failures[..failures.len().min(20)].join("\n"));
}

#[test]
fn every_prefix_is_an_error_of_the_right_sort() {
    let mut failures = vec![];
    for (parser, name, whole) in seeds::all().into_iter().filter(|(parser, ..)| *parser != "words") {
        for length in 0..whole.len() {
            let prefix = &whole[..length];
            match outcome(parser, prefix) {
                Ok(_) if may_end(parser, &whole, prefix) => {}
                Err(error) if error.starts_with(sort(parser)) => {}
                other => failures.push(format!("{parser}/{name} of {length} bytes: {other:?}")),
            }
        }
    }
    judge(failures);
}

/// Bytes of values: another byte there is another value, and no error. Everything else is structure.
fn is_value(parser: &str, name: &str, whole: &[u8], at: usize) -> bool {
    let within = |needle: &[u8], length: usize| {
        let mut starts = (0..whole.len()).filter(|&i| whole[i..].starts_with(needle));
        starts.any(|start| (start + needle.len()..start + needle.len() + length).contains(&at))
    };
    match (parser, name) {
        ("weights", "small.safetensors") => at >= whole.len() - 28,
        ("y4m", _) => within(b"FRAME\n", 36),
        _ => false,
    }
}

#[test]
fn every_structural_byte_at_its_extremes_is_an_error_of_the_right_sort_or_changes_nothing_unsaid() {
    let mut failures = vec![];
    for (parser, name, whole) in seeds::all().into_iter().filter(|(parser, ..)| *parser != "words") {
        let expected = outcome(parser, &whole);
        for at in (0..whole.len()).filter(|&at| !is_value(parser, name, &whole, at)) {
            for value in [0x00, 0xFF, !whole[at], whole[at] ^ 1] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                match outcome(parser, &bytes) {
                    found if found == expected => {}
                    // Formats without a checksum hold free text and numbers, in which another byte is another value.
                    Ok(_) if has_no_checksum(parser, name) => {}
                    Err(error) if error.starts_with(sort(parser)) => {}
                    other => {
                        let other = other.map(|text| text.len());
                        failures.push(format!("{parser}/{name}, byte {at} as {value:#04x}: {other:?}"));
                    }
                }
            }
        }
    }
    judge(failures);
}

fn has_no_checksum(parser: &str, name: &str) -> bool {
    matches!(parser, "classes" | "model" | "pickles" | "y4m")
        || matches!(name, "small.safetensors" | "small.jpg" | "small.webp")
}
