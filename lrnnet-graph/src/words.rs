//! The words that choices are written with.

use crate::error_kind::ErrorKind;
use std::borrow::Cow;

/// A word that stands for no choice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a {what}; expected {expected}")]
pub struct UnknownWord {
    pub(crate) what: &'static str,
    pub(crate) found: String,
    pub(crate) expected: Cow<'static, str>,
}

impl UnknownWord {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Argument
    }
}

/// Gives an enum its words: on the command line, in the metadata and in messages they are the same.
macro_rules! words {
    ($type:ty, $what:literal, $expected:literal, { $($variant:ident = $word:literal),+ $(,)? }) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$variant => $word),+ })
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::words::UnknownWord;

            fn from_str(word: &str) -> Result<Self, Self::Err> {
                match word {
                    $($word => Ok(Self::$variant),)+
                    _ => Err($crate::words::UnknownWord {
                        what: $what,
                        found: word.to_owned(),
                        expected: $expected.into(),
                    }),
                }
            }
        }

        $crate::words::as_text!($type);
    };
}

/// Lets serde write a type as it is printed, and read it as it is parsed.
macro_rules! as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let word = <String as serde::Deserialize>::deserialize(deserializer)?;
                word.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use {as_text, words};
