//! A model file with everything the runtime needs to know about it.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use lrnnet_graph::onnx::{FileError, ModelFile, Port};
use lrnnet_graph::{ElementType, InputKind, Metadata, Precision, STRIDE};

use crate::ErrorKind;
use crate::engine::Backend;
use crate::size::Size;

/// An output that gives classes, by what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// `class_map`: uint8 `[n, h, w]`.
    ClassMap,
    /// `logits`: float32 `[n, classes, h, w]`.
    Logits,
    /// `logits8`: float32 `[n, classes, h/8, w/8]`.
    Logits8,
}

impl Output {
    /// The graph's name of it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClassMap => "class_map",
            Self::Logits => "logits",
            Self::Logits8 => "logits8",
        }
    }

    /// Height and width for an input of `input`.
    pub fn size(self, input: Size) -> Size {
        match self {
            Self::ClassMap | Self::Logits => input,
            Self::Logits8 => Size::new(input.height / STRIDE, input.width / STRIDE),
        }
    }

    /// Extents for `batch` pictures of `input`.
    pub fn shape(self, batch: usize, classes: usize, input: Size) -> Vec<usize> {
        let Size { height, width } = self.size(input);
        match self {
            Self::ClassMap => vec![batch, height, width],
            Self::Logits | Self::Logits8 => vec![batch, classes, height, width],
        }
    }

    /// Number of values for one picture of `input`.
    pub fn values(self, classes: usize, input: Size) -> usize {
        match self {
            Self::ClassMap => input.area(),
            Self::Logits | Self::Logits8 => classes * self.size(input).area(),
        }
    }
}

/// Any output of a model's graph.
#[derive(Clone, Debug, PartialEq)]
pub struct OutputPort {
    /// Name.
    pub name: String,
    /// Element type.
    pub element: ElementType,
    /// What it is of the outputs that give classes, and of how many classes.
    head: Option<(Output, usize)>,
    extents: Vec<Option<usize>>,
}

impl OutputPort {
    /// Extents for `batch` pictures of `input`; `None` where they are not known before a run.
    pub fn shape(&self, batch: usize, input: Size) -> Option<Vec<usize>> {
        match self.head {
            Some((output, classes)) => Some(output.shape(batch, classes, input)),
            None => self.extents.iter().copied().collect(),
        }
    }
}

/// What the built-in model is called in messages.
const BUILTIN: &str = "compiled into the program";
/// A model file that is compiled in.
struct Builtin {
    name: &'static str,
    bytes: &'static [u8],
    /// The same in the form for engines that keep channels in blocks.
    blocked: Option<&'static [u8]>,
}

impl Builtin {
    #[cfg(feature = "builtin-model")]
    fn find(precision: Precision) -> Option<Self> {
        match precision {
            Precision::Fp32 => Some(Self {
                name: BUILTIN,
                bytes: include_bytes!("../../models/lrnnet-c-camvid.onnx"),
                blocked: Some(include_bytes!("../../models/lrnnet-c-camvid-blocked.onnx")),
            }),
            Precision::Int8 => Some(Self {
                name: "compiled into the program in int8",
                bytes: include_bytes!("../../models/lrnnet-c-camvid-int8.onnx"),
                blocked: None,
            }),
            _ => None,
        }
    }

    #[cfg(not(feature = "builtin-model"))]
    fn find(_: Precision) -> Option<Self> {
        None
    }
}

/// How the bytes of a file are read.
type Parse = fn(&[u8]) -> Result<ModelFile, FileError>;

/// A model that was read, understood and found to be one that this program can feed.
#[derive(Clone, Debug)]
pub struct Model {
    name: String,
    bytes: Cow<'static, [u8]>,
    file: ModelFile,
    kind: InputKind,
    outputs: Vec<Output>,
    output_ports: Vec<OutputPort>,
    fixed_batch: Option<usize>,
    fixed_size: Option<Size>,
    /// The same model in the form for engines that keep channels in blocks.
    blocked: Option<&'static [u8]>,
}

impl Model {
    /// The trained model that is compiled in: LRNNet C for CamVid's 11 classes at 360 x 480. Its weights are for research
    /// use only.
    ///
    /// # Errors
    ///
    /// In a build without the feature `builtin-model`: that there is none.
    pub fn builtin() -> Result<Self, ModelError> {
        Self::builtin_in(Precision::Fp32)
    }

    /// The same network in another precision: int8, whose values move between what the training pictures showed.
    ///
    /// # Errors
    ///
    /// As for [`builtin`](Self::builtin), and for a precision in which there is none.
    pub fn builtin_in(precision: Precision) -> Result<Self, ModelError> {
        match Builtin::find(precision) {
            Some(Builtin { name, bytes, blocked }) => Ok(Self { blocked, ..Self::from_bytes(name, bytes)? }),
            None => Err(ModelError { name: BUILTIN.to_owned(), problem: ModelProblem::NotBuiltIn(precision) }),
        }
    }

    /// Reads the model file at `path`, which may be a stranger's: see [`from_bytes`](Self::from_bytes).
    ///
    /// # Errors
    ///
    /// A file that cannot be read or that is no model of this project.
    pub fn open(path: &Path) -> Result<Self, ModelError> {
        Self::open_with(path, ModelFile::parse)
    }

    /// Reads the model file at `path` without a look at its graph: see
    /// [`from_trusted_bytes`](Self::from_trusted_bytes).
    ///
    /// # Errors
    ///
    /// A file that cannot be read, or that does not say what to feed it.
    pub fn open_trusted(path: &Path) -> Result<Self, ModelError> {
        Self::open_with(path, ModelFile::parse_trusted)
    }

    fn open_with(path: &Path, parse: Parse) -> Result<Self, ModelError> {
        let name = path.display().to_string();
        let read = || {
            let mut bytes = vec![];
            // One byte more than a model may have, so that its reader sees the excess and says so.
            File::open(path)?.take(ModelFile::MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Self::understand(name, bytes.into(), parse),
            Err(error) => Err(ModelError { name, problem: ModelProblem::Read(error) }),
        }
    }

    /// Reads the bytes of a model file; `name` stands for it in messages.
    ///
    /// Before a runtime sees any of it, each part of the graph is held against what `lrnnet-export` writes: see
    /// [`ModelFile::parse`].
    ///
    /// # Errors
    ///
    /// Bytes that are no model of this project.
    pub fn from_bytes(name: &str, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, ModelError> {
        Self::understand(name.to_owned(), bytes.into(), ModelFile::parse)
    }

    /// Reads the bytes of a model file of somebody who is trusted, whose graph may be any that a runtime takes. It can
    /// make the runtime do what a model can ask for: take all memory, say, or read other files.
    ///
    /// # Errors
    ///
    /// Bytes that are no ONNX model, or whose metadata do not say what to feed it.
    pub fn from_trusted_bytes(name: &str, bytes: impl Into<Cow<'static, [u8]>>) -> Result<Self, ModelError> {
        Self::understand(name.to_owned(), bytes.into(), ModelFile::parse_trusted)
    }

    fn understand(name: String, bytes: Cow<'static, [u8]>, parse: Parse) -> Result<Self, ModelError> {
        let file = parse(&bytes).map_err(ModelProblem::from);
        let understood = file.and_then(|file| Self::of_file(name.clone(), bytes, file));
        understood.map_err(|problem| ModelError { name, problem })
    }

    fn of_file(name: String, bytes: Cow<'static, [u8]>, file: ModelFile) -> Result<Self, ModelProblem> {
        let metadata = file.metadata();
        let kind = metadata.input;
        let [fixed_batch, height, width] = input_extents(kind, file.input())?;
        let fixed_size = match (height, width) {
            (Some(height), Some(width)) => Some(Size::new(height, width)),
            (None, None) => None,
            _ => return Err(ModelProblem::Port { name: file.input().name.clone(), found: file.input().shape.clone() }),
        };
        let classes = metadata.classes.names.len();
        let output_ports: Vec<_> =
            file.outputs().iter().map(|port| output_port(port, classes)).collect::<Result<_, _>>()?;
        let outputs: Vec<_> = output_ports.iter().filter_map(|port| Some(port.head?.0)).collect();
        if outputs.is_empty() {
            return Err(ModelProblem::NoClasses(output_ports.into_iter().map(|port| port.name).collect()));
        }
        Ok(Self { name, bytes, kind, outputs, output_ports, fixed_batch, fixed_size, file, blocked: None })
    }

    /// The same network with the head `logits-8`, where this one puts out nothing but the class map that follows from
    /// it: for runtimes that take longer for upsampling and arg max than [`Postprocessor`](crate::Postprocessor) does.
    pub fn headless(&self) -> Option<Self> {
        // Part of a file that was looked at, or is trusted.
        Self::from_trusted_bytes(&self.name, self.file.headless()?).ok()
    }

    /// What `backend` is given of this model to run: the built-in one in the form that suits it, any other as it is, and
    /// [without its head](Self::headless) where this crate finishes.
    pub fn as_run_by(&self, backend: &Backend) -> Cow<'_, Self> {
        let blocked = self.blocked.filter(|_| backend.keeps_blocks);
        let blocked = blocked.and_then(|bytes| Self::from_bytes(&self.name, bytes).ok());
        let whole = blocked.map_or(Cow::Borrowed(self), Cow::Owned);
        let headless = if backend.finishes_here { whole.headless() } else { None };
        headless.map_or(whole, Cow::Owned)
    }

    /// What the model is called in messages: its path, or that it is compiled in.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The file's bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What the file says of itself.
    pub fn metadata(&self) -> &Metadata {
        self.file.metadata()
    }

    /// What the model takes in.
    pub fn input_kind(&self) -> InputKind {
        self.kind
    }

    /// The outputs that give classes, in the file's order, at least one.
    pub fn outputs(&self) -> &[Output] {
        &self.outputs
    }

    /// All outputs in the file's order.
    pub fn output_ports(&self) -> &[OutputPort] {
        &self.output_ports
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.metadata().classes.names.len()
    }

    /// Pictures per run, where the file fixes it.
    pub fn fixed_batch(&self) -> Option<usize> {
        self.fixed_batch
    }

    /// Height and width of the input, where the file fixes them.
    pub fn fixed_size(&self) -> Option<Size> {
        self.fixed_size
    }

    /// Height and width that the weights were trained for.
    pub fn trained_size(&self) -> Size {
        let [height, width] = self.metadata().trained_size;
        Size::new(height, width)
    }

    /// The input size where there is no picture to follow.
    pub fn default_size(&self) -> Size {
        self.input_size(self.trained_size())
    }

    /// The input size for a picture of size `picture`.
    ///
    /// A static model has one size, to which pictures are stretched. A dynamic one runs at the picture's aspect ratio
    /// with about as many pixels as it was trained for, rounded to multiples of its
    /// [`size_multiple`](Metadata::size_multiple).
    pub fn input_size(&self, picture: Size) -> Size {
        if let Some(size) = self.fixed_size {
            return size;
        }
        let scale = (self.trained_size().area() as f64 / picture.area().max(1) as f64).sqrt();
        let scaled = |extent: usize| ((extent as f64 * scale).round() as usize).min(crate::picture::MAX_SIDE as usize);
        Size::new(scaled(picture.height), scaled(picture.width)).rounded_to(self.metadata().size_multiple)
    }
}

/// Batch, height and width, where they are fixed.
fn input_extents(kind: InputKind, port: &Port) -> Result<[Option<usize>; 3], ModelProblem> {
    let wrong = || ModelProblem::Port { name: port.name.clone(), found: port.shape.clone() };
    let &[n, a, b, c] = port.shape.as_slice() else { return Err(wrong()) };
    let (element, channels, extents) = match kind {
        InputKind::F32Nchw => (ElementType::Float32, a, [n, b, c]),
        InputKind::U8Nhwc => (ElementType::Uint8, c, [n, a, b]),
    };
    let plausible = extents.iter().flatten().all(|extent| (1..=16_384).contains(extent));
    if port.element == element && channels == Some(3) && plausible { Ok(extents) } else { Err(wrong()) }
}

/// An output under a known name must hold what the name says; any other may hold anything.
fn output_port(port: &Port, classes: usize) -> Result<OutputPort, ModelProblem> {
    let known = [Output::ClassMap, Output::Logits, Output::Logits8].into_iter().find(|o| o.name() == port.name);
    let holds = match known {
        Some(Output::ClassMap) => port.element == ElementType::Uint8 && port.shape.len() == 3,
        Some(Output::Logits | Output::Logits8) => port.element == ElementType::Float32 && port.shape.len() == 4,
        None => true,
    };
    if !holds {
        return Err(ModelProblem::Port { name: port.name.clone(), found: port.shape.clone() });
    }
    let head = known.map(|output| (output, classes));
    Ok(OutputPort { name: port.name.clone(), element: port.element, head, extents: port.shape.clone() })
}

/// A model that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the model {name}")]
pub struct ModelError {
    name: String,
    #[source]
    problem: ModelProblem,
}

impl ModelError {
    /// The sort of the error: always [`ErrorKind::Model`].
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Model
    }

    /// What the model is called: its path, or that it is compiled in.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why it cannot be used.
    pub fn problem(&self) -> &ModelProblem {
        &self.problem
    }
}

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelProblem {
    /// There is no built-in model in this build, or none in this precision.
    #[error(
        "this build has no model of its own in {0} (the crate feature `builtin-model` has fp32 and int8); name a model file"
    )]
    NotBuiltIn(Precision),
    /// No output gives classes.
    #[error("its outputs {0:?} give no classes; expected one of class_map, logits and logits8")]
    NoClasses(Vec<String>),
    /// Not readable.
    #[error("cannot read the file: {0}")]
    Read(#[from] io::Error),
    /// No model file of this project.
    #[error(transparent)]
    File(#[from] FileError),
    /// An input or output that does not fit the metadata.
    #[error("`{name}` of shape {found:?} is no input or output of an LRNNet model; export it with lrnnet-export")]
    Port {
        /// Name.
        name: String,
        /// Extents, `None` where the caller chooses.
        found: Vec<Option<usize>>,
    },
}
