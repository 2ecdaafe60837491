//! Class names from a text file.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use lrnnet_graph::{Classes, Color};

use crate::ErrorKind;

/// Bytes a file of at most 256 names may have.
const MAX_FILE: u64 = 64 << 10;

/// The classes that `word` stands for: `camvid`, `cityscapes`, or a file for [`read_classes`].
///
/// # Errors
///
/// As for [`read_classes`].
pub fn find_classes(word: &Path) -> Result<Classes, ClassFileError> {
    match word.to_str() {
        Some("camvid") => Ok(Classes::camvid()),
        Some("cityscapes") => Ok(Classes::cityscapes()),
        _ => read_classes(word),
    }
}

/// Reads class names, one a line in the order of their ids, each followed by its colour or none of them.
///
/// A line is a name, or a name and three numbers from 0 to 255: `traffic light 250 170 30`. Empty lines say nothing.
///
/// # Errors
///
/// A file that cannot be read, colours that are none, or colours of some classes only. Number and uniqueness of
/// names are [`Config`](lrnnet_graph::Config)'s to check.
pub fn read_classes(path: &Path) -> Result<Classes, ClassFileError> {
    let fail = |problem| ClassFileError { path: path.to_owned(), problem };
    let mut bytes = vec![];
    let read = File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes));
    read.map_err(|error| fail(ClassFileProblem::Io(error)))?;
    classes_from_bytes(path, &bytes)
}

/// Reads class names from the bytes of such a file; `path` stands for it in messages.
///
/// # Errors
///
/// As for [`read_classes`].
pub fn classes_from_bytes(path: &Path, bytes: &[u8]) -> Result<Classes, ClassFileError> {
    let fail = |problem| ClassFileError { path: path.to_owned(), problem };
    if bytes.len() as u64 > MAX_FILE {
        return Err(fail(ClassFileProblem::TooLarge));
    }
    let text = str::from_utf8(bytes).map_err(|error| fail(ClassFileProblem::NoText(error)))?;
    parse(text).map_err(fail)
}

fn parse(text: &str) -> Result<Classes, ClassFileProblem> {
    let text = text.trim_start_matches('\u{feff}');
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let classes = lines.map(|(at, line)| parse_line(at + 1, line.trim())).collect::<Result<Vec<_>, _>>()?;
    let coloured = classes.iter().filter(|(_, color)| color.is_some()).count();
    if ![0, classes.len()].contains(&coloured) {
        return Err(ClassFileProblem::SomeColours { coloured, total: classes.len() });
    }
    let colors: Vec<Color> = classes.iter().filter_map(|(_, color)| *color).collect();
    let named = Classes::named(classes.into_iter().map(|(name, _)| name).collect());
    // Of 256 classes every id is one, so no label is left to be ignored.
    let ignore_index = named.ignore_index.filter(|index| usize::from(*index) >= named.names.len());
    let palette = if colors.is_empty() { named.palette } else { colors };
    Ok(Classes { palette, ignore_index, ..named })
}

/// Name and colour; three whole numbers at the end are a colour.
fn parse_line(line: usize, text: &str) -> Result<(String, Option<Color>), ClassFileProblem> {
    let words: Vec<_> = text.split_whitespace().collect();
    let Some((name, last)) = words.split_last_chunk::<3>().filter(|(name, last)| {
        let all_numbers = last.iter().all(|word| word.parse::<i64>().is_ok());
        all_numbers && !name.is_empty()
    }) else {
        return Ok((words.join(" "), None));
    };
    let mut color = [0; 3];
    for (channel, word) in color.iter_mut().zip(last) {
        *channel = word.parse().map_err(|_| ClassFileProblem::Colour { line, found: last.join(" ") })?;
    }
    Ok((name.join(" "), Some(color)))
}

/// A file of class names that was refused; the cause is its source.
#[derive(Debug, thiserror::Error)]
#[error("cannot take class names from `{}`; expected a text file with a name a line", path.display())]
pub struct ClassFileError {
    path: PathBuf,
    #[source]
    problem: ClassFileProblem,
}

impl ClassFileError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Classes
    }
}

/// Why a file of class names is refused.
#[derive(Debug, thiserror::Error)]
enum ClassFileProblem {
    #[error("the file cannot be read")]
    Io(#[source] io::Error),
    #[error("the file has more than {MAX_FILE} bytes; expected at most that, for up to 256 names")]
    TooLarge,
    #[error("the file is no UTF-8 text")]
    NoText(#[source] std::str::Utf8Error),
    #[error("line {line} ends in {found}, which is no colour; expected three numbers from 0 to 255, or none")]
    Colour { line: usize, found: String },
    #[error("{coloured} of {total} classes have a colour; expected all or none")]
    SomeColours { coloured: usize, total: usize },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_alone_or_with_colours() {
        let plain = parse("\u{feff}road\r\n\r\n  traffic   light \nlane 2\n").unwrap();
        assert_eq!(plain.names, ["road", "traffic light", "lane 2"]);
        assert_eq!(plain, Classes::named(plain.names.clone()));
        let longer = parse("everything else of a street\n1 2 3\n4 5 6 x\n").unwrap();
        assert_eq!(longer.names, ["everything else of a street", "1 2 3", "4 5 6 x"], "no colour follows a name");
        let coloured = parse("road 1 2 3\ntraffic light 250 170 30\n").unwrap();
        assert_eq!(coloured.names, ["road", "traffic light"]);
        assert_eq!(coloured.palette, [[1, 2, 3], [250, 170, 30]]);
    }

    #[test]
    fn known_lists_have_names_and_all_else_is_a_file() {
        assert_eq!(find_classes("camvid".as_ref()).unwrap(), Classes::camvid());
        assert_eq!(find_classes("cityscapes".as_ref()).unwrap(), Classes::cityscapes());
        for word in ["CamVid", "", "no/such/file"] {
            assert!(find_classes(word.as_ref()).is_err(), "{word}");
        }
    }

    #[test]
    fn wrong_colours_are_named_with_their_line() {
        for (text, words) in [
            ("a 1 2 3\nb 1 2 256", "line 2 ends in 1 2 256"),
            ("a 1 2 3\nb 1 -2 3", "line 2 ends in 1 -2 3"),
            ("a 1 2 3\nb", "1 of 2 classes"),
        ] {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(words), "{text:?}: {message}");
        }
    }

    #[test]
    fn files_that_cannot_be_read_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let cases = [
            (file("binary", &[0xff, 0xfe, 0x00]), "no UTF-8"),
            // Letters of two bytes, one of them across the limit.
            (
                file("large", format!("x{}", "\u{e4}".repeat(32 << 10)).as_bytes()),
                "more than 65536 bytes; expected at most",
            ),
            (folder.path().join("missing"), "cannot be read"),
            (folder.path().to_owned(), "cannot be read"),
        ];
        for (path, words) in cases {
            let error = read_classes(&path).unwrap_err();
            let cause = std::error::Error::source(&error).unwrap().to_string();
            assert!(error.to_string().contains(&path.display().to_string()), "{error}");
            assert!(cause.contains(words), "{cause}");
        }
        assert!(read_classes(&file("full", &[b'x'; 64 << 10])).is_ok(), "as many bytes as are allowed");
    }

    #[test]
    fn all_256_ids_may_be_classes() {
        let text: String = (0..256).map(|i| format!("class {i} x\n")).collect();
        assert_eq!(parse(&text).unwrap().ignore_index, None);
    }
}
