//! Weight files, made byte by byte.

use std::io::{Cursor, Write};

pub use zip::CompressionMethod as Compression;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A safetensors file of this JSON header and these values.
pub fn safetensors(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// A ZIP archive.
pub fn zip(entries: &[(&str, &[u8], Compression)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(vec![]));
    for (name, bytes, compression) in entries {
        archive.start_file(*name, SimpleFileOptions::default().compression_method(*compression)).unwrap();
        archive.write_all(bytes).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

/// An archive as `torch.save` lays it out: the pickle, and storage `i` as `data/i`.
pub fn torch_zip(pickle: &[u8], storages: &[Vec<u8>]) -> Vec<u8> {
    let names: Vec<_> = (0..storages.len()).map(|i| format!("archive/data/{i}")).collect();
    let mut entries = vec![("archive/data.pkl", pickle, Compression::Stored)];
    entries.extend(names.iter().zip(storages).map(|(name, bytes)| (name.as_str(), &bytes[..], Compression::Stored)));
    entries.push(("archive/version", b"3\n", Compression::Stored));
    zip(&entries)
}

/// Little-endian values.
pub fn tensor_bytes(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Name, storage class, shape and strides of a tensor; tensor `i` lies in storage `i`.
pub type TensorOf<'a> = (&'a str, &'a str, &'a [u8], &'a [u8]);

/// Pickles of protocol 2, as `torch.save` writes them, without its memo.
pub struct Pickle;

impl Pickle {
    /// A bare state dict.
    pub fn state_dict(tensors: &[TensorOf]) -> Vec<u8> {
        [b"\x80\x02".to_vec(), dict(tensors), b".".to_vec()].concat()
    }

    /// A state dict under `key`, beside the number of an epoch.
    pub fn nested(key: &str, tensors: &[TensorOf]) -> Vec<u8> {
        [b"\x80\x02}(".to_vec(), text("epoch"), b"K\x07".to_vec(), text(key), dict(tensors), b"u.".to_vec()].concat()
    }

    /// A state dict beside the value that some opcodes build.
    pub fn beside(value: &[u8], tensors: &[TensorOf]) -> Vec<u8> {
        let parts = [b"\x80\x02}(".to_vec(), text("state_dict"), dict(tensors), text("other"), value.to_vec()];
        [parts.concat(), b"u.".to_vec()].concat()
    }

    /// A state dict of one tensor and one number.
    pub fn with_number(tensor: TensorOf, key: &str) -> Vec<u8> {
        let parts = [b"\x80\x02}(".to_vec(), text(tensor.0), rebuilt(0, tensor), text(key), b"K\x07u.".to_vec()];
        parts.concat()
    }
}

fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

fn dict(tensors: &[TensorOf]) -> Vec<u8> {
    let mut bytes = b"ccollections\nOrderedDict\n)R(".to_vec();
    for (i, tensor) in tensors.iter().enumerate() {
        bytes.extend([text(tensor.0), rebuilt(i, *tensor)].concat());
    }
    bytes.push(b'u');
    bytes
}

/// `torch._utils._rebuild_tensor_v2(storage, 0, shape, strides, False, OrderedDict())`
fn rebuilt(index: usize, (_, storage, shape, strides): TensorOf) -> Vec<u8> {
    let ints =
        |values: &[u8]| [b"(".to_vec(), values.iter().flat_map(|v| [b'K', *v]).collect(), b"t".to_vec()].concat();
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n((".to_vec(),
        text("storage"),
        format!("ctorch\n{storage}\n").into_bytes(),
        text(&index.to_string()),
        text("cpu"),
        b"K\x06tQK\x00".to_vec(),
        ints(shape),
        ints(strides),
        b"\x89ccollections\nOrderedDict\n)RtR".to_vec(),
    ]
    .concat()
}
