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
//! ```
//! use lrnnet_export::{Choices, Clues, Plan, SizeChoice, export, weights::read_weights};
//!
//! # let folder = std::env::temp_dir().join(format!("lrnnet-export-example-{}", std::process::id()));
//! # std::fs::create_dir_all(&folder)?;
//! # let path = folder.join("model.onnx");
//! let file = read_weights("../models/lrnnet-c-camvid.safetensors".as_ref())?;
//! let choices = Choices { size: Some(SizeChoice::Fixed([128, 192])), ..Choices::default() };
//! let settled = choices.settle(&Clues::of(&file))?;
//! for note in &settled.notes {
//!     eprintln!("note: {note}"); // what was not asked for and not certain
//! }
//! let exported = export(file, &Plan::new(settled.config))?; // runs it against the plain form of the network
//! println!("{}", exported.verification.expect("a plan verifies unless told otherwise"));
//! lrnnet_run::atomic::write(&path, |file| file.write_all(&exported.bytes))?; // whole or not at all
//! # std::fs::remove_dir_all(&folder)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Errors
//!
//! Each error type says what failed and what was expected, and has a `kind()`: an [`ErrorKind`], the same few for all.

/// The program is written as its users' programs are: against what this crate shows.
#[cfg(feature = "cli")]
extern crate self as lrnnet_export;

mod calibrate;
mod choices;
mod class_file;
#[cfg(feature = "cli")]
mod cli;
mod clues;
mod export;
mod inspect;
mod note;
pub mod triton;
mod verify;
pub mod weights;

pub use calibrate::{Calibrated, CalibrationError, Samples, calibrate};
pub use choices::{BatchChoice, ChoiceError, Choices, Settled, SizeChoice};
pub use class_file::{ClassFileError, classes_from_bytes, find_classes, read_classes};
#[cfg(feature = "cli")]
pub use cli::program;
pub use clues::Clues;
pub use export::{ExportError, Exported, ModelError, Plan, export};
pub use inspect::{InspectError, Inspection, PortLine, inspect};
pub use lrnnet_graph::{ErrorKind, with_causes};
pub use note::Note;
pub use verify::{Verification, VerifyError};
