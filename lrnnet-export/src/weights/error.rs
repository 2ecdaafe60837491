//! Every way in which a weight file is refused.

use std::io;
use std::path::{Path, PathBuf};

use crate::ErrorKind;

use super::{MAX_FILE, MAX_VALUES, PickleError, ValueType};

/// A weight file that was refused; the [`Problem`] is its source.
#[derive(Debug, thiserror::Error)]
#[error("cannot take weights from `{}`", path.display())]
pub struct WeightsError {
    path: PathBuf,
    #[source]
    problem: Box<Problem>,
}

impl WeightsError {
    pub(super) fn new(path: &Path, problem: Problem) -> Self {
        Self { path: path.to_owned(), problem: Box::new(problem) }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Weights
    }

    /// What is wrong with it.
    pub fn problem(&self) -> &Problem {
        &self.problem
    }
}

/// The remedy for everything that PyTorch can read and this reader does not.
pub(super) const SAVE_STATE_DICT: &str =
    "save the weights alone, in PyTorch: torch.save(model.state_dict(), \"weights.pth\")";

/// What is wrong with a weight file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The operating system refuses.
    #[error("the file cannot be read")]
    Io(#[source] io::Error),
    /// A folder.
    #[error("this is a folder; expected a .safetensors or .pth file")]
    Directory,
    /// No bytes.
    #[error("the file is empty (0 bytes); expected a .safetensors or .pth file")]
    Empty,
    /// More bytes than any weight file of this network.
    #[error("the file has more than {MAX_FILE} bytes; expected at most that: the weights of an LRNNet alone")]
    TooLarge,
    /// Neither of the formats, or cut short before it can be told.
    #[error(
        "the file ({size} bytes, starting with \"{start}\") is neither safetensors nor a ZIP archive of torch.save; \
         expected one of them, whole"
    )]
    UnknownFormat {
        /// Bytes of the file.
        size: usize,
        /// Its first bytes, escaped.
        start: String,
    },
    /// A pickle without an archive around it.
    #[error(
        "the file is a bare pickle, as PyTorch wrote before 1.6; expected the ZIP archive of a newer torch.save. Load \
         it in PyTorch (torch.load(..., weights_only=True)) and save it again"
    )]
    LegacyPickle,

    /// No tensor at all.
    #[error("the file holds no tensors; expected those of an LRNNet")]
    NoTensors,
    /// A name that stands twice.
    #[error("tensor `{0}` stands twice; expected each name once")]
    Duplicate(String),
    /// A shape, or the sum of shapes, that no network of this family has.
    #[error("tensor `{tensor}` of shape {shape:?} brings the file beyond {MAX_VALUES} values; expected at most that")]
    TooManyValues {
        /// Name of the tensor at which the sum is exceeded.
        tensor: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// Tensors that use the same stored values again and again.
    #[error(
        "the tensors have {needed} bytes together and the file {size}; expected each stored value in one tensor: \
         {SAVE_STATE_DICT}"
    )]
    MoreThanTheFile {
        /// Bytes of all tensors.
        needed: usize,
        /// Bytes of the file.
        size: usize,
    },
    /// A tensor of integers, booleans or the like.
    #[error("tensor `{tensor}` holds {found} values; expected float32, float16, bfloat16 or float64")]
    ValueType {
        /// Name of the tensor.
        tensor: String,
        /// Type of its values.
        found: ValueType,
    },

    /// A safetensors header longer than the file.
    #[error("the header should have {declared} bytes, but only {available} follow; the file is cut short or damaged")]
    HeaderLength {
        /// Bytes the file declares.
        declared: u64,
        /// Bytes that follow.
        available: u64,
    },
    /// A safetensors header longer than any such network's.
    #[error("the header should have {declared} bytes; expected at most {max}: the file is damaged or no weight file")]
    HeaderTooLarge {
        /// Bytes the file declares.
        declared: u64,
        /// Bytes allowed.
        max: u64,
    },
    /// A safetensors header that is not JSON or has a key twice.
    #[error("the safetensors header is not as expected")]
    Header(#[source] serde_json::Error),
    /// What else the safetensors crate refuses: offsets, sizes, a file cut short.
    #[error("the file is not valid safetensors, or is cut short")]
    SafeTensors(#[source] safetensors::SafeTensorError),

    /// No readable ZIP directory.
    #[error("the file is not a whole ZIP archive: it is cut short or damaged")]
    Zip(#[source] zip::result::ZipError),
    /// An archive that `torch.save` does not write.
    #[error("the ZIP archive {found}, which torch.save never writes; {SAVE_STATE_DICT}")]
    ForeignZip {
        /// What is unlike `torch.save`.
        found: String,
    },
    /// An archive with code in it.
    #[error("the file is a TorchScript archive (it holds code); {SAVE_STATE_DICT}")]
    TorchScript,
    /// A pickle that holds something else than a state dict.
    #[error("the file's pickle holds no plain state dict")]
    Pickle(#[from] PickleError),
    /// What else the reader of PyTorch files refuses.
    // Its text has its causes in it already, so it is no `source`.
    #[error("the file is not what torch.save writes, or is damaged: {0}")]
    PyTorch(pytorch_reader::PytorchError),
    /// An entry of the state dict whose values cannot be had.
    #[error("the values of tensor `{tensor}` cannot be read")]
    Values {
        /// Name of the tensor.
        tensor: String,
        /// What the reader says.
        source: io::Error,
    },
    /// An entry that PyTorch shares with another part of the file in a way the reader does not follow.
    #[error("tensor `{tensor}` is stored by reference to another part of the file; {SAVE_STATE_DICT}")]
    Shared {
        /// Name of the tensor.
        tensor: String,
    },
}
