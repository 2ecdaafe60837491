//! Trained LRNNet weights in, a checked and self-describing ONNX file out.
//!
//! ```text
//! .safetensors, .pth --weights--> WeightFile --clues--> what the file says about its network
//!                                     |                      |
//!                                     |        Choices --settle--> Config
//!                                     +----------------export----------+
//!                                                 |
//!                      bind, deploy passes, encode, verify against the plain form in tract
//!                                                 |
//!                                              bytes of the .onnx
//! ```
//!
//! ```no_run
//! use lrnnet_export::{Choices, Clues, Plan, export, weights::read_weights};
//!
//! let file = read_weights("weights.safetensors".as_ref())?;
//! let settled = Choices::default().settle(&Clues::of(&file))?;
//! let exported = export(file, &Plan::new(settled.config))?;
//! lrnnet_run::atomic::write("model.onnx".as_ref(), |w| w.write_all(&exported.bytes))?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod choices;
mod class_file;
mod clues;
mod export;
mod inspect;
mod verify;
pub mod weights;

pub use choices::{ChoiceError, Choices, Settled, SizeChoice};
pub use class_file::{ClassFileError, read_classes};
pub use clues::Clues;
pub use export::{ExportError, Exported, ModelError, Plan, export};
pub use inspect::{InspectError, Inspection, PortLine, inspect};
pub use verify::{Verification, VerifyError};
