//! A model repository for NVIDIA's Triton Inference Server.
//!
//! ```text
//! REPOSITORY/NAME/config.pbtxt    what the server must know, and class names and colours for its clients
//!                 labels.txt      the class names, one a line
//!                 1/model.onnx    the model, for the server's ONNX Runtime backend
//! ```
//!
//! The server puts pictures of several requests into one run, so the model must leave its batch to the caller
//! ([`BatchChoice::Free`](crate::BatchChoice::Free), or a dynamic size).

mod config;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use lrnnet_graph::onnx::{FileError, ModelFile};
use lrnnet_run::atomic;

use crate::ErrorKind;

/// The largest batch of a model of this project.
const MAX_BATCH: usize = 256;
/// More copies than any machine has cores for.
const MAX_INSTANCES: usize = 64;

/// How a server runs a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPlan {
    /// What the server calls the model, and what its folder is called.
    pub name: String,
    /// Pictures of one run at most.
    pub max_batch: usize,
    /// Microseconds that a picture waits for others to join its run.
    pub max_delay: u32,
    /// Copies of the model that run side by side.
    pub instances: usize,
    /// Whether ONNX Runtime gives the model to TensorRT on a GPU, and in which precision.
    pub tensorrt: Option<Tensorrt>,
}

/// What TensorRT may compute in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tensorrt {
    /// float32.
    Fp32,
    /// float16 where it is faster.
    Fp16,
}

impl FromStr for Tensorrt {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "fp32" => Ok(Self::Fp32),
            "fp16" => Ok(Self::Fp16),
            _ => Err(format!("`{text}` is no precision of TensorRT's here; expected fp32 or fp16")),
        }
    }
}

impl Default for ServerPlan {
    fn default() -> Self {
        Self {
            name: Self::DEFAULT_NAME.to_owned(),
            max_batch: Self::DEFAULT_MAX_BATCH,
            max_delay: Self::DEFAULT_MAX_DELAY,
            instances: 1,
            tensorrt: None,
        }
    }
}

impl ServerPlan {
    /// What the server calls the model where nothing else is said.
    pub const DEFAULT_NAME: &str = "lrnnet";
    /// Pictures of one run at most, where nothing else is said.
    pub const DEFAULT_MAX_BATCH: usize = 8;
    /// Microseconds, where nothing else is said: far less than a run takes.
    pub const DEFAULT_MAX_DELAY: u32 = 2000;

    /// Whether this is a plan, and a model of its name is still to come into `repository`: to be known before a model is
    /// made for it.
    ///
    /// # Errors
    ///
    /// What [`write`](Self::write) would refuse without a look at the model.
    pub fn check(&self, repository: &Path) -> Result<(), TritonError> {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
        if self.name.is_empty() || self.name.starts_with('.') || !self.name.chars().all(is_plain) {
            return Err(TritonError::Name(self.name.clone()));
        }
        in_range("largest batch", self.max_batch, MAX_BATCH)?;
        in_range("number of instances", self.instances, MAX_INSTANCES)?;
        let folder = repository.join(&self.name);
        match fs::symlink_metadata(&folder) {
            Ok(_) => Err(TritonError::Exists(folder)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(TritonError::Write { path: folder, source }),
        }
    }

    /// Puts the model file `bytes` into `repository`, which is made where it is missing, and gives the model's folder. The
    /// folder comes into being whole or not at all, and never in place of another.
    ///
    /// # Errors
    ///
    /// A plan that is none, a model with a fixed batch, a folder that is there already, and what the file system reports.
    pub fn write(&self, repository: &Path, bytes: &[u8]) -> Result<PathBuf, TritonError> {
        self.check(repository)?;
        let model = ModelFile::parse(bytes)?;
        if let Some(Some(batch)) = model.input().shape.first() {
            return Err(TritonError::FixedBatch(*batch));
        }
        let folder = repository.join(&self.name);
        let is_new = !repository.exists();
        self.put(repository, &folder, &model, bytes).map_err(|source| {
            if is_new {
                // Only if nothing is in it.
                let _ = fs::remove_dir(repository);
            }
            TritonError::Write { path: folder.clone(), source }
        })?;
        Ok(folder)
    }

    fn put(&self, repository: &Path, folder: &Path, model: &ModelFile, bytes: &[u8]) -> io::Result<()> {
        match fs::create_dir(repository) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let mut builder = tempfile::Builder::new();
        builder.prefix(".lrnnet-");
        #[cfg(unix)]
        // The process's umask still applies; tempfile's own default would hide the model from the server's user.
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o777));
        let unfinished = builder.tempdir_in(repository)?;
        let at = |name: &str| unfinished.path().join(name);
        let lines = model.metadata().classes.names.iter().map(|name| name.replace(char::is_control, " ") + "\n");
        let labels: String = lines.collect();
        fs::create_dir(at("1"))?;
        for (name, content) in [
            ("1/model.onnx", bytes),
            (config::LABELS, labels.as_bytes()),
            ("config.pbtxt", config::text(self, model).as_bytes()),
        ] {
            atomic::write(&at(name), |file| file.write_all(content))?;
        }
        // Fails where anything but an empty folder is there by now. What has gone is not removed when it is dropped.
        fs::rename(unfinished.path(), folder)
    }
}

fn in_range(what: &'static str, value: usize, max: usize) -> Result<(), TritonError> {
    if (1..=max).contains(&value) { Ok(()) } else { Err(TritonError::OutOfRange { what, value, max }) }
}

/// Why there is no model in a repository.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TritonError {
    /// The name is no plain file name.
    #[error("`{0}` is no name for a model; expected letters, digits, `_`, `-` and `.`, and no `.` in front")]
    Name(String),
    /// A number that makes no sense.
    #[error("{what} {value} is out of range; expected 1 to {max}")]
    OutOfRange {
        /// Which.
        what: &'static str,
        /// The number.
        value: usize,
        /// The largest that is accepted.
        max: usize,
    },
    /// The server cannot gather pictures for this model.
    #[error("the model takes {0} pictures a run and no other number; expected one that leaves the batch to the server")]
    FixedBatch(usize),
    /// Something is there.
    #[error("`{}` is there already and is not overwritten; remove it, or choose another name", .0.display())]
    Exists(PathBuf),
    /// The bytes are no model of this project.
    #[error(transparent)]
    File(#[from] FileError),
    /// What the file system reports.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The model's folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl TritonError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Name(_) | Self::OutOfRange { .. } | Self::FixedBatch(_) => ErrorKind::Argument,
            Self::File(error) => error.kind(),
            Self::Exists(_) | Self::Write { .. } => ErrorKind::Output,
        }
    }
}

#[cfg(test)]
mod tests {
    use lrnnet_graph::onnx::Opset;
    use lrnnet_graph::{Classes, Config, Head, InputKind, InputSize, Network, Origin, Settings, synthetic};

    use super::*;

    const FREE: InputSize = InputSize::FreeBatch { height: 64, width: 128 };

    fn model(size: InputSize, names: [&str; 2]) -> Vec<u8> {
        let palette = vec![[128, 64, 128], [0, 0, 0]];
        let classes = Classes { palette, ..Classes::named(names.map(str::to_owned).to_vec()) };
        let settings = Settings { size, classes, input: InputKind::U8Nhwc, head: Head::Both, ..Settings::camvid() };
        let network = Network::new(Config::new(settings).unwrap());
        let weights = synthetic::weights(&network);
        let origin = Origin { weights_sha256: String::new(), exporter: "test 1.0".into() };
        network.bind(weights).unwrap().to_onnx(Opset::default(), &origin)
    }

    fn entries(folder: &Path) -> Vec<String> {
        let entries = walkdir::WalkDir::new(folder).min_depth(1).sort_by_file_name();
        let name = |path: &Path| path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        entries.into_iter().map(|entry| name(entry.unwrap().path())).collect()
    }

    #[test]
    fn a_model_comes_with_all_that_the_server_must_know() {
        let folder = tempfile::tempdir().unwrap();
        let repository = folder.path().join("models");
        let plan = ServerPlan { max_batch: 4, instances: 2, tensorrt: Some(Tensorrt::Fp16), ..ServerPlan::default() };
        let bytes = model(FREE, ["road", "all \"the\" rest\u{1}"]);
        let made = plan.write(&repository, &bytes).unwrap();
        assert_eq!(made, repository.join("lrnnet"));
        let expected = ["lrnnet", "lrnnet/1", "lrnnet/1/model.onnx", "lrnnet/config.pbtxt", "lrnnet/labels.txt"];
        assert_eq!(entries(&repository), expected);
        assert_eq!(fs::read(made.join("1/model.onnx")).unwrap(), bytes);
        assert_eq!(fs::read_to_string(made.join("labels.txt")).unwrap(), "road\nall \"the\" rest \n");
        let config = r#"# Written by test 1.0
name: "lrnnet"
backend: "onnxruntime"
max_batch_size: 4
input { name: "image" data_type: TYPE_UINT8 dims: [64, 128, 3] }
output { name: "logits" data_type: TYPE_FP32 dims: [2, 64, 128] label_filename: "labels.txt" }
output { name: "class_map" data_type: TYPE_UINT8 dims: [64, 128] label_filename: "labels.txt" }
dynamic_batching { max_queue_delay_microseconds: 2000 }
instance_group { count: 2 kind: KIND_AUTO }
optimization { execution_accelerators { gpu_execution_accelerator { name: "tensorrt" parameters { key: "precision_mode" value: "FP16" } parameters { key: "max_workspace_size_bytes" value: "1073741824" } } } }
parameters { key: "class_names" value { string_value: "[\"road\",\"all \\\"the\\\" rest\\u0001\"]" } }
parameters { key: "palette" value { string_value: "[[128,64,128],[0,0,0]]" } }
"#;
        assert_eq!(fs::read_to_string(made.join("config.pbtxt")).unwrap(), config);
    }

    #[test]
    fn a_size_of_the_callers_is_open_in_the_configuration() {
        let folder = tempfile::tempdir().unwrap();
        let made = ServerPlan::default().write(folder.path(), &model(InputSize::Dynamic, ["a", "b"])).unwrap();
        let config = fs::read_to_string(made.join("config.pbtxt")).unwrap();
        assert!(config.contains("dims: [-1, -1, 3]") && config.contains("dims: [2, -1, -1]"), "{config}");
        assert!(!config.contains("optimization"), "{config}");
    }

    #[test]
    fn what_cannot_be_is_refused_and_leaves_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("models/taken")).unwrap();
        fs::write(at("file"), "mine").unwrap();
        let before = entries(folder.path());
        let free = model(FREE, ["a", "b"]);
        let fixed = model(InputSize::Static { batch: 4, height: 64, width: 128 }, ["a", "b"]);
        let named = |name: &str| ServerPlan { name: name.to_owned(), ..ServerPlan::default() };
        let many = |max_batch, instances| ServerPlan { max_batch, instances, ..ServerPlan::default() };
        let cases = [
            (named("taken"), "models", &free, ErrorKind::Output, "is there already and is not overwritten"),
            (named("a"), "file", &free, ErrorKind::Output, "cannot write"),
            (named("a"), "missing/models", &free, ErrorKind::Output, "cannot write"),
            (named("a"), "new", &fixed, ErrorKind::Argument, "the model takes 4 pictures a run"),
            (named("a"), "new", &b"nonsense".to_vec(), ErrorKind::Model, "not an ONNX model"),
            (named(""), "models", &free, ErrorKind::Argument, "`` is no name"),
            (named("../a"), "models", &free, ErrorKind::Argument, "`../a` is no name"),
            (named(".a"), "models", &free, ErrorKind::Argument, "`.a` is no name"),
            (many(0, 1), "models", &free, ErrorKind::Argument, "largest batch 0 is out of range; expected 1 to 256"),
            (many(257, 1), "models", &free, ErrorKind::Argument, "largest batch 257"),
            (many(8, 0), "models", &free, ErrorKind::Argument, "number of instances 0"),
            (many(8, 65), "models", &free, ErrorKind::Argument, "number of instances 65"),
        ];
        for (plan, repository, bytes, kind, words) in cases {
            let error = plan.write(&at(repository), bytes).unwrap_err();
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(words), "no {words:?} in: {error}");
            assert_eq!(entries(folder.path()), before, "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_servers_user_may_read_it() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("plain")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        let made = ServerPlan::default().write(folder.path(), &model(FREE, ["a", "b"])).unwrap();
        assert_eq!(mode(&made), mode(&folder.path().join("plain")));
    }
}
