//! The search for ONNX Runtime's library.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use super::probe;
use crate::ErrorKind;
use crate::engine::EngineOptions;

/// The oldest minor version of ONNX Runtime 1 that works.
pub const MIN_MINOR: u32 = 17;

/// Why a place is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The caller named it.
    Option,
    /// The environment variable `ORT_DYLIB_PATH` names it.
    Environment,
    /// The program that uses this crate suggests it.
    Suggested,
    /// `lrnnet-run setup` installs there.
    Setup,
    /// It is the program's own folder.
    Beside,
    /// The system's loader looks there for programs that name no folder.
    System,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Option => "named",
            Self::Environment => "ORT_DYLIB_PATH",
            Self::Suggested => "suggested",
            Self::Setup => "lrnnet-run setup",
            Self::Beside => "beside the program",
            Self::System => "system's loader",
        })
    }
}

/// Why a file is not ONNX Runtime as it is needed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unfit {
    /// No file.
    #[error("not found")]
    Missing,
    /// The loader refuses the file.
    #[error("cannot be loaded: {0}")]
    Unloadable(String),
    /// Another library.
    #[error("is not ONNX Runtime: it has no OrtGetApiBase")]
    Foreign,
    /// A version that lacks what is needed.
    #[error("is ONNX Runtime {0}; 1.{MIN_MINOR} or later of version 1 is needed")]
    Version(String),
}

/// A place that was looked at and what is there: the minor version of ONNX Runtime 1, or why it does not do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    /// Why the place is looked at.
    pub origin: Origin,
    /// The file, or the name given to the system's loader.
    pub path: PathBuf,
    /// What is there.
    pub found: Result<u32, Unfit>,
}

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): ", self.path.display(), self.origin)?;
        match &self.found {
            Ok(minor) => write!(f, "ONNX Runtime 1.{minor}"),
            Err(unfit) => unfit.fmt(f),
        }
    }
}

/// A library that fits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Library {
    /// The file, or the name given to the system's loader.
    pub path: PathBuf,
    /// Minor version of ONNX Runtime 1.
    pub minor: u32,
}

impl Library {
    /// Where the library's companions lie, such as its execution providers; unknown if the system's loader found it.
    pub fn folder(&self) -> Option<PathBuf> {
        let real = self.path.canonicalize().ok()?;
        real.parent().map(Path::to_owned)
    }
}

/// No library that fits.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LibraryError {
    /// The library that the caller named does not do; no other is tried in its place.
    #[error("ONNX Runtime's library {0}; expected a library of ONNX Runtime 1.{MIN_MINOR} or later")]
    Named(Candidate),
    /// None of the usual places has one.
    #[error("ONNX Runtime 1.{MIN_MINOR} or later was not found\nlooked at:{}", list(.0))]
    NotFound(Vec<Candidate>),
    /// A process can load one library only.
    #[error("this process has loaded ONNX Runtime from {loaded}; it cannot load {wanted} too")]
    Another {
        /// The library in use.
        loaded: PathBuf,
        /// The library asked for.
        wanted: PathBuf,
    },
    /// The library fits by its version but does not start.
    #[error("ONNX Runtime's library {path} does not start: {reason}")]
    Start {
        /// The library.
        path: PathBuf,
        /// What it reports.
        reason: String,
    },
}

impl LibraryError {
    /// The sort of the error: always [`ErrorKind::Device`].
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Device
    }
}

fn list(candidates: &[Candidate]) -> String {
    candidates.iter().map(|candidate| format!("\n  {candidate}")).collect()
}

/// Where this program keeps what it installs: `$LRNNET_HOME`, else `lrnnet` in the user's folder for data.
pub fn home() -> Option<PathBuf> {
    folder_from("LRNNET_HOME").or_else(|| Some(dirs::data_dir()?.join("lrnnet")))
}

/// Where this program keeps what it can make again: `$LRNNET_HOME/cache`, else `lrnnet` in the user's cache folder.
pub(super) fn cache() -> Option<PathBuf> {
    let own = folder_from("LRNNET_HOME").map(|home| home.join("cache"));
    own.or_else(|| Some(dirs::cache_dir()?.join("lrnnet")))
}

fn folder_from(variable: &str) -> Option<PathBuf> {
    env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The folder in which `lrnnet-run setup` puts the library.
pub fn setup_folder() -> Option<PathBuf> {
    Some(home()?.join("onnxruntime"))
}

/// The library's file name without a version: `libonnxruntime.so` on Linux.
pub fn file_name() -> String {
    format!("{}onnxruntime{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX)
}

/// Finds a library that fits: the one at `named` if that is given, else the one that `ORT_DYLIB_PATH` names if it is
/// set, else the first of the usual places.
///
/// # Errors
///
/// Every place that was looked at and what was found there.
pub fn find(named: Option<&Path>) -> Result<Library, LibraryError> {
    find_in(places(named, None))
}

/// The same for what an engine is opened with: the usual places come after the suggested one.
pub(super) fn find_for(options: &EngineOptions) -> Result<Library, LibraryError> {
    find_in(places(options.library.as_deref(), options.suggested.as_deref()))
}

fn find_in(places: Vec<(Origin, PathBuf)>) -> Result<Library, LibraryError> {
    let mut seen = vec![];
    for (origin, path) in places {
        let candidate = examine(origin, path);
        match (&candidate.found, origin) {
            (Ok(minor), _) => return Ok(Library { minor: *minor, path: candidate.path }),
            (Err(_), Origin::Option | Origin::Environment) => return Err(LibraryError::Named(candidate)),
            (Err(_), _) => seen.push(candidate),
        }
    }
    Err(LibraryError::NotFound(seen))
}

/// Looks at every place that [`find`] would look at, past the first that fits.
pub fn survey(named: Option<&Path>) -> Vec<Candidate> {
    places(named, None).into_iter().map(|(origin, path)| examine(origin, path)).collect()
}

fn places(named: Option<&Path>, suggested: Option<&Path>) -> Vec<(Origin, PathBuf)> {
    if let Some(path) = named {
        return vec![(Origin::Option, in_folder(path))];
    }
    if let Some(path) = folder_from("ORT_DYLIB_PATH") {
        return vec![(Origin::Environment, in_folder(&path))];
    }
    let beside = env::current_exe().ok().and_then(|program| Some(program.parent()?.to_owned()));
    let suggested = suggested.map(Path::to_owned);
    let folders = [(Origin::Suggested, suggested), (Origin::Setup, setup_folder()), (Origin::Beside, beside)];
    let mut places: Vec<_> =
        folders.into_iter().filter_map(|(origin, folder)| Some((origin, in_folder(&folder?)))).collect();
    places.push((Origin::System, file_name().into()));
    places
}

/// The library in `path` if that is a folder, else `path` itself, absolute in both cases.
fn in_folder(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    if !path.is_dir() {
        return path;
    }
    let exact = path.join(file_name());
    if exact.is_file() {
        return exact;
    }
    let entries = path.read_dir().into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|entry| is_library_name(entry)).max().unwrap_or(exact)
}

/// Whether a file is called like ONNX Runtime's library, with or without a version: not one of its providers.
pub fn is_library_name(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let stem = format!("{}onnxruntime.", env::consts::DLL_PREFIX);
    name.starts_with(&stem) && name.contains(env::consts::DLL_SUFFIX)
}

fn examine(origin: Origin, path: PathBuf) -> Candidate {
    let found = if origin == Origin::System {
        // The loader does not tell "not there" from other failures but in words.
        probe(&path).map_err(|unfit| match unfit {
            Unfit::Unloadable(reason) if reason.contains("No such file") => Unfit::Missing,
            other => other,
        })
    } else if path.exists() {
        probe(&path)
    } else {
        Err(Unfit::Missing)
    };
    Candidate { origin, path, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_the_library_and_of_its_companions_are_told_apart() {
        let cases = [
            ("libonnxruntime.so", true),
            ("libonnxruntime.so.1.31.1", true),
            ("libonnxruntime_providers_cuda.so", false),
            ("libonnx.so", false),
        ];
        if cfg!(target_os = "linux") {
            for (name, expected) in cases {
                assert_eq!(is_library_name(&Path::new("/lib").join(name)), expected, "{name}");
            }
            assert_eq!(file_name(), "libonnxruntime.so");
        }
    }

    #[test]
    fn what_is_no_onnx_runtime_is_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join(file_name());
        std::fs::write(&text, "no library").unwrap();
        let missing = folder.path().join("missing.so");
        let unfit = |path: &Path| examine(Origin::Option, path.to_owned()).found.unwrap_err();
        assert!(matches!(unfit(&text), Unfit::Unloadable(reason) if !reason.is_empty()));
        assert_eq!(unfit(&missing), Unfit::Missing);
        assert!(matches!(find(Some(folder.path())), Err(LibraryError::Named(c)) if c.path == text));
    }

    #[test]
    fn where_nothing_fits_every_place_is_listed_with_what_is_there() {
        let candidate = |origin, path: &str, found| Candidate { origin, path: path.into(), found: Err(found) };
        let error = LibraryError::NotFound(vec![
            candidate(Origin::Beside, "/here/a.so", Unfit::Missing),
            candidate(Origin::System, "b.so", Unfit::Version("1.10".into())),
        ]);
        let expected = "ONNX Runtime 1.17 or later was not found\nlooked at:\n  /here/a.so (beside the program): not found\n  \
                        b.so (system's loader): is ONNX Runtime 1.10; 1.17 or later of version 1 is needed";
        assert_eq!(error.to_string(), expected);
    }

    #[test]
    fn what_is_named_is_the_only_place_and_what_is_suggested_the_first() {
        let (named, suggested) = (Path::new("/named/x.so"), Path::new("/suggested/x.so"));
        assert_eq!(places(Some(named), Some(suggested)), [(Origin::Option, named.to_owned())]);
        // The user's own choice comes first, and tests may run with one.
        if folder_from("ORT_DYLIB_PATH").is_none() {
            let origins = |suggested| places(None, suggested).into_iter().map(|(origin, _)| origin).collect::<Vec<_>>();
            let usual = origins(None);
            assert!(!usual.is_empty() && !usual.contains(&Origin::Suggested), "{usual:?}");
            assert_eq!(origins(Some(suggested)), [&[Origin::Suggested], &usual[..]].concat());
            assert_eq!(places(None, Some(suggested))[0].1, suggested);
        }
    }
}
