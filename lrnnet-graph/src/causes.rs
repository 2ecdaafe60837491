//! An error together with what caused it, in words.

use std::error::Error;
use std::iter::successors;

/// The error and a line `caused by: ...` for each cause that says something new: what programs print, and what bindings
/// give as the text of their exceptions.
///
/// ```
/// use lrnnet_graph::with_causes;
///
/// let cause = std::io::Error::other("the disk is full");
/// let error = std::io::Error::other(cause);
/// assert_eq!(with_causes(&error), "the disk is full"); // a wrapper that adds nothing is not told twice
/// ```
pub fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut said = error.to_string();
    for cause in successors(error.source(), |&cause| cause.source()) {
        let cause = cause.to_string();
        // A transparent error, or one that quotes its cause, would say the same twice.
        if !said.contains(&cause) {
            said += &format!("\ncaused by: {cause}");
        }
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{says}")]
    struct Link {
        says: &'static str,
        source: Option<Box<Link>>,
    }

    fn chain(said: &[&'static str]) -> Option<Box<Link>> {
        let (says, rest) = said.split_first()?;
        Some(Box::new(Link { says, source: chain(rest) }))
    }

    #[test]
    fn each_cause_has_a_line_unless_it_was_said() {
        let cases: [(&[&str], &str); 4] = [
            (&["no model"], "no model"),
            (&["no model", "no file", "no disk"], "no model\ncaused by: no file\ncaused by: no disk"),
            (&["no model: no file", "no file", "no disk"], "no model: no file\ncaused by: no disk"),
            (&["no model", "no model", "no file"], "no model\ncaused by: no file"),
        ];
        for (said, expected) in cases {
            assert_eq!(with_causes(&*chain(said).unwrap()), expected);
        }
    }
}
