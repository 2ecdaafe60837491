//! From SOURCE and output arguments to a list of jobs, checked before any work is done.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use lrnnet_run::picture::EXTENSIONS;
use walkdir::WalkDir;

use super::args::PredictArgs;

/// One picture and where its results go.
#[derive(Debug)]
pub struct Job {
    pub source: Source,
    pub mask: Target,
    pub overlay: Option<Target>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    Stdin,
    File(PathBuf),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    Stdout,
    File(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdin => f.write_str("standard input"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdout => f.write_str("standard output"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

impl Target {
    /// `-` is standard output.
    pub fn new(path: &Path) -> Self {
        if path.as_os_str() == "-" { Self::Stdout } else { Self::File(path.to_owned()) }
    }
}

/// A picture with the path that its results get below an output folder.
struct Found {
    source: Source,
    below: PathBuf,
}

/// The jobs that `args` ask for, in a fixed order.
pub fn plan(args: &PredictArgs) -> Result<Vec<Job>> {
    let outputs: Vec<&Path> = [Some(args.output()), args.overlay_path()].into_iter().flatten().collect();
    let mut found = vec![];
    let mut many = args.sources.len() > 1;
    for source in &args.sources {
        many |= expand(source, &outputs, &mut found)?;
    }
    let target = |output: &Path, below: &Path| if many { in_folder(output, below) } else { for_one(output, below) };
    let mut jobs = vec![];
    for Found { source, below } in found {
        let mask = target(args.output(), &below)?;
        let overlay = args.overlay_path().map(|path| target(path, &below)).transpose()?;
        jobs.push(Job { source, mask, overlay });
    }
    check_targets(&jobs, args.json.as_deref())?;
    Ok(jobs)
}

/// Adds what `source` stands for to `found`; says whether that can be more than one picture.
fn expand(source: &Path, outputs: &[&Path], found: &mut Vec<Found>) -> Result<bool> {
    if source.as_os_str() == "-" {
        found.push(Found { source: Source::Stdin, below: "stdin".into() });
        return Ok(false);
    }
    if source.is_dir() {
        let before = found.len();
        expand_folder(source, outputs, found)?;
        ensure!(
            found.len() > before,
            "no picture in the folder {}; expected files named .{}",
            source.display(),
            EXTENSIONS.join(", .")
        );
        return Ok(true);
    }
    if !source.exists() && is_pattern(source) {
        expand_pattern(source, found)?;
        return Ok(true);
    }
    let below = source.file_name().with_context(|| format!("{} names no file", source.display()))?.into();
    found.push(Found { source: Source::File(source.to_owned()), below });
    Ok(false)
}

fn expand_folder(folder: &Path, outputs: &[&Path], found: &mut Vec<Found>) -> Result<()> {
    // Results of an earlier run inside of the folder are no pictures to segment.
    let results: Vec<PathBuf> = outputs.iter().filter_map(|output| output.canonicalize().ok()).collect();
    let is_result = |path: &Path| path.canonicalize().is_ok_and(|path| results.contains(&path));
    let walk = WalkDir::new(folder).follow_links(true).sort_by_file_name().into_iter();
    for entry in walk.filter_entry(|entry| entry.depth() == 0 || !is_result(entry.path())) {
        let entry = entry.with_context(|| format!("cannot list the folder {}", folder.display()))?;
        if entry.file_type().is_file() && is_picture_name(entry.path()) {
            let below = entry.path().strip_prefix(folder).unwrap_or(entry.path()).to_owned();
            found.push(Found { source: Source::File(entry.into_path()), below });
        }
    }
    Ok(())
}

fn expand_pattern(pattern: &Path, found: &mut Vec<Found>) -> Result<()> {
    let text = pattern.to_str().with_context(|| format!("the pattern {} is no UTF-8", pattern.display()))?;
    let matches = glob::glob(text).with_context(|| format!("{text} is no pattern"))?;
    let fixed: PathBuf = pattern.components().take_while(|part| !is_pattern(part.as_ref())).collect();
    let before = found.len();
    for path in matches {
        let path = path.with_context(|| format!("cannot follow the pattern {text}"))?;
        if path.is_file() {
            let below = path.strip_prefix(&fixed).unwrap_or(&path).to_owned();
            found.push(Found { source: Source::File(path), below });
        }
    }
    ensure!(found.len() > before, "no file matches the pattern {text}");
    Ok(())
}

fn is_pattern(path: &Path) -> bool {
    path.as_os_str().as_encoded_bytes().iter().any(|byte| b"*?[".contains(byte))
}

fn is_picture_name(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|extension| EXTENSIONS.contains(&&*extension))
}

fn in_folder(output: &Path, below: &Path) -> Result<Target> {
    ensure!(output.as_os_str() != "-", "standard output takes one picture; name a folder for many");
    ensure!(
        output.is_dir() || !output.exists(),
        "{} is a file; expected a folder, since there can be several pictures",
        output.display()
    );
    Ok(Target::File(output.join(below).with_extension("png")))
}

fn for_one(output: &Path, below: &Path) -> Result<Target> {
    if output.is_dir() || output.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return in_folder(output, below);
    }
    if let Some(extension) = output.extension()
        && !extension.eq_ignore_ascii_case("png")
    {
        bail!("{} is not named .png; results are PNG files, which keep every pixel as it is", output.display());
    }
    Ok(Target::new(output))
}

/// No two results may share a path, and none may take the place of a picture.
fn check_targets(jobs: &[Job], json: Option<&Path>) -> Result<()> {
    let sources: HashSet<PathBuf> = jobs.iter().filter_map(|job| canonical(&job.source)).collect();
    let mut owners: HashMap<Option<PathBuf>, String> = HashMap::new();
    let results = jobs.iter().flat_map(|job| {
        let overlay = job.overlay.iter().map(move |target| (target.clone(), format!("the overlay of {}", job.source)));
        [(job.mask.clone(), format!("the mask of {}", job.source))].into_iter().chain(overlay)
    });
    for (target, owner) in results.chain(json.map(|path| (Target::new(path), "the JSON report".to_owned()))) {
        let place = match &target {
            Target::Stdout => None,
            Target::File(path) => Some(std::path::absolute(path)?),
        };
        if let Some(place) = &place {
            let taken = place.canonicalize().is_ok_and(|place| sources.contains(&place));
            ensure!(!taken, "{owner} would overwrite the picture {target}; choose another path");
        }
        // A device such as /dev/null has room for everybody.
        let shared = place.as_ref().is_some_and(|path| path.exists() && !path.is_file() && !path.is_dir());
        if let Some(other) = owners.insert(place, owner.clone())
            && !shared
        {
            bail!("{other} and {owner} would both go to {target}; give them different paths or rename a picture");
        }
    }
    Ok(())
}

fn canonical(source: &Source) -> Option<PathBuf> {
    match source {
        Source::Stdin => None,
        Source::File(path) => path.canonicalize().ok(),
    }
}
