//! Why a stream ends early.

use std::error::Error;
use std::io;

use crate::ErrorKind;
use crate::segmenter::SegmentError;
use crate::size::Size;
use crate::stream::pipeline::{Failed, Stage};
use crate::stream::y4m::HeaderError;

/// What can go wrong with a frame.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameProblem {
    /// The source cannot be read.
    #[error("cannot read the stream")]
    Read(#[source] io::Error),
    /// The source gives nothing.
    #[error("no data for {seconds} seconds")]
    Stalled {
        /// Seconds waited.
        seconds: u64,
    },
    /// Cut short.
    #[error("the stream ends in the middle of a frame, after {found} of its {needed} bytes")]
    Truncated {
        /// Bytes of the frame that came.
        found: usize,
        /// Bytes of a frame.
        needed: usize,
    },
    /// Another size than before.
    #[error("the frames change from {from} to {to}; a stream has one size")]
    SizeChanged {
        /// Size of the first frame.
        from: Size,
        /// Size of this one.
        to: Size,
    },
    /// No y4m, or one that cannot be read.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The network fails.
    #[error(transparent)]
    Segment(#[from] SegmentError),
    /// The result cannot be written.
    #[error("cannot write the result")]
    Write(#[source] io::Error),
    /// A source or sink of the caller's fails.
    #[error(transparent)]
    Other(Box<dyn Error + Send + Sync>),
}

impl FrameProblem {
    /// Of a reader: one that waited too long stalls.
    pub fn reading(error: io::Error) -> Self {
        match error.downcast::<Waited>() {
            Ok(Waited { seconds }) => Self::Stalled { seconds },
            Err(error) => Self::Read(error),
        }
    }

    /// The sort of the error. What a caller's own source or sink reports counts as a failed run.
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Read(_) | Self::Stalled { .. } | Self::Truncated { .. } | Self::SizeChanged { .. } => {
                ErrorKind::Picture
            }
            Self::Header(error) => error.kind(),
            Self::Segment(error) => error.kind(),
            Self::Write(_) => ErrorKind::Output,
            Self::Other(_) => ErrorKind::Run,
        }
    }
}

/// A stream that ended early, with the stage and the frame that ended it. What was done before stays.
#[derive(Debug, thiserror::Error)]
#[error("cannot {} frame {frame}", verb(*stage))]
pub struct StreamError {
    /// Stage that failed.
    pub stage: Stage,
    /// Number of the frame, from 0.
    pub frame: u64,
    /// Why.
    #[source]
    pub problem: FrameProblem,
}

fn verb(stage: Stage) -> &'static str {
    match stage {
        Stage::Decode => "decode",
        Stage::Network => "segment",
        Stage::Write => "write",
    }
}

impl StreamError {
    /// The sort of the error.
    pub fn kind(&self) -> ErrorKind {
        self.problem.kind()
    }
}

impl From<Failed<FrameProblem>> for StreamError {
    fn from(Failed { stage, frame, error }: Failed<FrameProblem>) -> Self {
        Self { stage, frame, problem: error }
    }
}

/// How a reader says that it waited in vain.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no data for {seconds} seconds")]
pub(super) struct Waited {
    /// Seconds waited.
    pub seconds: u64,
}
