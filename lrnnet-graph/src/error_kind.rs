//! What sort of failure an error is, for callers that react to sorts rather than to single errors.

/// The sort of an error of this project's libraries: what a binding maps to its exceptions, and a program to its exit
/// codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was asked for makes no sense, does not fit the model, or leaves a question open.
    Argument,
    /// The weight file cannot be read, is none, or does not fit the network.
    Weights,
    /// The file of class names cannot be read, or is none.
    Classes,
    /// The model file cannot be read, is none of this project, or cannot be fed.
    Model,
    /// A picture, frame or label is none, or is too large.
    Picture,
    /// The finished model computes something else than its plain form.
    Verification,
    /// The device, or the library of its runtime, does not work here.
    Device,
    /// The network ran and failed, or put out something else than the model's metadata says.
    Run,
    /// What was made cannot be written.
    Output,
}
