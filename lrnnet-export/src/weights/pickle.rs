//! What the pickle of a checkpoint would build, found out without building it.
//!
//! A pickle is a program for a small stack machine. `torch.save` writes protocol 2 and few of its opcodes; the
//! machine here knows those, and for each value on the stack keeps only what kind of thing it is. Names of classes
//! and functions (`GLOBAL`) are the only way out of plain data, so they are compared with a list of inert ones and
//! everything else is refused by name. Values are flat and shared, so neither nesting nor repeated references to
//! one value can cost more than the pickle's own length.
//!
//! Opcodes as in Python's `pickletools`; the list of inert names is a part of `torch.load(weights_only=True)`'s.

use std::collections::HashMap;
use std::rc::Rc;

use super::error::SAVE_STATE_DICT;

/// Keys under which training scripts keep a state dict.
const STATE_DICT_KEYS: [&str; 3] = ["state_dict", "model", "model_state_dict"];
/// Attribute of a state dict with the versions of its modules.
const VERSIONS: &str = "_metadata";

/// Where a checkpoint keeps its weights.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct StateDict {
    /// Key of the state dict; `None` where it is the whole file.
    pub key: Option<String>,
    /// Names of its tensors, in its order.
    pub names: Vec<String>,
}

/// Why a pickle is not taken for a checkpoint.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PickleError {
    /// The bytes end before the pickle does.
    #[error("the pickle is cut short")]
    CutShort,
    /// A protocol that `torch.save` writes only when asked to.
    #[error("the pickle is of protocol {0}; expected 2: save it again without `pickle_protocol`")]
    Protocol(u8),
    /// An opcode outside of what `torch.save` writes.
    #[error("opcode 0x{code:02x} at byte {at} of the pickle is not one that torch.save writes; {SAVE_STATE_DICT}")]
    Opcode {
        /// The opcode.
        code: u8,
        /// Its offset in `data.pkl`.
        at: usize,
    },
    /// Operands that no pickler would put there.
    #[error("the pickle is damaged at byte {at}: {what}")]
    Damaged {
        /// Offset in `data.pkl`.
        at: usize,
        /// What is wrong there.
        what: &'static str,
    },
    /// A class or function that is not on the list.
    #[error("the pickle names `{0}`, which is code and is never loaded here; {SAVE_STATE_DICT}")]
    ForeignGlobal(String),
    /// A model object, with its class, instead of its weights.
    #[error("the pickle is a whole module (it names `{0}`), as torch.save(model) writes; {SAVE_STATE_DICT}")]
    WholeModule(String),
    /// A key that stands twice in one dictionary.
    #[error("key `{0}` stands twice in one dictionary; expected each once")]
    Duplicate(String),
    /// No dictionary where one is needed.
    #[error("the pickle holds a {0}; expected a dictionary of tensors")]
    NotADictionary(&'static str),
    /// A dictionary with neither tensors nor one of the keys.
    #[error(
        "the top-level keys are {keys}; expected tensors by name, bare or under `state_dict`, `model` or \
         `model_state_dict`. {SAVE_STATE_DICT}"
    )]
    NoStateDict {
        /// The keys found.
        keys: String,
    },
    /// More than one candidate.
    #[error("both `{0}` and `{1}` hold a dictionary, so the weights are ambiguous; {SAVE_STATE_DICT}")]
    Ambiguous(String, String),
    /// An entry of the state dict that is something else.
    #[error("`{name}` in the state dict is a {found}; expected a tensor")]
    NotATensor {
        /// Key of the entry.
        name: String,
        /// Kind of value.
        found: &'static str,
    },
}

/// Finds the state dict of a checkpoint.
pub(super) fn find_state_dict(pickle: &[u8]) -> Result<StateDict, PickleError> {
    let mut machine =
        Machine { rest: pickle, pickle, stack: vec![], marks: vec![], memo: HashMap::new(), dicts: vec![] };
    let root = machine.run()?;
    machine.locate(&root)
}

/// What kind of thing a value is.
#[derive(Clone, Debug)]
enum Item {
    Text(Rc<str>),
    Integer(i64),
    Dict(usize),
    Tensor,
    Storage,
    EmptyTuple,
    Global(Global),
    /// Plain data whose content does not matter, by the name of its type.
    Plain(&'static str),
}

/// The classes and functions that build weights or plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Global {
    OrderedDict,
    RebuildTensor,
    StorageType,
    /// Without effect on weights: sizes, devices, element types, counters of a learning-rate schedule.
    Inert,
}

impl Global {
    fn find(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_parameter") => Self::RebuildTensor,
            ("torch", storage) if storage.ends_with("Storage") => Self::StorageType,
            ("torch", "Size" | "device" | "float16" | "bfloat16" | "float32" | "float64" | "int64") => Self::Inert,
            ("collections", "Counter") | ("_codecs", "encode") => Self::Inert,
            ("__builtin__" | "builtins", "set" | "frozenset") => Self::Inert,
            _ => return None,
        })
    }
}

impl Item {
    fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::Integer(_) => "number",
            Self::Dict(_) => "dictionary",
            Self::Tensor => "tensor",
            Self::Storage => "storage",
            Self::EmptyTuple => "tuple",
            Self::Global(_) => "class",
            Self::Plain(kind) => kind,
        }
    }
}

/// A dictionary under construction. The values of dictionaries are kept outside of them, so items stay flat.
#[derive(Default)]
struct Dict {
    keys: Vec<Rc<str>>,
    values: HashMap<Rc<str>, Item>,
}

struct Machine<'a> {
    pickle: &'a [u8],
    rest: &'a [u8],
    stack: Vec<Item>,
    marks: Vec<usize>,
    memo: HashMap<u32, Item>,
    dicts: Vec<Dict>,
}

impl Machine<'_> {
    /// Runs to `STOP` and returns the value the pickle builds.
    fn run(&mut self) -> Result<Item, PickleError> {
        loop {
            let code = self.byte()?;
            match code {
                0x80 => self.check_protocol()?,
                b'c' => self.global()?,
                b'.' => return self.pop(),

                b'N' => self.push(Item::Plain("None")),
                0x88 | 0x89 => self.push(Item::Plain("bool")),
                b'K' => self.integer::<1>()?,
                b'M' => self.integer::<2>()?,
                b'J' => self.integer::<4>()?,
                0x8a => self.long()?,
                b'G' => self.array::<8>().map(|_| self.push(Item::Plain("float")))?,
                b'X' => self.text()?,

                b'(' => self.marks.push(self.stack.len()),
                b')' => self.push(Item::EmptyTuple),
                b']' => self.push(Item::Plain("list")),
                b'}' => self.new_dict(),
                b't' => self.pop_to_mark().map(|_| self.push(Item::Plain("tuple")))?,
                0x85..=0x87 => self.tuple(code - 0x84)?,
                b'a' => self.pop().map(|_| ())?,
                b'e' => self.pop_to_mark().map(|_| ())?,
                b's' => self.set_item()?,
                b'u' => self.set_items()?,

                b'q' => self.array::<1>().and_then(|n| self.memorise(n[0].into()))?,
                b'r' => self.array().and_then(|n| self.memorise(u32::from_le_bytes(n)))?,
                b'h' => self.array::<1>().and_then(|n| self.recall(n[0].into()))?,
                b'j' => self.array().and_then(|n| self.recall(u32::from_le_bytes(n)))?,

                b'Q' => self.pop().map(|_| self.push(Item::Storage))?,
                b'R' => self.reduce()?,
                b'b' => self.build()?,
                _ => return Err(PickleError::Opcode { code, at: self.at() }),
            }
        }
    }

    /// Offset of the byte read last.
    fn at(&self) -> usize {
        (self.pickle.len() - self.rest.len()).saturating_sub(1)
    }

    fn damaged(&self, what: &'static str) -> PickleError {
        PickleError::Damaged { at: self.at(), what }
    }

    fn take(&mut self, n: usize) -> Result<&[u8], PickleError> {
        let (taken, rest) = self.rest.split_at_checked(n).ok_or(PickleError::CutShort)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], PickleError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(PickleError::CutShort)?;
        self.rest = rest;
        Ok(*taken)
    }

    fn byte(&mut self) -> Result<u8, PickleError> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn utf8(&mut self, n: usize) -> Result<Rc<str>, PickleError> {
        let text = str::from_utf8(self.take(n)?).map(Rc::from);
        text.map_err(|_| self.damaged("a string is not UTF-8"))
    }

    fn line(&mut self) -> Result<Rc<str>, PickleError> {
        let end = self.rest.iter().position(|&byte| byte == b'\n').ok_or(PickleError::CutShort)?;
        let line = self.utf8(end)?;
        self.take(1)?;
        Ok(line)
    }

    fn check_protocol(&mut self) -> Result<(), PickleError> {
        match self.byte()? {
            2 => Ok(()),
            other => Err(PickleError::Protocol(other)),
        }
    }

    fn global(&mut self) -> Result<(), PickleError> {
        let (module, name) = (self.line()?, self.line()?);
        let Some(global) = Global::find(&module, &name) else {
            let global = format!("{module}.{name}");
            let modules = b"torch.nn.modules.";
            let is_module = self.pickle.windows(modules.len()).any(|window| window == modules);
            return Err(if is_module { PickleError::WholeModule(global) } else { PickleError::ForeignGlobal(global) });
        };
        self.push(Item::Global(global));
        Ok(())
    }

    fn push(&mut self, item: Item) {
        self.stack.push(item);
    }

    fn pop(&mut self) -> Result<Item, PickleError> {
        if self.marks.last() == Some(&self.stack.len()) {
            return Err(self.damaged("a value is missing"));
        }
        self.stack.pop().ok_or_else(|| self.damaged("a value is missing"))
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Item>, PickleError> {
        let mark = self.marks.pop().ok_or_else(|| self.damaged("a mark is missing"))?;
        Ok(self.stack.split_off(mark))
    }

    fn integer<const N: usize>(&mut self) -> Result<(), PickleError> {
        let mut bytes = [0; 4];
        bytes[..N].copy_from_slice(&self.array::<N>()?);
        self.push(Item::Integer(i32::from_le_bytes(bytes).into()));
        Ok(())
    }

    fn long(&mut self) -> Result<(), PickleError> {
        let length = self.byte()?;
        self.take(length.into())?;
        // Integers beyond 32 bits are counters and seeds, never keys.
        self.push(Item::Plain("number"));
        Ok(())
    }

    fn text(&mut self) -> Result<(), PickleError> {
        let length = u32::from_le_bytes(self.array()?);
        let text = self.utf8(length as usize)?;
        self.push(Item::Text(text));
        Ok(())
    }

    fn tuple(&mut self, length: u8) -> Result<(), PickleError> {
        for _ in 0..length {
            self.pop()?;
        }
        self.push(Item::Plain("tuple"));
        Ok(())
    }

    fn memorise(&mut self, index: u32) -> Result<(), PickleError> {
        let top = self.pop()?;
        self.memo.insert(index, top.clone());
        self.push(top);
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<(), PickleError> {
        let item = self.memo.get(&index).cloned().ok_or_else(|| self.damaged("a reference points nowhere"))?;
        self.push(item);
        Ok(())
    }

    fn new_dict(&mut self) {
        self.push(Item::Dict(self.dicts.len()));
        self.dicts.push(Dict::default());
    }

    fn set_item(&mut self) -> Result<(), PickleError> {
        let (value, key) = (self.pop()?, self.pop()?);
        self.insert(vec![key, value])
    }

    fn set_items(&mut self) -> Result<(), PickleError> {
        let items = self.pop_to_mark()?;
        self.insert(items)
    }

    /// Adds keys and values, in turn, to the dictionary on top of the stack.
    fn insert(&mut self, items: Vec<Item>) -> Result<(), PickleError> {
        let top = self.pop()?;
        let Item::Dict(index) = top else { return Err(self.damaged("entries are set on something else than a dict")) };
        let mut items = items.into_iter();
        while let (Some(key), value) = (items.next(), items.next()) {
            let key: Rc<str> = match key {
                Item::Text(text) => text,
                Item::Integer(number) => number.to_string().into(),
                _ => return Err(self.damaged("a key is neither a string nor a number")),
            };
            let value = value.ok_or_else(|| self.damaged("a key has no value"))?;
            let dict = &mut self.dicts[index];
            if dict.values.insert(key.clone(), value).is_some() {
                return Err(PickleError::Duplicate(key.to_string()));
            }
            dict.keys.push(key);
        }
        self.push(top);
        Ok(())
    }

    /// Calls the global under the top of the stack with the arguments on top.
    fn reduce(&mut self) -> Result<(), PickleError> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        match (callable, arguments) {
            (Item::Global(Global::OrderedDict), Item::EmptyTuple) => self.new_dict(),
            (Item::Global(Global::RebuildTensor), Item::Plain("tuple")) => self.push(Item::Tensor),
            (Item::Global(Global::Inert), Item::Plain("tuple") | Item::EmptyTuple) => self.push(Item::Plain("object")),
            _ => return Err(self.damaged("a call is not one that torch.save writes")),
        }
        Ok(())
    }

    /// Sets attributes: of a state dict, its versions; nothing else has attributes.
    fn build(&mut self) -> Result<(), PickleError> {
        let (state, object) = (self.pop()?, self.pop()?);
        let is_versions = |dict: &Dict| dict.keys.iter().all(|key| &**key == VERSIONS);
        match (&object, state) {
            (Item::Dict(_), Item::Dict(state)) if is_versions(&self.dicts[state]) => {
                self.push(object);
                Ok(())
            }
            _ => Err(self.damaged("an object has attributes that torch.save does not write for a state dict")),
        }
    }

    fn locate(&self, root: &Item) -> Result<StateDict, PickleError> {
        let Item::Dict(index) = root else { return Err(PickleError::NotADictionary(root.kind())) };
        let root = &self.dicts[*index];
        if root.values.values().any(|item| matches!(item, Item::Tensor)) {
            return Ok(StateDict { key: None, names: tensor_names(root)? });
        }
        let mut found: Option<(&Rc<str>, usize)> = None;
        for key in root.keys.iter().filter(|key| STATE_DICT_KEYS.contains(&&***key)) {
            match (found, &root.values[key]) {
                (None, Item::Dict(index)) => found = Some((key, *index)),
                (Some((first, known)), Item::Dict(index)) if known != *index => {
                    return Err(PickleError::Ambiguous(first.to_string(), key.to_string()));
                }
                _ => {}
            }
        }
        let (key, index) = found.ok_or_else(|| PickleError::NoStateDict { keys: listing(&root.keys) })?;
        Ok(StateDict { key: Some(key.to_string()), names: tensor_names(&self.dicts[index])? })
    }
}

/// The keys of a dictionary that holds tensors only.
fn tensor_names(dict: &Dict) -> Result<Vec<String>, PickleError> {
    let name = |key: &Rc<str>| match &dict.values[key] {
        Item::Tensor => Ok(key.to_string()),
        other => Err(PickleError::NotATensor { name: key.to_string(), found: other.kind() }),
    };
    dict.keys.iter().map(name).collect()
}

/// The first few keys, for a message.
fn listing(keys: &[Rc<str>]) -> String {
    const SHOWN: usize = 8;
    let mut shown: Vec<_> = keys.iter().take(SHOWN).map(|key| format!("`{}`", key.escape_debug())).collect();
    if keys.len() > SHOWN {
        shown.push(format!("{} more", keys.len() - SHOWN));
    }
    if shown.is_empty() { "none".into() } else { shown.join(", ") }
}
