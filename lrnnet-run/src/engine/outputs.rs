//! What comes out of a network: named tensors.

use half::f16;

use crate::model::Output;

/// A tensor that a run put out.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    name: String,
    shape: Vec<usize>,
    values: Values,
}

impl NamedTensor {
    /// The graph's name of it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Extents, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Values, row-major.
    pub fn values(&self) -> &Values {
        &self.values
    }
}

/// Gives each element type that tensors have a variant, a borrowed twin, and room that is filled anew.
macro_rules! values {
    ($($variant:ident($type:ty) = $what:literal),+ $(,)?) => {
        /// Row-major values of a tensor, by element type.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Values {
            $(#[doc = $what] $variant(Vec<$type>),)+
        }

        /// Borrowed row-major values of a tensor, by element type.
        #[derive(Clone, Copy, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum ValuesRef<'a> {
            $(#[doc = $what] $variant(&'a [$type]),)+
        }

        impl Values {
            /// Number of values.
            pub fn len(&self) -> usize {
                match self { $(Self::$variant(values) => values.len(),)+ }
            }

            /// Takes over `values`, in the room at hand if that is of their type.
            fn refill(&mut self, values: ValuesRef<'_>) {
                match (self, values) {
                    $((Self::$variant(room), ValuesRef::$variant(values)) => {
                        room.clear();
                        room.extend_from_slice(values);
                    })+
                    (other, values) => *other = values.to_owned(),
                }
            }

            fn truncate(&mut self, len: usize) {
                match self { $(Self::$variant(values) => values.truncate(len),)+ }
            }
        }

        impl ValuesRef<'_> {
            fn to_owned(self) -> Values {
                match self { $(Self::$variant(values) => Values::$variant(values.to_vec()),)+ }
            }
        }

        $(impl<'a> From<&'a [$type]> for ValuesRef<'a> {
            fn from(values: &'a [$type]) -> Self {
                Self::$variant(values)
            }
        })+
    };
}

values! {
    F32(f32) = "float32",
    F16(f16) = "float16",
    I64(i64) = "int64",
    I32(i32) = "int32",
    U8(u8) = "uint8",
    I8(i8) = "int8",
}

impl Values {
    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The values, where they are float32.
    pub fn as_f32(&self) -> Option<&[f32]> {
        match self {
            Self::F32(values) => Some(values),
            _ => None,
        }
    }

    /// The values, where they are uint8.
    pub fn as_u8(&self) -> Option<&[u8]> {
        match self {
            Self::U8(values) => Some(values),
            _ => None,
        }
    }
}

/// The tensors of one run, in the order in which an engine sets them. The room is reused from run to run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outputs {
    tensors: Vec<NamedTensor>,
}

impl Outputs {
    /// All tensors.
    pub fn iter(&self) -> impl Iterator<Item = &NamedTensor> {
        self.tensors.iter()
    }

    /// The tensor `name`.
    pub fn get(&self, name: &str) -> Option<&NamedTensor> {
        self.tensors.iter().find(|tensor| tensor.name == name)
    }

    /// Values of the float32 tensor `name`.
    pub fn floats(&self, name: &str) -> Option<&[f32]> {
        self.get(name)?.values.as_f32()
    }

    /// Values of the uint8 tensor `name`.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.get(name)?.values.as_u8()
    }

    /// The class map of a known head: ids `[n, h, w]`.
    pub fn class_map(&self) -> Option<&[u8]> {
        self.bytes(Output::ClassMap.name())
    }

    /// The scores of a known head, `[n, classes, h, w]`: at the input's size where it has these, else at an eighth of it.
    pub fn logits(&self) -> Option<&[f32]> {
        [Output::Logits, Output::Logits8].into_iter().find_map(|output| self.floats(output.name()))
    }

    /// Sets the tensor `name`, in the room that it had before. For engines.
    pub fn set<'a>(&mut self, name: &str, shape: &[usize], values: impl Into<ValuesRef<'a>>) {
        let values = values.into();
        match self.tensors.iter_mut().find(|tensor| tensor.name == name) {
            Some(tensor) => {
                tensor.shape.clear();
                tensor.shape.extend_from_slice(shape);
                tensor.values.refill(values);
            }
            None => {
                let tensor = NamedTensor { name: name.to_owned(), shape: shape.to_vec(), values: values.to_owned() };
                self.tensors.push(tensor);
            }
        }
    }

    /// Drops all but what belongs to the first of `batch` pictures.
    pub fn keep_first(&mut self, batch: usize) {
        let batch = batch.max(1);
        for tensor in &mut self.tensors {
            tensor.values.truncate(tensor.values.len() / batch);
            if let Some(extent) = tensor.shape.first_mut() {
                *extent /= batch;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_set_anew_in_the_room_they_have() {
        let mut outputs = Outputs::default();
        outputs.set("a", &[2, 2], &[1.0f32, 2.0, 3.0, 4.0][..]);
        outputs.set("b", &[2], &[7u8, 8][..]);
        let room = outputs.floats("a").unwrap().as_ptr();
        outputs.set("a", &[1, 3], &[5.0f32, 6.0, 7.0][..]);
        assert_eq!(outputs.floats("a").unwrap().as_ptr(), room);
        assert_eq!((outputs.get("a").unwrap().shape(), outputs.floats("a")), (&[1, 3][..], Some(&[5.0, 6.0, 7.0][..])));
        assert_eq!((outputs.floats("b"), outputs.bytes("b"), outputs.bytes("c")), (None, Some(&[7, 8][..]), None));
        outputs.set("b", &[1], &[9i64][..]);
        assert_eq!(outputs.get("b").unwrap().values(), &Values::I64(vec![9]));
        assert_eq!([Values::I64(vec![9]), Values::F32(vec![])].map(|values| values.is_empty()), [false, true]);
        assert_eq!(outputs.iter().map(NamedTensor::name).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn the_first_of_a_batch_can_be_kept() {
        let mut outputs = Outputs::default();
        outputs.set("a", &[2, 3], &[1u8, 2, 3, 4, 5, 6][..]);
        outputs.keep_first(2);
        assert_eq!((outputs.get("a").unwrap().shape(), outputs.bytes("a")), (&[1, 3][..], Some(&[1, 2, 3][..])));
    }
}
