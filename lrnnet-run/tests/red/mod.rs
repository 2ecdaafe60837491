//! An engine of a test's own: the class of a pixel is its red.

use lrnnet_graph::{Config, Head, InputSize, Settings, synthetic};
use lrnnet_run::engine::{Data, Engine, EngineError, Input, Outputs};
use lrnnet_run::{InputKind, Model, Size};

/// Height and width of the network's input.
pub const INPUT: Size = Size::new(64, 128);
const CLASSES: usize = 11;

/// Takes the brightness of the red bytes for the class: 0 to 255 becomes 0 to 10. Its room is made once.
pub struct RedEngine {
    ids: Vec<u8>,
    scores: Vec<f32>,
}

impl RedEngine {
    pub fn new() -> Self {
        Self { ids: vec![0; INPUT.area()], scores: vec![0.0; CLASSES * INPUT.area() / 64] }
    }
}

pub fn class_of(red: u8) -> u8 {
    (u16::from(red) * 10 / 255) as u8
}

impl Engine for RedEngine {
    fn prepare(&mut self, _batch: usize, _size: Size) -> Result<(), EngineError> {
        Ok(())
    }

    fn run(&mut self, input: &Input<'_>, outputs: &mut Outputs) -> Result<(), EngineError> {
        let Data::U8Nhwc(bytes) = input.data else {
            let source = "this engine takes bytes".into();
            return Err(EngineError::Run { runtime: "red", source });
        };
        let Size { height, width } = input.size;
        self.ids.iter_mut().zip(bytes.chunks_exact(3)).for_each(|(id, pixel)| *id = class_of(pixel[0]));
        outputs.set("class_map", &[1, height, width], &self.ids[..]);
        outputs.set("logits8", &[1, CLASSES, height / 8, width / 8], &self.scores[..]);
        outputs.set("mean_red", &[1], &[bytes.iter().step_by(3).map(|red| f32::from(*red)).sum::<f32>()][..]);
        Ok(())
    }

    fn description(&self) -> &str {
        "red, CPU"
    }
}

pub fn model(head: Head) -> Model {
    let size = InputSize::Static { batch: 1, height: INPUT.height, width: INPUT.width };
    let settings = Settings { size, head, input: InputKind::U8Nhwc, ..Settings::camvid() };
    Model::from_bytes("test", synthetic::onnx(Config::new(settings).unwrap())).unwrap()
}
