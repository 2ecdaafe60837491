//! Weight files, read without trusting them.
//!
//! [`read_weights`] takes a `.safetensors` file or what `torch.save(model.state_dict(), path)` wrote, told apart by
//! their content. The file is read whole, up to 64 MiB; what it declares is checked before memory is spent on it;
//! nothing in it is executed. [`WeightFile::into_weights`] turns the entries into the names and values that
//! [`lrnnet_graph`] binds. Values are not judged here: a NaN is the graph's to report, with every other fault.
//!
//! Why a pickle is looked at twice: the reader behind `.pth` files keeps objects that it does not know as opaque
//! values and lets the last of two equal keys win. That suits a viewer. An exporter must know that the file holds
//! tensors and nothing else, so `pickle.rs` walks the same bytes first and refuses everything that `torch.save`
//! does not write for a state dict.

mod error;
mod pickle;
mod pth;
mod safetensors;
mod values;

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use lrnnet_graph::{Tensor, Weights};
use sha2::{Digest, Sha256};

pub use error::{Problem, WeightsError};
pub use pickle::PickleError;
pub use values::ValueType;

/// Bytes a weight file may have; the largest network of this family has less than 6 MB.
pub const MAX_FILE: u64 = 64 << 20;
/// Values all tensors of a file may have together. A pickle can declare tensors far larger than the file is.
pub const MAX_VALUES: usize = 16 << 20;

/// A weight file that was read whole and understood whole.
#[derive(Clone, Debug)]
pub struct WeightFile {
    path: PathBuf,
    format: Format,
    sha256: String,
    metadata: BTreeMap<String, String>,
    entries: Vec<Entry>,
}

/// How a weight file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A safetensors file.
    SafeTensors,
    /// A ZIP archive of `torch.save`.
    PyTorch,
}

/// One tensor as the file holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// Name in the file.
    pub name: String,
    /// Type of the values in the file.
    pub value_type: ValueType,
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// Row-major little-endian values.
    bytes: Vec<u8>,
}

/// Reads a weight file.
///
/// # Errors
///
/// [`WeightsError`] with the path and the first thing about the file that is not as expected.
pub fn read_weights(path: &Path) -> Result<WeightFile, WeightsError> {
    let bytes = read_bounded(path).map_err(|problem| WeightsError::new(path, problem))?;
    weights_from_bytes(path, bytes)
}

/// Takes tensors from memory, such as those of a state dict: they are read as the safetensors file that they would be,
/// whose hash is theirs. `name` stands for the path in messages.
///
/// # Errors
///
/// What [`read_weights`] says of such a file, a type that safetensors does not have, and bytes that do not fill a shape.
pub fn weights_in_memory(name: &str, tensors: &[TensorBytes<'_>]) -> Result<WeightFile, WeightsError> {
    let path = Path::new(name);
    let bytes = safetensors::write(tensors).map_err(|problem| WeightsError::new(path, problem))?;
    weights_from_bytes(path, bytes)
}

/// A tensor in a caller's memory.
#[derive(Clone, Debug)]
pub struct TensorBytes<'a> {
    /// Name.
    pub name: &'a str,
    /// Type of the values.
    pub value_type: ValueType,
    /// Extents, outermost first.
    pub shape: Vec<usize>,
    /// Row-major little-endian values.
    pub bytes: &'a [u8],
}

/// Reads the bytes of a weight file; `path` stands for it in messages.
///
/// # Errors
///
/// As for [`read_weights`].
pub fn weights_from_bytes(path: &Path, bytes: Vec<u8>) -> Result<WeightFile, WeightsError> {
    let fail = |problem| WeightsError::new(path, problem);
    if bytes.len() as u64 > MAX_FILE {
        return Err(fail(Problem::TooLarge));
    }
    let sha256 = hexadecimal(&Sha256::digest(&bytes));
    let format = Format::of(&bytes).map_err(fail)?;
    let (entries, metadata) = match format {
        Format::SafeTensors => safetensors::read(&bytes).map_err(fail)?,
        Format::PyTorch => (pth::read(bytes).map_err(fail)?, BTreeMap::new()),
    };
    Ok(WeightFile { path: path.to_owned(), format, sha256, metadata, entries })
}

impl WeightFile {
    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How it is written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// SHA-256 of the whole file, in hexadecimal.
    pub fn sha256(&self) -> &str {
        &self.sha256
    }

    /// The `__metadata__` of a safetensors file; empty for PyTorch's.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.metadata
    }

    /// The tensors, in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The tensors as a graph binds them: values are float32, the prefix `module.` is gone where every name has it
    /// (`DistributedDataParallel` adds it), and so are the `num_batches_tracked`, which only training uses.
    ///
    /// # Errors
    ///
    /// [`Problem::ValueType`] for the first tensor of another type than float16, bfloat16, float32 and float64.
    pub fn into_weights(self) -> Result<Weights, WeightsError> {
        let prefix = if self.entries.iter().all(|e| e.name.starts_with(MODULE)) { MODULE } else { "" };
        let used = self.entries.into_iter().filter(|e| !is_batch_count(&e.name));
        used.map(|entry| {
            let name = entry.name[prefix.len()..].to_owned();
            let tensor = entry.into_tensor().map_err(|problem| WeightsError::new(&self.path, problem))?;
            Ok((name, tensor))
        })
        .collect()
    }
}

const MODULE: &str = "module.";

fn is_batch_count(name: &str) -> bool {
    name.rsplit('.').next() == Some("num_batches_tracked")
}

impl Entry {
    fn into_tensor(self) -> Result<Tensor, Problem> {
        let values = values::to_f32(&self.value_type, &self.bytes);
        // Both readers hand over as many bytes as type and shape say, so only the type can be at fault.
        values
            .and_then(|values| Tensor::new(self.shape, values))
            .ok_or(Problem::ValueType { tensor: self.name, found: self.value_type })
    }
}

impl Format {
    /// Tells the format by the file's first bytes; names of files lie.
    fn of(bytes: &[u8]) -> Result<Self, Problem> {
        if bytes.is_empty() {
            return Err(Problem::Empty);
        }
        if bytes.starts_with(b"PK\x03\x04") {
            return Ok(Self::PyTorch);
        }
        if bytes.get(8) == Some(&b'{') {
            return Ok(Self::SafeTensors);
        }
        if is_pickle(bytes) {
            return Err(Problem::LegacyPickle);
        }
        Err(Problem::UnknownFormat { size: bytes.len(), start: bytes[..bytes.len().min(8)].escape_ascii().to_string() })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SafeTensors => "safetensors",
            Self::PyTorch => "pytorch",
        })
    }
}

/// Whether a file is a bare pickle, as PyTorch wrote before 1.6: opcode `PROTO`, then a protocol that exists.
fn is_pickle(bytes: &[u8]) -> bool {
    matches!(bytes, [0x80, 1..=5, ..])
}

fn read_bounded(path: &Path) -> Result<Vec<u8>, Problem> {
    let file = File::open(path).map_err(Problem::Io)?;
    if file.metadata().map_err(Problem::Io)?.is_dir() {
        return Err(Problem::Directory);
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(Problem::Io)?;
    if bytes.len() as u64 > MAX_FILE { Err(Problem::TooLarge) } else { Ok(bytes) }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Checks names and shapes before any value is read.
///
/// # Errors
///
/// A name that stands twice, a shape that no tensor of a network has, or more values than [`MAX_VALUES`].
fn check_declared<'a>(tensors: impl Iterator<Item = (&'a str, &'a [usize])>) -> Result<(), Problem> {
    let mut names = HashSet::new();
    let mut total = 0usize;
    for (name, shape) in tensors {
        if !names.insert(name) {
            return Err(Problem::Duplicate(name.to_owned()));
        }
        // An extent of zero must not hide another one of 2^64 - 1.
        let values = shape.iter().try_fold(1usize, |n, &extent| n.checked_mul(extent.max(1)));
        total = match values.and_then(|n| total.checked_add(n)) {
            Some(total) if total <= MAX_VALUES => total,
            _ => return Err(Problem::TooManyValues { tensor: name.to_owned(), shape: shape.to_owned() }),
        };
    }
    if names.is_empty() { Err(Problem::NoTensors) } else { Ok(()) }
}
