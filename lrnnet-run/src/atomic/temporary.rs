//! Temporary files with a name: whose they are, and what a killed process left of them.
//!
//! A temporary file is locked for as long as its process works on it, and the system gives the lock up when the process
//! ends, however it does. So one that nobody holds is left from a process that is gone, and is removed.

use std::collections::HashSet;
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex, PoisonError};

use tempfile::{Builder, NamedTempFile};

const PREFIX: &str = ".lrnnet-";
const SUFFIX: &str = ".part";
/// Random characters between them.
const RANDOM: usize = 6;

/// What names temporary files.
pub fn builder() -> Builder<'static, 'static> {
    let mut builder = Builder::new();
    builder.prefix(PREFIX).suffix(SUFFIX).rand_bytes(RANDOM);
    builder
}

/// Makes a temporary file, which is this process's.
pub fn create(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = builder();
    #[cfg(unix)]
    // The process's umask still applies; tempfile's own default would hide the file from everybody else.
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    loop {
        let file = builder.tempfile_in(folder)?;
        // Before it is locked, another process may take it for one that was left.
        match file.as_file().try_lock() {
            Err(TryLockError::WouldBlock) => {}
            Ok(()) if !file.path().exists() => {}
            // Where there are no locks, nobody removes anything.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(file),
        }
    }
}

/// Removes what killed processes left in `folder`, once for each folder. What cannot be removed stays: it is in nobody's
/// way.
pub fn sweep(folder: &Path) {
    static SWEPT: LazyLock<Mutex<HashSet<PathBuf>>> = LazyLock::new(Mutex::default);
    if SWEPT.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned()) {
        sweep_again(folder);
    }
}

fn sweep_again(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| is_temporary(path)) {
        let is_file = fs::symlink_metadata(&path).is_ok_and(|found| found.is_file());
        let Some(file) = File::open(&path).ok().filter(|_| is_file) else { continue };
        if file.try_lock().is_ok() {
            let _ = fs::remove_file(&path);
        }
    }
}

fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    let random = name.and_then(|name| name.strip_prefix(PREFIX)?.strip_suffix(SUFFIX));
    random.is_some_and(|random| random.len() == RANDOM && random.bytes().all(|byte| byte.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_nobody_holds_is_removed_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let held = create(folder.path()).unwrap();
        let held_name = held.path().file_name().unwrap().to_str().unwrap().to_owned();
        let (_, left) = create(folder.path()).unwrap().keep().unwrap();
        let others =
            ["mask.png", ".lrnnet-abc.part", ".lrnnet-abcdef.png", ".lrnnet-abc-ef.part", "lrnnet-abcdef.part"];
        others.iter().for_each(|name| fs::write(folder.path().join(name), "a user's").unwrap());
        fs::create_dir(folder.path().join(".lrnnet-folder.part")).unwrap();
        assert!(is_temporary(&left) && is_temporary(held.path()));
        sweep_again(folder.path());
        let mut expected: Vec<_> = others.iter().map(|name| (*name).to_owned()).collect();
        expected.extend([held_name, ".lrnnet-folder.part".to_owned()]);
        expected.sort();
        assert_eq!(names(folder.path()), expected);
        drop(held);
        assert_eq!(names(folder.path()).len(), expected.len() - 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join(".lrnnet-abcdef.part"));
        fs::write(&real, "a user's").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        sweep_again(folder.path());
        assert_eq!(names(folder.path()), [".lrnnet-abcdef.part", "real"]);
    }

    #[test]
    fn a_folder_is_swept_once() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join(".lrnnet-abcdef.part");
        for remains in [false, true] {
            fs::write(&left, "").unwrap();
            sweep(folder.path());
            assert_eq!(left.exists(), remains);
        }
        sweep(Path::new("no/such/folder"));
    }
}
