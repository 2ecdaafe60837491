//! tract: the runtime that is part of this program. Every call of it stands here and in [`parallel`].

mod parallel;

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use half::f16;
use lrnnet_graph::{ElementType, InputKind};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::bail;

use self::parallel::{ParallelPlan, Threads};
use super::{
    Data, Engine, EngineError, EngineOptions, Input, Opening, Outputs, Placement, ResidentEngine, RuntimeCause,
    input_shape,
};
use crate::model::{Model, OutputPort};
use crate::size::Size;

const RUNTIME: &str = "tract";
/// Plans kept at a time. A folder of pictures rarely has more sizes, and each plan holds the weights again.
const MAX_PLANS: usize = 4;

/// Opens what is asked for in tract.
pub fn open(opening: &Opening<'_>) -> Result<Box<dyn ResidentEngine>, EngineError> {
    Ok(Box::new(TractEngine::load(opening.model, opening.options)?))
}

/// Counts the nodes of the plan.
pub fn placement(opening: &Opening<'_>) -> Result<Placement, EngineError> {
    let plan = TractEngine::load(opening.model, opening.options)?.plan(opening.batch, opening.size)?;
    Ok(Placement::from([(RUNTIME.to_owned(), plan.len())]))
}

/// A model in tract, with one optimised plan for each input shape: tract plans best for concrete shapes.
struct TractEngine {
    model: InferenceModel,
    outputs: Vec<OutputPort>,
    kind: InputKind,
    /// Most recently used first.
    plans: Vec<((usize, Size), Arc<ParallelPlan>)>,
    threads: Threads,
    held: Option<(Arc<ParallelPlan>, TValue)>,
    description: String,
}

impl TractEngine {
    /// Loads `model`.
    fn load(model: &Model, options: &EngineOptions) -> Result<Self, EngineError> {
        // All shapes follow from the input's. Declared ones hold names such as `batch`, which would not become numbers.
        let onnx = tract_onnx::onnx().with_ignore_value_info(true).with_ignore_output_shapes(true);
        let read = || onnx.model_for_read(&mut Cursor::new(model.bytes()));
        let size = model.fixed_size().map_or_else(|| "any".to_owned(), |size| size.to_string());
        let inference = guarded(read).map_err(|source| EngineError::Model { runtime: RUNTIME, size, source })?;
        let threads = options.threads_or_cores();
        Ok(Self {
            model: inference,
            outputs: model.output_ports().to_vec(),
            kind: model.input_kind(),
            plans: vec![],
            threads: Threads::new(threads),
            held: None,
            description: format!("tract, {threads} CPU thread{}", if threads.get() == 1 { "" } else { "s" }),
        })
    }

    /// The plan for a shape: kept from before or made now.
    fn plan(&mut self, batch: usize, size: Size) -> Result<Arc<ParallelPlan>, EngineError> {
        let key = (batch, size);
        if let Some(at) = self.plans.iter().position(|(known, _)| *known == key) {
            self.plans[..=at].rotate_right(1);
        } else {
            let plan = guarded(|| self.make_plan(batch, size)).map_err(|source| EngineError::Model {
                runtime: RUNTIME,
                size: size.to_string(),
                source,
            })?;
            self.plans.truncate(MAX_PLANS - 1);
            self.plans.insert(0, (key, plan));
        }
        Ok(self.plans[0].1.clone())
    }

    fn make_plan(&self, batch: usize, size: Size) -> TractResult<Arc<ParallelPlan>> {
        let shape = input_shape(self.kind, batch, size);
        let fact = match self.kind {
            InputKind::F32Nchw => f32::fact(shape),
            InputKind::U8Nhwc => u8::fact(shape),
        };
        let plan = self.model.clone().with_input_fact(0, fact.into())?.into_optimized()?.into_runnable()?;
        ParallelPlan::new(plan).map(Arc::new)
    }
}

impl Engine for TractEngine {
    fn prepare(&mut self, batch: usize, size: Size) -> Result<(), EngineError> {
        self.plan(batch, size).map(drop)
    }

    fn run(&mut self, input: &Input<'_>, outputs: &mut Outputs) -> Result<(), EngineError> {
        let plan = self.plan(input.batch, input.size)?;
        let value = guarded(|| tensor(input)).map_err(run_error)?;
        let results = plan.run(&[value.into()], &self.threads).map_err(run_error)?;
        let mut ports = self.outputs.iter().zip(&results);
        guarded(|| ports.try_for_each(|(port, value)| copy(value, port, outputs))).map_err(run_error)
    }

    fn description(&self) -> &str {
        &self.description
    }
}

impl ResidentEngine for TractEngine {
    fn hold(&mut self, input: &Input<'_>) -> Result<(), EngineError> {
        let plan = self.plan(input.batch, input.size)?;
        let value = guarded(|| tensor(input)).map_err(run_error)?;
        self.held = Some((plan, value.into()));
        Ok(())
    }

    fn run_held(&mut self) -> Result<(), EngineError> {
        let (plan, value) = self.held.as_ref().ok_or_else(|| run_error("no input is held".into()))?;
        plan.run(std::slice::from_ref(value), &self.threads).map(drop).map_err(run_error)
    }
}

/// Copies what a run put out at `port`.
fn copy(value: &TValue, port: &OutputPort, outputs: &mut Outputs) -> TractResult<()> {
    let (shape, ram) = (value.shape(), value.try_as_plain_ram()?);
    match port.element {
        ElementType::Float32 => outputs.set(&port.name, shape, ram.as_slice::<f32>()?),
        ElementType::Float16 => outputs.set(&port.name, shape, ram.as_slice::<f16>()?),
        ElementType::Uint8 => outputs.set(&port.name, shape, ram.as_slice::<u8>()?),
        ElementType::Int64 => outputs.set(&port.name, shape, ram.as_slice::<i64>()?),
        ElementType::Int32 => outputs.set(&port.name, shape, ram.as_slice::<i32>()?),
        ElementType::Int8 => outputs.set(&port.name, shape, ram.as_slice::<i8>()?),
        other => bail!("`{}` has the element type {other}", port.name),
    }
    Ok(())
}

fn run_error(source: RuntimeCause) -> EngineError {
    EngineError::Run { runtime: RUNTIME, source }
}

fn tensor(input: &Input<'_>) -> TractResult<Tensor> {
    let shape = input.shape();
    match input.data {
        Data::F32Nchw(values) => Tensor::from_shape(&shape, values),
        Data::U8Nhwc(values) => Tensor::from_shape(&shape, values),
    }
}

/// Runs `work` and makes an error of a panic: tract checks less than it assumes about a graph it has not seen.
fn guarded<T>(work: impl FnOnce() -> TractResult<T>) -> Result<T, RuntimeCause> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| format!("{error:#}").into()),
        Err(_) => Err("tract panicked on this graph".into()),
    }
}
