//! Input and outputs at fixed places of a device's memory.
//!
//! An ordinary run of ONNX Runtime copies the input to the device and the outputs back by itself, which is the fastest
//! way for a picture that comes from the host and a mask that goes there. Two things need fixed places: a CUDA graph,
//! which replays the very addresses that it recorded, and the measurement of the network without its copies.

use lrnnet_graph::ElementType;
use ort::memory::{AllocationDevice, Allocator, AllocatorType, MemoryInfo, MemoryType};
use ort::session::{IoBinding, Session};
use ort::value::{DynTensor, TensorElementType};

use crate::device::Hardware;
use crate::engine::{Data, Input, Outputs};
use crate::model::OutputPort;
use crate::size::Size;

/// Tensors that are bound to a session, for one shape.
pub struct Bound {
    binding: IoBinding,
    batch: usize,
    size: Size,
    input: Staged,
    outputs: Vec<(OutputPort, Staged)>,
}

/// A tensor in the device's memory, and one in the host's from which or to which it is copied, if the host cannot reach
/// the device's.
struct Staged {
    device: DynTensor,
    host: Option<DynTensor>,
}

impl Bound {
    /// Allocates and binds tensors for inputs like `input`; `staged` with host tensors to copy from and to.
    pub fn new(
        session: &Session,
        hardware: Hardware,
        staged: bool,
        input: &Input<'_>,
        outputs: &[OutputPort],
    ) -> ort::Result<Self> {
        let (place, number) = match hardware {
            Hardware::Cuda(gpu) | Hardware::TensorRt(gpu) => (AllocationDevice::CUDA, gpu as i32),
            Hardware::Cpu => (AllocationDevice::CPU, 0),
        };
        let memory = MemoryInfo::new(place, number, AllocatorType::Device, MemoryType::Default)?;
        let allocator = Allocator::new(session, memory)?;
        let mut binding = session.create_binding()?;

        let element = match input.data {
            Data::F32Nchw(_) => TensorElementType::Float32,
            Data::U8Nhwc(_) => TensorElementType::Uint8,
        };
        let place = Staged::new(&allocator, staged, element, &input.shape())?;
        binding.bind_input(session.inputs()[0].name(), &place.device)?;
        let mut bound = Self { binding, batch: input.batch, size: input.size, input: place, outputs: vec![] };
        for port in outputs {
            let unknown = || ort::Error::new(format!("the extents of `{}` are not known before a run", port.name));
            let shape = port.shape(input.batch, input.size).ok_or_else(unknown)?;
            let mut place = Staged::new(&allocator, staged, element_of(port)?, &shape)?;
            bound.binding.bind_output(&port.name, &mut place.device)?;
            bound.outputs.push((port.clone(), place));
        }
        Ok(bound)
    }

    /// Whether the tensors have the shapes that `input` needs.
    pub fn fits(&self, input: &Input<'_>) -> bool {
        (self.batch, self.size) == (input.batch, input.size)
    }

    /// Copies `input`, for which the tensors fit, to the device.
    pub fn fill(&mut self, input: &Input<'_>) -> ort::Result<()> {
        let Staged { device, host } = &mut self.input;
        let reached = host.as_mut().unwrap_or(device);
        match input.data {
            Data::F32Nchw(values) => reached.try_extract_tensor_mut::<f32>()?.1.copy_from_slice(values),
            Data::U8Nhwc(values) => reached.try_extract_tensor_mut::<u8>()?.1.copy_from_slice(values),
        }
        host.as_ref().map_or(Ok(()), |host| host.copy_into(device))
    }

    /// Runs the network from the bound input to the bound outputs, and waits for its end.
    pub fn run(&self, session: &mut Session) -> ort::Result<()> {
        session.run_binding(&self.binding).map(drop)
    }

    /// Copies the outputs to the host.
    pub fn fetch(&mut self, outputs: &mut Outputs) -> ort::Result<()> {
        for (port, Staged { device, host }) in &mut self.outputs {
            if let Some(host) = host {
                device.copy_into(&mut *host)?;
            }
            super::copy(host.as_ref().unwrap_or(device), port, outputs)?;
        }
        Ok(())
    }
}

fn element_of(port: &OutputPort) -> ort::Result<TensorElementType> {
    match port.element {
        ElementType::Float32 => Ok(TensorElementType::Float32),
        ElementType::Float16 => Ok(TensorElementType::Float16),
        ElementType::Uint8 => Ok(TensorElementType::Uint8),
        ElementType::Int64 => Ok(TensorElementType::Int64),
        ElementType::Int32 => Ok(TensorElementType::Int32),
        ElementType::Int8 => Ok(TensorElementType::Int8),
        other => Err(ort::Error::new(format!("`{}` has the element type {other}", port.name))),
    }
}

impl Staged {
    fn new(allocator: &Allocator, staged: bool, element: TensorElementType, shape: &[usize]) -> ort::Result<Self> {
        let host = staged.then(|| DynTensor::new(&Allocator::default(), element, shape)).transpose()?;
        Ok(Self { device: DynTensor::new(allocator, element, shape)?, host })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{OrtEngine, library};
    use super::*;
    use crate::device::Device;
    use crate::engine::{Engine, EngineOptions};

    /// On a GPU these tensors carry a CUDA graph's input and outputs. Staging is the same code on the CPU, where nothing
    /// but this test needs it.
    #[test]
    fn bound_tensors_carry_what_an_ordinary_run_does() {
        let model = crate::engine::tests::model();
        let size = model.default_size();
        let library = library::find(None).expect("`cargo xtask test` fetches it");
        let mut engine = OrtEngine::load(&model, Device::CPU, &library, &EngineOptions::default()).unwrap();
        let pictures = [lrnnet_graph::synthetic::picture(size.height, size.width), vec![90; 3 * size.area()]];
        let [first, second] = pictures.each_ref().map(|data| Input { data: Data::U8Nhwc(data), batch: 1, size });
        for staged in [false, true] {
            let mut bound = Bound::new(&engine.session, Hardware::Cpu, staged, &first, &engine.outputs).unwrap();
            for input in [first, second] {
                let (mut plain, mut found) = (Outputs::default(), Outputs::default());
                engine.run(&input, &mut plain).unwrap();
                bound.fill(&input).unwrap();
                bound.run(&mut engine.session).unwrap();
                bound.fetch(&mut found).unwrap();
                assert_eq!(plain.bytes("class_map").map(<[u8]>::len), Some(size.area()));
                assert!(plain == found, "staged: {staged}");
            }
        }
    }
}
