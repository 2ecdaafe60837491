//! The pictures of a folder that ranges are measured on.

use std::path::{Path, PathBuf};

use lrnnet_run::picture::EXTENSIONS;
use walkdir::WalkDir;

use super::CalibrationError;

/// Some pictures of a folder, the same ones every time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Samples {
    files: Vec<PathBuf>,
}

impl Samples {
    /// How many pictures there are unless told otherwise: with twice as many, nothing changes.
    pub const DEFAULT: usize = 32;

    /// At most `count` of the pictures in `folder` and the folders in it, evenly spread over them in the order of their
    /// names, so that films do not give the same scene again and again.
    ///
    /// # Errors
    ///
    /// A folder that cannot be listed or holds no picture.
    pub fn of(folder: &Path, count: usize) -> Result<Self, CalibrationError> {
        let mut found = vec![];
        for entry in WalkDir::new(folder).follow_links(true).sort_by_file_name() {
            let entry = entry.map_err(|source| CalibrationError::Folder { path: folder.to_owned(), source })?;
            if entry.file_type().is_file() && is_picture_name(entry.path()) {
                found.push(entry.into_path());
            }
        }
        if found.is_empty() {
            return Err(CalibrationError::NoPictures(folder.to_owned()));
        }
        let count = count.clamp(1, found.len());
        let files = (0..count).map(|i| found[i * found.len() / count].clone()).collect();
        Ok(Self { files })
    }

    /// The files, in the order of their names.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }
}

fn is_picture_name(path: &Path) -> bool {
    let extension = path.extension().map(|extension| extension.to_string_lossy().to_lowercase());
    extension.is_some_and(|extension| EXTENSIONS.contains(&extension.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_are_spread_over_all_pictures_in_order() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("b")).unwrap();
        for name in ["a.png", "b/c.JPG", "b/d.webp", "e.jpeg", "f.txt", "g.png", "png"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names = |count| {
            let samples = Samples::of(folder.path(), count).unwrap();
            let name = |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned();
            samples.files().iter().map(name).collect::<Vec<_>>()
        };
        assert_eq!(names(5), ["a.png", "b/c.JPG", "b/d.webp", "e.jpeg", "g.png"]);
        assert_eq!(names(99), names(5));
        assert_eq!(names(2), ["a.png", "b/d.webp"]);
        assert_eq!(names(3), ["a.png", "b/c.JPG", "e.jpeg"]);
        assert_eq!(names(0), ["a.png"]);
    }

    #[test]
    fn folders_without_pictures_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let error = Samples::of(folder.path(), 1).unwrap_err();
        assert!(error.to_string().contains("expected files named .png, .jpg, .jpeg, .webp"), "{error}");
        let error = Samples::of(&folder.path().join("missing"), 1).unwrap_err();
        assert!(error.to_string().contains("cannot list the calibration pictures"), "{error}");
    }
}
