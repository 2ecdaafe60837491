//! Reading an ONNX file back, without trusting it.

use prost::Message;

use super::check::check;
use super::proto::{DimensionValue, ModelProto, ValueInfoProto};
use super::verdict::GraphError;
use super::wire;
use crate::error_kind::ErrorKind;
use crate::graph::ElementType;
use crate::metadata::{Metadata, MetadataError, SelfTestRecord};

/// One input or output of a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Port {
    /// Name.
    pub name: String,
    /// Element type.
    pub element: ElementType,
    /// Extents, outermost first; `None` where the caller chooses.
    pub shape: Vec<Option<usize>>,
}

/// Bytes that all metadata of a file may have: a self-test with the most runs, and room for other tools.
const MAX_METADATA: usize = 1 << 20;
/// Commas in them: a number of one digit takes two bytes there and many times that once it is read.
const MAX_COMMAS: usize = SelfTestRecord::MAX_RUNS + 20_000;

/// A model file of this project that was read whole and understood whole.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    proto: ModelProto,
    metadata: Metadata,
    input: Port,
    outputs: Vec<Port>,
}

impl ModelFile {
    /// Bytes that a model file may have. This network's have less than 4 MB; the rest is room for wider relatives.
    pub const MAX_BYTES: usize = 64 << 20;

    /// Reads `bytes`, which must be such as this crate writes them.
    ///
    /// Encoding what was decoded must give the same bytes again. So a file that holds anything outside of the
    /// subset in [`proto`](super::proto), such as external data, functions, subgraphs or sparse tensors, is
    /// refused here, before any runtime sees it; and so are trailing or reordered bytes. Then every node must be one that
    /// this crate writes, with the attributes, types and shapes that follow from its operands.
    ///
    /// # Errors
    ///
    /// The first way in which the bytes are no model of this project.
    pub fn parse(bytes: &[u8]) -> Result<Self, FileError> {
        let file = Self::parse_trusted(bytes)?;
        if file.proto.encode_to_vec() != bytes {
            return Err(FileError::OutsideSubset);
        }
        if let Some(domain) = foreign_domain(&file.proto) {
            return Err(FileError::Domain(domain));
        }
        check(&file.proto)?;
        Ok(file)
    }

    /// Reads `bytes` of somebody who is trusted: of the graph no more is looked at than its input and its outputs.
    ///
    /// A runtime that is given such bytes may do whatever a model can ask of it, such as reading other files.
    ///
    /// # Errors
    ///
    /// Bytes that are no ONNX model, or whose input, outputs or metadata are not those of a model of this project.
    pub fn parse_trusted(bytes: &[u8]) -> Result<Self, FileError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(FileError::TooLarge { max: Self::MAX_BYTES });
        }
        if !wire::is_modest(bytes) {
            return Err(FileError::TooManyFields { max: wire::MAX_FIELDS });
        }
        let proto = ModelProto::decode(bytes).map_err(FileError::Protobuf)?;
        let graph = proto.graph.as_ref().ok_or(FileError::Ports { inputs: 0, outputs: 0 })?;
        let (inputs, outputs) = (ports(&graph.input)?, ports(&graph.output)?);
        let [input] = inputs.as_slice() else {
            return Err(FileError::Ports { inputs: inputs.len(), outputs: outputs.len() });
        };
        if outputs.is_empty() {
            return Err(FileError::Ports { inputs: 1, outputs: 0 });
        }
        let metadata = read_metadata(&proto)?;
        let input = input.clone();
        Ok(Self { proto, metadata, input, outputs })
    }

    /// The whole message.
    pub fn proto(&self) -> &ModelProto {
        &self.proto
    }

    /// What the file says of itself.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The one input.
    pub fn input(&self) -> &Port {
        &self.input
    }

    /// The outputs, at least one.
    pub fn outputs(&self) -> &[Port] {
        &self.outputs
    }

    /// Version of ONNX's own operator set.
    pub fn opset(&self) -> Option<i64> {
        self.proto.opset_import.iter().find_map(|set| set.version)
    }
}

fn read_metadata(proto: &ModelProto) -> Result<Metadata, FileError> {
    let props = proto.metadata_props.iter();
    let texts = || proto.metadata_props.iter().flat_map(|entry| [entry.key(), entry.value()]);
    let bytes: usize = texts().map(str::len).sum();
    let commas = texts().flat_map(str::bytes).filter(|byte| *byte == b',').count();
    if bytes > MAX_METADATA || commas > MAX_COMMAS {
        return Err(FileError::MetadataTooLarge { max: MAX_METADATA });
    }
    Ok(Metadata::from_props(props.filter_map(|p| Some((p.key.as_deref()?, p.value.as_deref()?))))?)
}

/// An operator set that is not ONNX's own.
fn foreign_domain(proto: &ModelProto) -> Option<String> {
    let domains = proto.opset_import.iter().filter_map(|set| set.domain.clone());
    domains.into_iter().find(|domain| !domain.is_empty() && domain != "ai.onnx")
}

fn ports(infos: &[ValueInfoProto]) -> Result<Vec<Port>, FileError> {
    infos.iter().map(|info| port(info).ok_or_else(|| FileError::Port(info.name().to_owned()))).collect()
}

fn port(info: &ValueInfoProto) -> Option<Port> {
    let tensor = info.r#type.as_ref()?.tensor_type.as_ref()?;
    let element = ElementType::of_onnx(tensor.elem_type?)?;
    let extent = |value: &Option<DimensionValue>| match value {
        Some(DimensionValue::Value(n)) => usize::try_from(*n).ok().map(Some),
        Some(DimensionValue::Param(_)) | None => Some(None),
    };
    let shape = tensor.shape.as_ref()?.dim.iter().map(|d| extent(&d.value)).collect::<Option<_>>()?;
    Some(Port { name: info.name.clone()?, element, shape })
}

/// Why bytes are no model file of this project.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// More bytes than any model of this project has.
    #[error("the file has more than {max} bytes; expected an LRNNet model of at most that")]
    TooLarge {
        /// Bytes allowed.
        max: usize,
    },
    /// No protobuf message.
    #[error("the file is not an ONNX model, or is cut short: {0}")]
    Protobuf(prost::DecodeError),
    /// More fields than any model of this project has.
    #[error("the file has more than {max} fields; expected an LRNNet model, which has some ten thousand")]
    TooManyFields {
        /// Fields allowed.
        max: usize,
    },
    /// Something the subset does not know.
    #[error(
        "the file holds parts that lrnnet-export never writes (external data, functions, subgraphs or foreign \
         fields); export it with lrnnet-export"
    )]
    OutsideSubset,
    /// Operators that are not ONNX's own.
    #[error("the file uses operators of the domain `{0}`; expected ONNX's own only")]
    Domain(String),
    /// Not one input and at least one output.
    #[error("the graph has {inputs} inputs and {outputs} outputs; expected one input and at least one output")]
    Ports {
        /// Number of inputs.
        inputs: usize,
        /// Number of outputs.
        outputs: usize,
    },
    /// An input or output without a tensor type.
    #[error("the type of `{0}` is missing or not one of float32, float16, int32, int64, uint8 and int8")]
    Port(String),
    /// Metadata that is missing or wrong.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// More metadata than any model has.
    #[error("the file has more than {max} bytes of metadata, or far too many values in them; expected at most that")]
    MetadataTooLarge {
        /// Bytes allowed.
        max: usize,
    },
    /// A graph that no model of this project has.
    #[error("the graph is not one that lrnnet-export writes")]
    Graph(#[from] GraphError),
}

impl FileError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Model
    }
}
