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
//!
//! # Errors
//!
//! Each error type says what failed and what was expected, and has a `kind()`: an [`ErrorKind`], the same few for all.

mod choices;
mod class_file;
mod clues;
mod error_kind;
mod export;
mod inspect;
mod note;
mod verify;
pub mod weights;

pub use choices::{ChoiceError, Choices, Settled, SizeChoice};
pub use class_file::{ClassFileError, read_classes};
pub use clues::Clues;
pub use error_kind::ErrorKind;
pub use export::{ExportError, Exported, ModelError, Plan, export};
pub use inspect::{InspectError, Inspection, PortLine, inspect};
pub use note::Note;
pub use verify::{Verification, VerifyError};
