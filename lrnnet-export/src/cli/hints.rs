//! What to type to mend an error or to settle what was assumed: the library knows nothing of this program's words.

use std::error::Error;

use lrnnet_export::{ChoiceError, ModelError, Note, VerifyError};
use lrnnet_graph::{HalfError, Precision};

/// What helps against `error`, which is an error or one of its causes.
pub fn against(error: &(dyn Error + 'static)) -> Option<&'static str> {
    if let Some(error) = error.downcast_ref() {
        return match error {
            ChoiceError::ClassesUnknown { .. } => {
                Some("--classes camvid (11), --classes cityscapes (19) or --classes names.txt (one name a line)")
            }
            ChoiceError::PowerIterations(_) => Some("choose singular vectors with --context svn:8,4"),
            _ => None,
        };
    }
    match (error.downcast_ref(), error.downcast_ref()) {
        (Some(ModelError::Half(HalfError::Range { .. })), _) => Some("export it without --half"),
        (_, Some(VerifyError::Disagreement { precision: Precision::Fp16, .. })) => Some("export it without --half"),
        (_, Some(VerifyError::Disagreement { precision: Precision::Int8, .. })) => {
            Some("calibrate on more pictures, as the model will see them (--calibration, --samples)")
        }
        (_, Some(VerifyError::Disagreement { .. })) => Some("please report this; --no-verify writes the file anyway"),
        _ => None,
    }
}

/// The flags that settle what `note` says was assumed.
pub fn flags(note: &Note) -> Option<&'static str> {
    match note {
        Note::ContextAssumed(_) => Some("--variant or --context"),
        Note::ClassesAssumed { .. } => Some("--classes"),
        Note::TrainedSizeAssumed(_) => Some("--imgsz"),
        Note::NormalizationAssumed(_) => Some("--mean and --std"),
        _ => None,
    }
}
