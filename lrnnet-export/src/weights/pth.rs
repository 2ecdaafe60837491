//! PyTorch's ZIP archives, as `torch.save` has written them since 1.6.

use std::io::{Cursor, Read};

use pytorch_reader::{PytorchReader, Tensor};
use zip::{CompressionMethod, ZipArchive};

use super::pickle::{self, StateDict};
use super::{Entry, Problem, check_declared};

/// Bytes `data.pkl` may have. This network's has some 40 kB, with an optimizer's state some 150 kB.
const MAX_PICKLE: u64 = 512 << 10;
/// Entries an archive may have: one for each tensor and a handful more.
const MAX_ENTRIES: usize = 10_000;
/// What opens an entry of the archive's directory.
const DIRECTORY_ENTRY: &[u8; 4] = b"PK\x01\x02";

// The reader gives values in the machine's byte order, `values` takes them in the files'.
const _: () = assert!(cfg!(target_endian = "little"), "weight files are read on little-endian machines only");

/// Reads the tensors of the one state dict in the archive, in its order.
pub(super) fn read(file: Vec<u8>) -> Result<Vec<Entry>, Problem> {
    let size = file.len();
    let StateDict { key, names } = pickle::find_state_dict(&read_pickle(&file)?)?;
    let reader = PytorchReader::from_bytes(file, key.as_deref()).map_err(Problem::PyTorch)?;
    let tensor = |name: &String| reader.get(name).ok_or_else(|| Problem::Shared { tensor: name.clone() });
    let tensors = names.iter().map(tensor).collect::<Result<Vec<_>, _>>()?;
    check_declared(tensors.iter().map(|tensor| (tensor.name.as_str(), tensor.shape())))?;
    // Values that several tensors share, or that a stride of zero repeats, take memory once for each use.
    let needed = tensors.iter().fold(0usize, |sum, tensor| sum.saturating_add(tensor.byte_len()));
    if needed > size {
        return Err(Problem::MoreThanTheFile { needed, size });
    }
    tensors.into_iter().map(read_tensor).collect()
}

fn read_tensor(tensor: &Tensor) -> Result<Entry, Problem> {
    let bytes = tensor.read().map_err(|source| Problem::Values { tensor: tensor.name.clone(), source })?;
    Ok(Entry { name: tensor.name.clone(), value_type: tensor.dtype().into(), shape: tensor.shape().to_vec(), bytes })
}

/// Takes `data.pkl` out of an archive of stored entries. A deflated one could grow a thousandfold.
fn read_pickle(file: &[u8]) -> Result<Vec<u8>, Problem> {
    // Counted before the directory is parsed, since each of its entries costs memory.
    let entries = file.windows(DIRECTORY_ENTRY.len()).filter(|window| window == DIRECTORY_ENTRY).count();
    if entries > MAX_ENTRIES {
        return Err(foreign(format!("has {entries} entries, more than {MAX_ENTRIES}")));
    }
    let mut archive = ZipArchive::new(Cursor::new(file)).map_err(Problem::Zip)?;
    // Other readers may take the beginning of such a file for something else.
    if archive.offset() != 0 {
        return Err(foreign(format!("stands behind {} other bytes", archive.offset())));
    }
    let index = find_pickle(&archive)?;
    let mut pickle = Vec::new();
    let entry = archive.by_index(index).map_err(Problem::Zip)?;
    entry.take(MAX_PICKLE).read_to_end(&mut pickle).map_err(|error| Problem::Zip(error.into()))?;
    Ok(pickle)
}

/// Looks through the archive's directory; returns the index of the one `data.pkl`.
fn find_pickle(archive: &ZipArchive<Cursor<&[u8]>>) -> Result<usize, Problem> {
    if archive.has_duplicate_names() {
        return Err(foreign("holds two entries of one name"));
    }
    let mut found = None;
    for index in 0..archive.len() {
        let entry = archive.by_index_data(index).map_err(Problem::Zip)?;
        let name = entry.name().map_err(Problem::Zip)?;
        match name.split('/').collect::<Vec<_>>().as_slice() {
            // Before the next arm, since TorchScript compresses its code.
            [_, "code", ..] | [_, "constants.pkl"] => return Err(Problem::TorchScript),
            _ if entry.encrypted() || entry.compression() != CompressionMethod::Stored => {
                return Err(foreign(format!("holds the compressed or encrypted entry `{name}`")));
            }
            [.., "data.pkl"] if found.is_some() => return Err(foreign("holds more than one data.pkl")),
            [.., "data.pkl"] if entry.size() > MAX_PICKLE => {
                return Err(foreign(format!("holds a data.pkl of {} bytes, more than {MAX_PICKLE}", entry.size())));
            }
            [.., "data.pkl"] => found = Some(index),
            _ => {}
        }
    }
    found.ok_or_else(|| foreign("holds no data.pkl"))
}

fn foreign(found: impl Into<String>) -> Problem {
    Problem::ForeignZip { found: found.into() }
}
