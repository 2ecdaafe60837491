//! What sort of failure an error is, for callers that react to sorts rather than to single errors.

/// The sort of an error of this crate: what a binding maps to its exceptions, and a program to its exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// What was asked for makes no sense, contradicts the weights, or leaves a question open.
    Argument,
    /// The weight file cannot be read, is none, or does not fit the network.
    Weights,
    /// The file of class names cannot be read, or is none.
    Classes,
    /// The model file cannot be read, or is none of this project.
    Model,
    /// The finished model computes something else than its plain form.
    Verification,
    /// The runtime that verifies failed.
    Run,
}
