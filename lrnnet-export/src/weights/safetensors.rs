//! The safetensors format: a length, a JSON header, the values.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use safetensors::SafeTensors;
use safetensors::tensor::TensorView;
use serde::Deserializer as _;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};

use super::{Entry, Problem, TensorBytes, check_declared};

/// Bytes the JSON header may have. This network's has some 30 kB.
const MAX_HEADER: u64 = 1 << 20;
/// Keys that an object in it may have: one for each tensor, as many as an archive of PyTorch may have entries.
const MAX_KEYS: usize = 10_000;
const METADATA: &str = "__metadata__";

/// Reads tensors, in the order of their values, and the free-form metadata.
pub(super) fn read(file: &[u8]) -> Result<(Vec<Entry>, BTreeMap<String, String>), Problem> {
    check_keys(header(file)?)?;
    let (_, header) = SafeTensors::read_metadata(file).map_err(Problem::SafeTensors)?;
    let tensors = SafeTensors::deserialize(file).map_err(Problem::SafeTensors)?;
    let names = header.offset_keys();
    let views = names.iter().map(|name| Ok((name, tensors.tensor(name)?))).collect::<Result<Vec<_>, _>>();
    let views = views.map_err(Problem::SafeTensors)?;
    check_declared(views.iter().map(|(name, view)| (name.as_str(), view.shape())))?;
    let entries = views.into_iter().map(|(name, view)| Entry {
        name: name.clone(),
        value_type: view.dtype().into(),
        shape: view.shape().to_vec(),
        bytes: view.data().to_vec(),
    });
    let metadata = header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone()));
    Ok((entries.collect(), metadata.collect()))
}

/// A file of `tensors`, for [`read`].
pub(super) fn write(tensors: &[TensorBytes<'_>]) -> Result<Vec<u8>, Problem> {
    // The writer takes each name for another one.
    check_declared(tensors.iter().map(|tensor| (tensor.name, tensor.shape.as_slice())))?;
    let views = tensors.iter().map(view).collect::<Result<Vec<_>, _>>()?;
    safetensors::serialize(views, None).map_err(Problem::SafeTensors)
}

fn view<'t>(tensor: &'t TensorBytes<'_>) -> Result<(&'t str, TensorView<'t>), Problem> {
    let unknown = || Problem::ValueType { tensor: tensor.name.to_owned(), found: tensor.value_type.clone() };
    let dtype = tensor.value_type.dtype().ok_or_else(unknown)?;
    let view = TensorView::new(dtype, tensor.shape.clone(), tensor.bytes).map_err(Problem::SafeTensors)?;
    Ok((tensor.name, view))
}

/// The JSON header, after a check of its declared length.
fn header(file: &[u8]) -> Result<&[u8], Problem> {
    let (length, rest) = file.split_first_chunk().ok_or(Problem::HeaderLength { declared: 0, available: 0 })?;
    let (declared, available) = (u64::from_le_bytes(*length), rest.len() as u64);
    if declared > MAX_HEADER {
        return Err(Problem::HeaderTooLarge { declared, max: MAX_HEADER });
    }
    rest.get(..declared as usize).ok_or(Problem::HeaderLength { declared, available })
}

/// Refuses keys that stand twice, which the safetensors crate lets pass: there the last one wins.
fn check_keys(header: &[u8]) -> Result<(), Problem> {
    let mut json = serde_json::Deserializer::from_slice(header);
    json.deserialize_map(UniqueKeys).map_err(Problem::Header)
}

/// Visits an object, and the metadata object in it, for their keys only.
struct UniqueKeys;

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object with each key once")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut seen = HashSet::new();
        while let Some(key) = map.next_key::<String>()? {
            if key == METADATA {
                map.next_value_seed(UniqueKeys)?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
            if seen.len() == MAX_KEYS {
                return Err(A::Error::custom(format!("more than {MAX_KEYS} keys; expected at most that")));
            }
            if let Some(key) = seen.replace(key) {
                return Err(A::Error::custom(format!("`{key}` stands twice")));
            }
        }
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for UniqueKeys {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}
