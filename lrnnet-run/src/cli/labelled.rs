//! Pictures with labels, and how far a network's masks agree with these.

use std::collections::BTreeMap;
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use lrnnet_run::engine::Engine;
use lrnnet_run::metrics::Confusion;
use lrnnet_run::picture::EXTENSIONS;
use lrnnet_run::{Segmenter, label, picture};

/// Two folders with files of the same stems.
pub struct Labelled {
    pairs: Vec<Pair>,
}

struct Pair {
    picture: PathBuf,
    label: PathBuf,
}

impl Labelled {
    /// Pairs every picture with the label of the same stem.
    ///
    /// # Errors
    ///
    /// A folder that cannot be listed or holds nothing, and a file without its counterpart.
    pub fn open(images: &Path, labels: &Path) -> Result<Self> {
        let pictures = by_stem(images, &EXTENSIONS)?;
        let mut labels_left = by_stem(labels, &["png"])?;
        let mut pairs = Vec::with_capacity(pictures.len());
        for (stem, picture) in pictures {
            match labels_left.remove(&stem) {
                Some(label) => pairs.push(Pair { picture, label }),
                None => bail!("picture {} has no label {stem}.png in {}", picture.display(), labels.display()),
            }
        }
        match labels_left.into_values().next() {
            Some(label) => bail!("label {} has no picture in {}", label.display(), images.display()),
            None => Ok(Self { pairs }),
        }
    }

    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Segments each picture and counts which class was found where which was meant. Pixels whose label is `ignore` are
    /// left out. `done` hears of each picture.
    ///
    /// # Errors
    ///
    /// A picture or label that cannot be read or does not fit, and what a run reports.
    pub fn confusion<E: Engine>(
        &self,
        segmenter: &mut Segmenter<E>,
        ignore: Option<u8>,
        done: impl Fn(),
    ) -> Result<Confusion> {
        let mut confusion = Confusion::new(segmenter.metadata().classes.names.len());
        for pair in &self.pairs {
            pair.count(segmenter, ignore, &mut confusion)?;
            done();
        }
        Ok(confusion)
    }
}

impl Pair {
    fn count<E: Engine>(
        &self,
        segmenter: &mut Segmenter<E>,
        ignore: Option<u8>,
        confusion: &mut Confusion,
    ) -> Result<()> {
        let picture_name = || format!("picture {}", self.picture.display());
        let label_name = || format!("label {}", self.label.display());
        let picture = picture::open(&self.picture).with_context(picture_name)?;
        let label = label::open(&self.label).with_context(label_name)?;
        let (size, expected) = (label.dimensions(), picture.dimensions());
        ensure!(
            size == expected,
            "{} has {} x {} pixels, its picture {} x {}; expected the same",
            label_name(),
            size.0,
            size.1,
            expected.0,
            expected.1
        );
        let segmentation = segmenter.segment(&picture).with_context(picture_name)?;
        confusion.add(label.as_raw(), segmentation.mask.as_raw(), ignore).with_context(label_name)
    }
}

fn by_stem(folder: &Path, extensions: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
    let unreadable = || format!("cannot list the folder {}", folder.display());
    let mut files = BTreeMap::new();
    for entry in folder.read_dir().with_context(unreadable)? {
        let path = entry.with_context(unreadable)?.path();
        let extension = path.extension().and_then(|e| e.to_str()).map(str::to_lowercase);
        if !extension.is_some_and(|e| extensions.contains(&e.as_str())) {
            continue;
        }
        let Some(stem) = path.file_stem().and_then(|s| s.to_str()).map(str::to_owned) else {
            bail!("the name of {} is not text", path.display());
        };
        if let Some(other) = files.insert(stem, path.clone()) {
            bail!("{} and {} have the same stem; expected one file each", other.display(), path.display());
        }
    }
    ensure!(!files.is_empty(), "{} holds no {} files", folder.display(), extensions.join(", "));
    Ok(files)
}

/// A bar for so many pictures, where somebody sees it.
pub fn progress(pictures: usize) -> ProgressBar {
    if !stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style =
        ProgressStyle::with_template("{bar:30} {pos}/{len} {per_sec} {eta}").expect("the template is well formed");
    ProgressBar::new(pictures as u64).with_style(style)
}
