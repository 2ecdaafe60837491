//! What sort of failure an error is, for callers that react to sorts rather than to single errors.

/// The sort of an error of this crate: what a binding maps to its exceptions, and a program to its exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was asked for does not fit: a size, a number of pictures, an option that the device does not have.
    Argument,
    /// The model file is none, or none that this crate can feed.
    Model,
    /// A picture, frame or label is none, or is too large.
    Picture,
    /// The device, or the library of its runtime, does not work here.
    Device,
    /// The network ran and failed, or put out something else than the model's metadata says.
    Run,
}
