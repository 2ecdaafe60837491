//! `lrnnet.Segmenter`

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lrnnet_graph::Precision;
use lrnnet_run::engine::EngineOptions;
use lrnnet_run::{DeviceChoice, SegmentError, SegmenterBuilder, Size, with_causes};
use numpy::{PyArray1, PyArray2, PyArrayMethods, PyReadonlyArray2, PyReadwriteArray2, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use crate::error::{argument, exception, of_building, unknown};
use crate::files::{self, Source};
use crate::log;
use crate::picture::Picture;

/// A trained network on a device, ready for pictures.
///
/// model: a file of `lrnnet-export` or its bytes; by default the built-in CamVid model (research use only).
/// device: "auto" takes the best that works; "cpu" (ONNX Runtime), "tract", "cuda[:N]" and "tensorrt[:N]" work or fail,
///     and never fall back.
/// precision: "fp32" or "int8", of the built-in model.
/// size: height and width at which a dynamic model runs; by default they follow each picture.
/// batch: pictures per run; a model with a fixed batch takes no other.
/// threads: of a run on the CPU; by default the runtime's choice.
/// library: ONNX Runtime's library or its folder; by default that of ORT_DYLIB_PATH, else that of an installed
///     `onnxruntime` wheel, else where `lrnnet-run doctor` looks.
/// trust_model: take a model that lrnnet-export did not write as it is: only from somebody you would run a program of.
///
/// Any thread may call it; calls wait for each other, and the interpreter's lock is released meanwhile. For pictures
/// side by side, make a segmenter for each thread.
#[pyclass(module = "lrnnet", frozen)]
pub struct Segmenter {
    inner: Mutex<lrnnet_run::Segmenter>,
}

#[pymethods]
impl Segmenter {
    #[new]
    #[pyo3(signature = (
        model=None, device="auto", *, precision=None, size=None, batch=1, threads=None, library=None, trust_model=false
    ))]
    #[expect(clippy::too_many_arguments, reason = "each has a name and a default in Python")]
    fn new(
        py: Python<'_>,
        model: Option<Source>,
        device: &str,
        precision: Option<&str>,
        size: Option<(usize, usize)>,
        batch: usize,
        threads: Option<usize>,
        library: Option<PathBuf>,
        trust_model: bool,
    ) -> PyResult<Self> {
        let device: DeviceChoice = device.parse().map_err(|error| unknown(&error))?;
        let builder = lrnnet_run::Segmenter::builder().device(device).trust_model(trust_model);
        let builder = match (model, precision) {
            (None, None) => builder,
            (None, Some(word)) => builder.builtin(word.parse::<Precision>().map_err(|error| unknown(&error))?),
            (Some(_), Some(_)) => return Err(argument("precision is that of the built-in model; a file has its own")),
            (Some(Source::Bytes(bytes)), None) => builder.model_bytes(bytes),
            (Some(Source::Path(path)), None) => builder.model_path(path),
        };
        let one_or_more =
            |name, count| NonZeroUsize::new(count).ok_or_else(|| argument(format!("{name} is 0; expected 1 or more")));
        let threads = threads.map(|threads| one_or_more("threads", threads)).transpose()?;
        let builder = builder.batch(one_or_more("batch", batch)?).engine_options(EngineOptions {
            library,
            suggested: installed_library(py),
            threads,
        });
        let builder = match size {
            Some((height, width)) => builder.image_size(Size::new(height, width)),
            None => builder,
        };
        Self::build(py, builder)
    }

    /// Segments one picture.
    ///
    /// picture: uint8 `[height, width, 3]`, RGB, of any size and strides. Rows of whole pixels are not copied: neither
    ///     crops (`a[8:, :640]`) nor `bgr[:, :, ::-1]` are.
    /// out: uint8 `[height, width]`, contiguous: a mask to fill and return in place of a new one.
    ///
    /// Gives a class id per pixel, uint8 `[height, width]`, at the picture's own size.
    #[pyo3(signature = (picture, out=None))]
    fn segment<'py>(
        &self,
        picture: &Bound<'py, PyAny>,
        out: Option<Bound<'py, PyArray2<u8>>>,
    ) -> PyResult<Bound<'py, PyArray2<u8>>> {
        let py = picture.py();
        if let Some(mask) = &out
            && py.import("numpy")?.call_method1("may_share_memory", (picture, mask))?.is_truthy()?
        {
            return Err(argument("out shares memory with the picture; expected a mask of its own"));
        }
        let picture = Picture::of(picture)?;
        let mask = out.map_or_else(|| Ok(blank(py, picture.size())), |mask| of_size(mask, picture.size()))?;
        let frame = picture.frame()?;
        let mut ids = mask.try_readwrite()?;
        let slice = ids.as_slice_mut()?;
        py.detach(|| self.lock().segment_into(frame, slice)).map_err(|error| exception(error.kind(), &error))?;
        drop(ids);
        Ok(mask)
    }

    /// Segments any number of pictures, `batch` of them in a run.
    ///
    /// pictures: each uint8 `[height_i, width_i, 3]`, or all in one array `[n, height, width, 3]`. Those of one run are
    ///     brought to the input size of the first.
    ///
    /// Gives a mask for each, uint8 `[height_i, width_i]`.
    fn segment_batch<'py>(&self, pictures: &Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyArray2<u8>>>> {
        let py = pictures.py();
        let pictures = pictures.try_iter()?.map(|picture| Picture::of(&picture?)).collect::<PyResult<Vec<_>>>()?;
        let frames = pictures.iter().map(Picture::frame).collect::<PyResult<Vec<_>>>()?;
        let masks: Vec<_> = pictures.iter().map(|picture| blank(py, picture.size())).collect();
        let mut ids: Vec<PyReadwriteArray2<'_, u8>> = masks.iter().map(|mask| mask.readwrite()).collect();
        let mut slices = ids.iter_mut().map(|ids| ids.as_slice_mut()).collect::<Result<Vec<_>, _>>()?;
        let run = || {
            let mut segmenter = self.lock();
            let batch = segmenter.batch();
            let mut runs = frames.chunks(batch).zip(slices.chunks_mut(batch));
            runs.try_for_each(|(frames, masks)| segmenter.segment_batch_into(frames, masks).map(|_| ()))
        };
        py.detach(run).map_err(|error: SegmentError| exception(error.kind(), &error))?;
        drop(ids);
        Ok(masks)
    }

    /// Writes a mask, uint8 `[height, width]`, as a PNG file: whole or not at all.
    ///
    /// style: "indexed" (8 bits, index = class id, the model's palette), "gray" (value = class id) or "color" (RGB).
    #[pyo3(signature = (mask, path, style="indexed"))]
    fn save_mask(&self, py: Python<'_>, mask: PyReadonlyArray2<'_, u8>, path: PathBuf, style: &str) -> PyResult<()> {
        let palette = self.of(py, |segmenter| segmenter.metadata().classes.palette.clone());
        files::write_mask(py, &mask, &path, style, &palette)
    }

    /// Names by class id.
    #[getter]
    fn class_names(&self, py: Python<'_>) -> Vec<String> {
        self.of(py, |segmenter| segmenter.metadata().classes.names.clone())
    }

    /// sRGB colours by class id, uint8 `[classes, 3]`: `palette[mask]` is a picture of the mask.
    #[getter]
    fn palette<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyArray2<u8>>> {
        let palette = self.of(py, |segmenter| segmenter.metadata().classes.palette.clone());
        PyArray1::from_vec(py, palette.concat()).reshape([palette.len(), 3])
    }

    /// What the model file says about itself; docs/metadata.md lists the keys.
    #[getter]
    fn metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let json = py.import("json")?;
        let metadata = PyDict::new(py);
        for (key, value) in self.of(py, |segmenter| segmenter.metadata().to_props()) {
            metadata.set_item(key, json.call_method1("loads", (value,))?)?;
        }
        Ok(metadata)
    }

    /// The device in use, as the word that asks for it.
    #[getter]
    fn device(&self, py: Python<'_>) -> Option<String> {
        self.of(py, |segmenter| segmenter.device().map(|device| device.to_string()))
    }

    /// Runtime, version and device in use, in words.
    #[getter]
    fn runtime(&self, py: Python<'_>) -> String {
        self.of(py, |segmenter| segmenter.runtime().to_owned())
    }

    /// The better devices that "auto" tried before, each with the reason why it is not used.
    #[getter]
    fn passed_over(&self, py: Python<'_>) -> Vec<(String, String)> {
        let told = |segmenter: &lrnnet_run::Segmenter| {
            let passed_over = segmenter.passed_over().iter();
            passed_over.map(|(device, error)| (device.to_string(), with_causes(error))).collect()
        };
        self.of(py, told)
    }

    /// Pictures per run.
    #[getter]
    fn batch(&self, py: Python<'_>) -> usize {
        self.of(py, |segmenter| segmenter.batch())
    }

    fn __repr__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyString>> {
        let (model, runtime) =
            self.of(py, |segmenter| (segmenter.model().name().to_owned(), segmenter.runtime().to_owned()));
        Ok(PyString::new(py, &format!("<lrnnet.Segmenter: {model}, {runtime}>")))
    }
}

impl Segmenter {
    fn build(py: Python<'_>, builder: SegmenterBuilder) -> PyResult<Self> {
        let builder = builder.on_notice(|text| {
            // A message that cannot be told does not stop what it is about.
            let _ = Python::attach(|py| log::warning(py, text));
        });
        let built = py.detach(|| builder.build()).map_err(|error| of_building(&error))?;
        log::info(py, &format!("running on {}", built.runtime()))?;
        for (device, error) in built.passed_over() {
            log::info(py, &format!("not on {device}: {}", with_causes(error)))?;
        }
        Ok(Self { inner: Mutex::new(built) })
    }

    /// Waits for other threads' calls. Only without the interpreter's lock, which these may need to end.
    fn lock(&self) -> MutexGuard<'_, lrnnet_run::Segmenter> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of<T: Send>(&self, py: Python<'_>, ask: impl FnOnce(&lrnnet_run::Segmenter) -> T + Send) -> T {
        py.detach(|| ask(&self.lock()))
    }
}

/// The folder of ONNX Runtime's library in an installed wheel, which is looked for without importing it.
fn installed_library(py: Python<'_>) -> Option<PathBuf> {
    let find = || -> PyResult<PathBuf> {
        let spec = py.import("importlib.util")?.call_method1("find_spec", ("onnxruntime",))?;
        let folder: PathBuf = spec.getattr("submodule_search_locations")?.get_item(0)?.extract()?;
        Ok(folder.join("capi"))
    };
    // Without one, the usual places are searched, and where nothing is found they are all named.
    find().ok()
}

fn blank(py: Python<'_>, size: Size) -> Bound<'_, PyArray2<u8>> {
    PyArray2::zeros(py, [size.height, size.width], false)
}

fn of_size(mask: Bound<'_, PyArray2<u8>>, size: Size) -> PyResult<Bound<'_, PyArray2<u8>>> {
    let expected = [size.height, size.width];
    if mask.shape() == expected && mask.is_c_contiguous() {
        return Ok(mask);
    }
    let (shape, strides) = (mask.shape(), mask.strides());
    Err(argument(format!("out has shape {shape:?} and strides {strides:?}; expected a contiguous {expected:?}")))
}
