//! From what was asked for, and what the weights say, to one checked configuration.

use lrnnet_graph::{
    Block, Classes, Config, ConfigError, Context, Head, InputKind, InputSize, Normalization, Settings, Variant,
};

use crate::clues::Clues;

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
    /// Size of the input; that of training where it is `None`.
    pub size: Option<SizeChoice>,
    /// Pictures per run of a fixed size.
    pub batch: usize,
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

impl Default for Choices {
    fn default() -> Self {
        Self {
            variant: None,
            block: None,
            context: None,
            power_iterations: None,
            classes: None,
            size: None,
            batch: 1,
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
    /// One sentence for each thing that was not asked for and not certain.
    pub notes: Vec<String>,
}

/// Why choices and weights make no configuration.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ChoiceError {
    /// Nothing says what the classes are.
    #[error(
        "the weights do not say what their {} classes are called; name them with --classes camvid (11), --classes \
         cityscapes (19) or --classes names.txt (one name a line)",
        found.map_or("unknown number of".to_owned(), |n| n.to_string())
    )]
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
    /// Power iterations of a context that has none.
    #[error("power iterations are a part of singular vectors (--context svn:...), but the context is {0}")]
    PowerIterations(Context),
    /// A configuration that no network has.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl Choices {
    /// Settles every open question by what the weights say.
    ///
    /// # Errors
    ///
    /// Questions that stay open, and choices that contradict the weights or each other.
    pub fn settle(self, clues: &Clues) -> Result<Settled, ChoiceError> {
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
            SizeChoice::Fixed([height, width]) => InputSize::Static { batch: self.batch, height, width },
            SizeChoice::Dynamic => InputSize::Dynamic,
        };
        let normalization = clues.normalization.unwrap_or(Normalization::IMAGENET);
        let (input, head) = (self.input, self.head);
        let config = Config::new(Settings { block, context, classes, normalization, trained_size, size, input, head })?;
        Ok(Settled { config, notes })
    }

    fn context(&self, clues: &Clues, notes: &mut Vec<String>) -> Context {
        if let Some(asked) = self.context.clone().or(self.variant.map(Variant::context)) {
            if let Some(said) = clues.context.as_ref().filter(|said| **said != asked) {
                notes.push(format!("context {asked} as asked for, although the weights were trained with {said}"));
            }
            return asked;
        }
        if !clues.has_context {
            return Context::None;
        }
        match clues.context.clone() {
            Some(context) if context != Context::None => {
                notes.push(format!("context {context}, by the metadata of the weights"));
                context
            }
            _ => {
                let context = Variant::C.context();
                notes.push(format!(
                    "context {context} (model C) assumed: the weights have a context module but do not say which; choose \
                     with --variant or --context"
                ));
                context
            }
        }
    }

    fn classes(&self, clues: &Clues, notes: &mut Vec<String>) -> Result<Classes, ChoiceError> {
        let mut note = |text: &str, classes| {
            notes.push(text.to_owned());
            classes
        };
        let classes = match (&self.classes, &clues.classes, clues.class_count) {
            (Some(asked), ..) => asked.clone(),
            (None, Some(said), _) => note("class names by the metadata of the weights", said.clone()),
            (None, None, Some(11)) => note("class names of CamVid assumed for 11 classes", Classes::camvid()),
            (None, None, Some(19)) => note("class names of Cityscapes assumed for 19 classes", Classes::cityscapes()),
            (None, None, found) => return Err(ChoiceError::ClassesUnknown { found }),
        };
        match clues.class_count {
            Some(found) if found != classes.names.len() => {
                Err(ChoiceError::ClassCount { named: classes.names.len(), found })
            }
            _ => Ok(classes),
        }
    }

    fn trained_size(&self, classes: &Classes, clues: &Clues, notes: &mut Vec<String>) -> [usize; 2] {
        let preset = [Settings::camvid(), Settings::cityscapes()].into_iter().find(|preset| preset.classes == *classes);
        let known = clues.trained_size.or(preset.map(|preset| preset.trained_size));
        known.unwrap_or_else(|| match self.size {
            Some(SizeChoice::Fixed(size)) => size,
            _ => {
                let [height, width] = PAPER_SIZE;
                notes.push(format!("training size {height}x{width} assumed: the weights do not say theirs"));
                PAPER_SIZE
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clues(class_count: usize) -> Clues {
        Clues { block: Some(Block::Fcb), has_context: true, class_count: Some(class_count), ..Clues::default() }
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
        assert!(settled.notes[0].contains("model C") && settled.notes[1].contains("CamVid"), "{:?}", settled.notes);
        assert_eq!(settle(Choices::default(), &clues(19)).config, Config::new(Settings::cityscapes()).unwrap());
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
        assert!(settled.notes[0].contains("although the weights were trained with max:8"), "{:?}", settled.notes);

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
        assert!(settled.notes.iter().any(|note| note.contains("512x1024")), "{:?}", settled.notes);
        let camvid = settle(Choices { size: Some(SizeChoice::Fixed([64, 128])), ..Choices::default() }, &clues(11));
        assert_eq!(camvid.config.trained_size, [360, 480]);
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
