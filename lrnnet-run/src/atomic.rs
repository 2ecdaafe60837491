//! Writing a file so that its path holds either the whole new content or what was there before.

mod temporary;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::TempPath;

/// Writes what `write` produces to `path`: nothing is seen there before all of it is on the disk. See [`Pending`].
///
/// # Errors
///
/// What `write` or the file system reports, and [`io::ErrorKind::IsADirectory`] for a folder. `path` is then as it
/// was before.
pub fn write(path: &Path, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> io::Result<()> {
    let mut pending = Pending::create(path)?;
    write(&mut pending)?;
    pending.finish()
}

/// The new content of a path on its way there. Dropped before it is [finished](Self::finish), it leaves the path as it
/// was.
///
/// The content goes to a temporary file in the folder of the path, is flushed to the disk, and then takes the place of
/// the path in one step. Where the file system can do it (Linux, `O_TMPFILE`), the temporary file has no name until
/// then, so even a killed process leaves nothing behind. Elsewhere what a killed process left is removed when the next one
/// writes to the same folder. The new file gets the usual mode of new files. A symbolic
/// link is followed. A device or pipe is written to as it is, since it cannot be replaced.
pub struct Pending {
    file: BufWriter<File>,
    /// None once it is finished.
    place: Option<Place>,
}

/// Where a finished file goes, and from where.
enum Place {
    /// It is there.
    Device,
    #[cfg(target_os = "linux")]
    Nameless {
        folder: PathBuf,
        path: PathBuf,
    },
    Named {
        temporary: TempPath,
        path: PathBuf,
    },
}

impl Pending {
    /// Begins new content for `path`.
    ///
    /// # Errors
    ///
    /// What the file system reports, and [`io::ErrorKind::IsADirectory`] for a folder.
    pub fn create(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(found) if found.is_dir() => Err(io::Error::new(io::ErrorKind::IsADirectory, "a folder is in the way")),
            Ok(found) if found.is_file() => Self::replacing(fs::canonicalize(path)?),
            Ok(_) => Ok(Self::new(File::options().write(true).open(path)?, Place::Device)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Self::replacing(path.to_owned()),
            Err(error) => Err(error),
        }
    }

    fn new(file: File, place: Place) -> Self {
        Self { file: BufWriter::with_capacity(1 << 16, file), place: Some(place) }
    }

    fn replacing(path: PathBuf) -> io::Result<Self> {
        let folder = folder_of(&path);
        temporary::sweep(&folder);
        #[cfg(target_os = "linux")]
        if let Some(file) = nameless::open(&folder) {
            return Ok(Self::new(file, Place::Nameless { folder, path }));
        }
        let (file, temporary) = temporary::create(&folder)?.into_parts();
        Ok(Self::new(file, Place::Named { temporary, path }))
    }

    /// Puts the content where it belongs, once; what is written later goes nowhere.
    ///
    /// # Errors
    ///
    /// What the file system reports; the path is then as it was before.
    pub fn finish(&mut self) -> io::Result<()> {
        self.file.flush()?;
        let file = self.file.get_ref();
        match self.place.take() {
            None | Some(Place::Device) => Ok(()),
            #[cfg(target_os = "linux")]
            Some(Place::Nameless { folder, path }) => {
                file.sync_all()?;
                nameless::link(file, &folder, &path)
            }
            Some(Place::Named { temporary, path }) => {
                file.sync_all()?;
                temporary.persist(path).map_err(|failed| failed.error)
            }
        }
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Files without a name, which vanish with the process unless they are linked.
#[cfg(target_os = "linux")]
mod nameless {
    use std::fs::File;
    use std::io;
    use std::os::fd::AsRawFd;
    use std::path::Path;

    use rustix::fs::{AtFlags, CWD, Mode, OFlags};
    use rustix::io::Errno;

    use super::temporary;

    /// `None` where the file system has no such files; the named way then finds the reason, if there is one.
    pub fn open(folder: &Path) -> Option<File> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let file = rustix::fs::open(folder, flags, Mode::from_raw_mode(0o666)).ok()?;
        // Linking goes through /proc, which a container may lack.
        Path::new(&proc_path(&file)).exists().then(|| File::from(file))
    }

    /// Gives `file` the name `path`, in the place of what has it now.
    pub fn link(file: &File, folder: &Path, path: &Path) -> io::Result<()> {
        let source = proc_path(file);
        let link_to = |target: &Path| rustix::fs::linkat(CWD, &source, CWD, target, AtFlags::SYMLINK_FOLLOW);
        match link_to(path) {
            Ok(()) => return Ok(()),
            Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        // linkat cannot replace. So the file has a name of its own for the moment between these two calls.
        // For that moment it is locked, so that no other process takes it for one that was left.
        let _ = file.try_lock();
        let named = temporary::builder().make_in(folder, |name| Ok(link_to(name)?))?;
        named.into_temp_path().persist(path).map_err(|failed| failed.error)
    }

    fn proc_path(file: &impl AsRawFd) -> String {
        format!("/proc/self/fd/{}", file.as_raw_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(folder: &Path) -> Vec<String> {
        let mut names: Vec<_> =
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn content_appears_whole_in_new_and_in_existing_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.bin");
        for content in [&b"first"[..], b"second, longer", b""] {
            write(&path, |w| w.write_all(content)).unwrap();
            assert_eq!(fs::read(&path).unwrap(), content);
            assert_eq!(entries(folder.path()), ["a.bin"]);
        }
    }

    #[test]
    fn a_failure_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let fail = |w: &mut dyn Write| {
            w.write_all(&[7; 1 << 18])?;
            assert_eq!(entries(folder.path()).iter().filter(|n| *n == "new.bin").count(), 0);
            Err(io::Error::other("stop"))
        };
        assert!(write(&folder.path().join("new.bin"), fail).is_err());
        assert!(entries(folder.path()).is_empty());
        let old = folder.path().join("old.bin");
        fs::write(&old, "old").unwrap();
        assert!(write(&old, fail).is_err());
        assert_eq!(fs::read_to_string(&old).unwrap(), "old");
        assert_eq!(entries(folder.path()), ["old.bin"]);
    }

    #[test]
    fn a_folder_is_refused_and_a_missing_one_is_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let error = write(folder.path(), |_| Ok(())).unwrap_err();
        assert_eq!((error.kind(), &*error.to_string()), (io::ErrorKind::IsADirectory, "a folder is in the way"));
        let error = write(&folder.path().join("no/such/file"), |_| Ok(())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn a_bare_name_is_in_the_current_folder() {
        for (path, folder) in [("a/b.png", "a"), ("b.png", "."), ("/b.png", "/")] {
            assert_eq!(folder_of(Path::new(path)), Path::new(folder), "{path}");
        }
    }

    /// What is killed then leaves nothing behind.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_on_its_way_has_no_name_where_the_file_system_allows_it() {
        use rustix::fs::{Mode, OFlags, open};
        let folder = tempfile::tempdir().unwrap();
        let allowed = open(folder.path(), OFlags::TMPFILE | OFlags::WRONLY, Mode::RUSR).is_ok();
        let allowed = allowed && Path::new("/proc/self/fd").exists();
        assert_eq!(nameless::open(folder.path()).is_some(), allowed);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "old").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        write(&link, |w| w.write_all(b"new")).unwrap();
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_pipe_or_device_is_written_to_and_stays() {
        use std::os::unix::fs::FileTypeExt;
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        let (mode, device) = (rustix::fs::Mode::from_raw_mode(0o600), 0);
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, device).unwrap();
        let (sender, received) = std::sync::mpsc::channel();
        std::thread::spawn({
            let pipe = pipe.clone();
            move || {
                let mut bytes = [0; 7];
                File::open(pipe).and_then(|mut pipe| io::Read::read_exact(&mut pipe, &mut bytes)).unwrap();
                sender.send(bytes)
            }
        });
        let flushed = |w: &mut dyn Write| {
            w.write_all(b"through")?;
            w.flush()?;
            assert_eq!(received.recv_timeout(std::time::Duration::from_secs(20)), Ok(*b"through"));
            Ok(())
        };
        write(&pipe, flushed).unwrap();
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        // After the pipe: what replaces that would replace this machine's device.
        let error = write(Path::new("/dev/full"), |w| w.write_all(b"no room")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
        assert!(fs::metadata("/dev/full").unwrap().file_type().is_char_device());
    }

    #[cfg(unix)]
    #[test]
    fn the_mode_is_that_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        let (plain, ours) = (folder.path().join("plain"), folder.path().join("ours"));
        fs::write(&plain, "").unwrap();
        for _ in 0..2 {
            write(&ours, |_| Ok(())).unwrap();
            assert_eq!(mode(&ours), mode(&plain));
        }
        let named = temporary::create(folder.path()).unwrap();
        assert_eq!(mode(named.path()), mode(&plain));
    }
}
