//! From what was asked for, and what the weights say, to one checked configuration.

use lrnnet_graph::{
    Block, Classes, Config, ConfigError, Context, Head, InputKind, InputSize, Normalization, Settings, Variant,
};

use crate::ErrorKind;
use crate::clues::Clues;
use crate::note::Note;

/// Height and width where neither weights nor presets say what they were trained for: the paper's.
const PAPER_SIZE: [usize; 2] = [512, 1024];

/// What can be asked for; what is `None` follows from the weights.
#[derive(Clone, Debug, PartialEq)]
pub struct Choices {
    /// The paper's model; stands for a block and a context.
    pub variant: Option<Variant>,
    /// Residual block.
    pub block: Option<Block>,
    /// Context module.
    pub context: Option<Context>,
    /// Power iterations of a context of singular vectors.
    pub power_iterations: Option<usize>,
    /// Class names and colours.
    pub classes: Option<Classes>,
    /// Statistics of the pictures that the weights were trained with.
    pub normalization: Option<Normalization>,
    /// Size of the input; that of training where it is `None`.
    pub size: Option<SizeChoice>,
    /// Pictures per run of a fixed size.
    pub batch: BatchChoice,
    /// Kind of input.
    pub input: InputKind,
    /// Kind of output.
    pub head: Head,
}

/// A size of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SizeChoice {
    /// Height and width.
    Fixed([usize; 2]),
    /// The caller chooses batch, height and width at every run.
    Dynamic,
}

/// Pictures per run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchChoice {
    /// Always so many.
    Fixed(usize),
    /// The caller chooses at every run.
    Free,
}

impl Default for Choices {
    fn default() -> Self {
        Self {
            variant: None,
            block: None,
            context: None,
            power_iterations: None,
            classes: None,
            normalization: None,
            size: None,
            batch: BatchChoice::Fixed(1),
            input: InputKind::F32Nchw,
            head: Head::ClassMap,
        }
    }
}

/// A configuration, and what was assumed on the way to it.
#[derive(Clone, Debug, PartialEq)]
pub struct Settled {
    /// The checked configuration.
    pub config: Config,
    /// Each thing that was not asked for and not certain.
    pub notes: Vec<Note>,
}

/// Why choices and weights make no configuration.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChoiceError {
    /// Nothing says what the classes are.
    #[error("the weights do not say what their {} classes are called; name them", number(*found))]
    ClassesUnknown {
        /// Outputs of the classifier.
        found: Option<usize>,
    },
    /// Names for another number of classes than the weights have.
    #[error("{named} classes are named, but the weights' `classifier.predict.weight` has {found} outputs")]
    ClassCount {
        /// Number of names.
        named: usize,
        /// Outputs of the classifier.
        found: usize,
    },
    /// A model of the paper beside a part of one.
    #[error("a variant stands for a block and a context; choose it or these, not both")]
    Variant,
    /// Pictures per run of a graph that leaves their number open.
    #[error("a dynamic model takes any number of pictures at a time; leave the batch of {0} out, or fix the size")]
    Batch(usize),
    /// Power iterations of a context that has none.
    #[error(
        "power iterations are a part of singular vectors, but the context is {0}; choose another, or leave them out"
    )]
    PowerIterations(Context),
    /// Means or deviations that pictures do not have.
    #[error(
        "mean {:?} and deviation {:?} are not of pictures with values from 0 to 1; expected means from 0 to 1 and \
         deviations above 0 up to 1: divide those of values to 255 by 255",
        .0.mean, .0.std
    )]
    Normalization(Normalization),
    /// A configuration that no network has.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl ChoiceError {
    /// The sort of this error.
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Argument
    }
}

fn number(count: Option<usize>) -> String {
    count.map_or("unknown number of".to_owned(), |count| count.to_string())
}

impl Choices {
    /// Settles every open question by what the weights say.
    ///
    /// # Errors
    ///
    /// Questions that stay open, and choices that contradict the weights or each other.
    pub fn settle(self, clues: &Clues) -> Result<Settled, ChoiceError> {
        self.check()?;
        let mut notes = vec![];
        let block = self.block.or(self.variant.map(|_| Block::Fcb)).or(clues.block).unwrap_or(Block::Fcb);
        let mut context = self.context(clues, &mut notes);
        match (&mut context, self.power_iterations) {
            (Context::SingularVectors { iterations, .. }, asked) => {
                *iterations = asked.or(clues.power_iterations).unwrap_or(*iterations);
            }
            (other, Some(_)) => return Err(ChoiceError::PowerIterations(other.clone())),
            _ => {}
        }
        let classes = self.classes(clues, &mut notes)?;
        let trained_size = self.trained_size(&classes, clues, &mut notes);
        let size = match self.size.unwrap_or(SizeChoice::Fixed(trained_size)) {
            SizeChoice::Fixed([height, width]) => match self.batch {
                BatchChoice::Fixed(batch) => InputSize::Static { batch, height, width },
                BatchChoice::Free => InputSize::FreeBatch { height, width },
            },
            SizeChoice::Dynamic => InputSize::Dynamic,
        };
        let normalization = self.normalization(clues, &mut notes)?;
        let (input, head) = (self.input, self.head);
        let config = Config::new(Settings { block, context, classes, normalization, trained_size, size, input, head })?;
        Ok(Settled { config, notes })
    }

    /// Choices that would be passed over without a word.
    fn check(&self) -> Result<(), ChoiceError> {
        if self.variant.is_some() && (self.block.is_some() || self.context.is_some()) {
            return Err(ChoiceError::Variant);
        }
        match (self.size, self.batch) {
            (Some(SizeChoice::Dynamic), BatchChoice::Fixed(batch)) if batch != 1 => Err(ChoiceError::Batch(batch)),
            _ => Ok(()),
        }
    }

    fn context(&self, clues: &Clues, notes: &mut Vec<Note>) -> Context {
        if let Some(asked) = self.context.clone().or(self.variant.map(Variant::context)) {
            if let Some(said) = clues.context.clone().filter(|said| *said != asked) {
                notes.push(Note::ContextOverruled { asked: asked.clone(), said });
            }
            return asked;
        }
        if !clues.has_context {
            return Context::None;
        }
        match clues.context.clone() {
            Some(context) if context != Context::None => {
                notes.push(Note::ContextOfWeights(context.clone()));
                context
            }
            _ => {
                let context = Variant::C.context();
                notes.push(Note::ContextAssumed(context.clone()));
                context
            }
        }
    }

    fn classes(&self, clues: &Clues, notes: &mut Vec<Note>) -> Result<Classes, ChoiceError> {
        let mut note = |note, classes| {
            notes.push(note);
            classes
        };
        let assumed = |data, count| Note::ClassesAssumed { data, count };
        let classes = match (&self.classes, &clues.classes, clues.class_count) {
            (Some(asked), ..) => asked.clone(),
            (None, Some(said), _) => note(Note::ClassesOfWeights, said.clone()),
            (None, None, Some(11)) => note(assumed("CamVid", 11), Classes::camvid()),
            (None, None, Some(19)) => note(assumed("Cityscapes", 19), Classes::cityscapes()),
            (None, None, found) => return Err(ChoiceError::ClassesUnknown { found }),
        };
        match clues.class_count {
            Some(found) if found != classes.names.len() => {
                Err(ChoiceError::ClassCount { named: classes.names.len(), found })
            }
            _ => Ok(classes),
        }
    }

    fn normalization(&self, clues: &Clues, notes: &mut Vec<Note>) -> Result<Normalization, ChoiceError> {
        match (self.normalization, clues.normalization) {
            (Some(asked), _) if !is_of_pictures(&asked) => Err(ChoiceError::Normalization(asked)),
            (Some(asked), said) => {
                let other = said.filter(|said| *said != asked);
                notes.extend(other.map(|said| Note::NormalizationOverruled { asked, said }));
                Ok(asked)
            }
            (None, Some(said)) => Ok(said),
            (None, None) => {
                notes.push(Note::NormalizationAssumed(Normalization::IMAGENET));
                Ok(Normalization::IMAGENET)
            }
        }
    }

    fn trained_size(&self, classes: &Classes, clues: &Clues, notes: &mut Vec<Note>) -> [usize; 2] {
        let preset = [Settings::camvid(), Settings::cityscapes()].into_iter().find(|preset| preset.classes == *classes);
        let known = clues.trained_size.or(preset.map(|preset| preset.trained_size));
        known.unwrap_or_else(|| match self.size {
            Some(SizeChoice::Fixed(size)) => size,
            _ => {
                notes.push(Note::TrainedSizeAssumed(PAPER_SIZE));
                PAPER_SIZE
            }
        })
    }
}

/// Whether values from 0 to 1 can have these statistics; a deviation of 1 leaves them as they are.
fn is_of_pictures(normalization: &Normalization) -> bool {
    let Normalization { mean, std } = normalization;
    mean.iter().all(|mean| (0.0..=1.0).contains(mean)) && std.iter().all(|std| *std > 0.0 && *std <= 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clues(class_count: usize) -> Clues {
        Clues {
            block: Some(Block::Fcb),
            has_context: true,
            class_count: Some(class_count),
            normalization: Some(Normalization::IMAGENET),
            ..Clues::default()
        }
    }

    fn settle(choices: Choices, clues: &Clues) -> Settled {
        choices.settle(clues).unwrap()
    }

    #[test]
    fn what_is_certain_needs_no_note_and_what_is_assumed_has_one() {
        let asked = Choices { variant: Some(Variant::B), classes: Some(Classes::camvid()), ..Choices::default() };
        let settled = settle(asked, &clues(11));
        assert_eq!((settled.config.variant(), settled.notes), (Some(Variant::B), vec![]));

        let settled = settle(Choices::default(), &clues(11));
        assert_eq!(settled.config, Config::new(Settings::camvid()).unwrap());
        let classes = Note::ClassesAssumed { data: "CamVid", count: 11 };
        assert_eq!(settled.notes, [Note::ContextAssumed(Variant::C.context()), classes]);
        assert_eq!(settle(Choices::default(), &clues(19)).config, Config::new(Settings::cityscapes()).unwrap());
    }

    #[test]
    fn choices_that_exclude_each_other_are_refused() {
        let c = || Choices { variant: Some(Variant::C), ..Choices::default() };
        let dynamic = || Choices { size: Some(SizeChoice::Dynamic), ..Choices::default() };
        let two = BatchChoice::Fixed(2);
        let cases = [
            (Choices { block: Some(Block::Fcb), ..c() }, Some(ChoiceError::Variant)),
            (Choices { context: Some(Context::None), ..c() }, Some(ChoiceError::Variant)),
            (c(), None),
            (Choices { batch: two, ..dynamic() }, Some(ChoiceError::Batch(2))),
            (dynamic(), None),
            (Choices { batch: two, ..Choices::default() }, None),
            (Choices { batch: BatchChoice::Free, ..dynamic() }, None),
        ];
        for (choices, expected) in cases {
            assert_eq!(choices.clone().settle(&clues(11)).err(), expected, "{choices:?}");
        }
    }

    #[test]
    fn names_of_tensors_decide_block_and_absence_of_context() {
        let clues = Clues { block: Some(Block::SsNbt), has_context: false, ..clues(19) };
        let config = settle(Choices::default(), &clues).config;
        assert_eq!((config.block, &config.context), (Block::SsNbt, &Context::None));
    }

    #[test]
    fn metadata_of_the_training_comes_before_presets() {
        let classes = Classes::named(vec!["road".into(), "rest".into()]);
        let normalization = Normalization { mean: [0.5; 3], std: [0.25; 3] };
        let clues = Clues {
            context: Some(Variant::B.context()),
            classes: Some(classes.clone()),
            normalization: Some(normalization),
            trained_size: Some([128, 256]),
            ..clues(2)
        };
        let config = settle(Choices { size: Some(SizeChoice::Dynamic), ..Choices::default() }, &clues).config;
        assert_eq!((config.variant(), &config.classes), (Some(Variant::B), &classes));
        assert_eq!((config.normalization, config.trained_size), (normalization, [128, 256]));
        assert_eq!(config.size, InputSize::Dynamic);
    }

    #[test]
    fn every_context_is_taken_from_the_metadata_and_another_choice_is_noted() {
        let pooled = Context::MaxPool { scales: vec![8] };
        let said = Clues { context: Some(pooled.clone()), ..clues(11) };
        assert_eq!(settle(Choices::default(), &said).config.context, pooled);
        let settled = settle(Choices { variant: Some(Variant::C), ..Choices::default() }, &said);
        assert_eq!(settled.config.variant(), Some(Variant::C));
        assert_eq!(settled.notes[0], Note::ContextOverruled { asked: Variant::C.context(), said: pooled });
        assert!(settled.notes[0].to_string().contains("although the weights were trained with max:8"));

        // Metadata that deny the context that the tensors have say nothing.
        let settled = settle(Choices::default(), &Clues { context: Some(Context::None), ..clues(11) });
        assert_eq!(settled.notes[0], Note::ContextAssumed(Variant::C.context()));

        let said = Clues { context: Some(Variant::B.context()), power_iterations: Some(3), ..clues(11) };
        let iterations = |asked| {
            let choices = Choices { variant: Some(Variant::B), power_iterations: asked, ..Choices::default() };
            match settle(choices, &said).config.context.clone() {
                Context::SingularVectors { iterations, .. } => iterations,
                other => panic!("{other}"),
            }
        };
        assert_eq!((iterations(None), iterations(Some(1))), (3, 1));
    }

    #[test]
    fn sizes_follow_from_request_then_preset_then_paper() {
        let named = Some(Classes::named(vec!["a".into(), "b".into()]));
        let with = |size| settle(Choices { classes: named.clone(), size, ..Choices::default() }, &clues(2));
        assert_eq!(with(Some(SizeChoice::Fixed([64, 128]))).config.trained_size, [64, 128]);
        let settled = with(None);
        assert_eq!(settled.config.trained_size, PAPER_SIZE);
        assert!(settled.notes.contains(&Note::TrainedSizeAssumed([512, 1024])), "{:?}", settled.notes);
        let camvid = settle(Choices { size: Some(SizeChoice::Fixed([64, 128])), ..Choices::default() }, &clues(11));
        assert_eq!(camvid.config.trained_size, [360, 480]);
    }

    #[test]
    fn normalisation_is_never_a_silent_guess() {
        let (asked, said) = (Normalization { mean: [0.5; 3], std: [0.25; 3] }, Normalization::IMAGENET);
        let silent = Clues { normalization: None, ..clues(11) };
        let named = Choices { variant: Some(Variant::C), classes: Some(Classes::camvid()), ..Choices::default() };
        let asking = Choices { normalization: Some(asked), ..named.clone() };
        let cases = [
            (&named, &silent, said, Some(Note::NormalizationAssumed(said))),
            (&named, &clues(11), said, None),
            (&asking, &silent, asked, None),
            (&asking, &clues(11), asked, Some(Note::NormalizationOverruled { asked, said })),
            (&asking, &Clues { normalization: Some(asked), ..clues(11) }, asked, None),
        ];
        for (choices, clues, normalization, note) in cases {
            let settled = settle(choices.clone(), clues);
            assert_eq!((settled.config.normalization, settled.notes), (normalization, Vec::from_iter(note)));
        }
        for note in [Note::NormalizationAssumed(said), Note::NormalizationOverruled { asked, said }] {
            assert!(note.to_string().contains("0.485, 0.456, 0.406"), "{note}");
        }
    }

    #[test]
    fn statistics_of_other_values_are_refused() {
        let good = [([0.0; 3], [1.0; 3]), ([1.0; 3], [1.0 / 255.0; 3])];
        let bad = [
            ([123.675, 116.28, 103.53], [58.395, 57.12, 57.375]),
            ([0.5, 0.5, -0.1], [0.25; 3]),
            ([0.5, 1.1, 0.5], [0.25; 3]),
            ([0.5; 3], [0.25, 0.0, 0.25]),
            ([0.5; 3], [0.25, 0.25, 1.1]),
            ([f32::NAN, 0.5, 0.5], [0.25; 3]),
            ([0.5; 3], [0.25, f32::NAN, 0.25]),
        ];
        let settle = |(mean, std)| {
            let normalization = Some(Normalization { mean, std });
            Choices { normalization, ..Choices::default() }.settle(&clues(11))
        };
        assert!(good.into_iter().all(|statistics| settle(statistics).is_ok()));
        for statistics in bad {
            let error = settle(statistics).unwrap_err();
            assert!(matches!(error, ChoiceError::Normalization(_)), "{statistics:?}: {error}");
        }
    }

    #[test]
    fn contradictions_are_named() {
        let iterations = Choices { variant: Some(Variant::A), power_iterations: Some(3), ..Choices::default() };
        let size = Choices { size: Some(SizeChoice::Fixed([100, 128])), ..Choices::default() };
        let cases = [
            (Choices::default(), 5, "their 5 classes"),
            (Choices { classes: Some(Classes::cityscapes()), ..Choices::default() }, 11, "19 classes are named"),
            (iterations, 11, "the context is none"),
            (size, 11, "nearest sizes are 96 and 104"),
        ];
        for (choices, count, words) in cases {
            let message = choices.settle(&clues(count)).unwrap_err().to_string();
            assert!(message.contains(words), "{message}");
        }
    }
}
