//! How much memory a file asks for, found out before any of it is spent.
//!
//! An empty message takes two bytes of a file and more than a hundred once it is decoded, so a file within the limit
//! of its size could still ask for gigabytes.

/// Fields that all messages of a file may have together. The int8 model that is compiled in has 16,234.
pub const MAX_FIELDS: usize = 100_000;

/// Messages of [`proto`](super::proto) that have messages in them.
#[derive(Clone, Copy)]
enum Message {
    Model,
    Graph,
    Node,
    ValueInfo,
    Type,
    TensorType,
    Shape,
    /// Any that has none.
    Leaf,
}

impl Message {
    /// The message in the field `tag`.
    fn field(self, tag: u64) -> Option<Self> {
        match (self, tag) {
            (Self::Model, 7) => Some(Self::Graph),
            (Self::Model, 8 | 14) | (Self::Graph, 5) | (Self::Node, 5) | (Self::Shape, 1) => Some(Self::Leaf),
            (Self::Graph, 1) => Some(Self::Node),
            (Self::Graph, 11..=13) => Some(Self::ValueInfo),
            (Self::ValueInfo, 2) => Some(Self::Type),
            (Self::Type, 1) => Some(Self::TensorType),
            (Self::TensorType, 2) => Some(Self::Shape),
            _ => None,
        }
    }
}

/// Whether a model file has at most [`MAX_FIELDS`] fields. What is no protobuf message is left to the decoder to refuse.
pub fn is_modest(file: &[u8]) -> bool {
    let mut left = MAX_FIELDS;
    count(file, Message::Model, &mut left);
    left > 0
}

/// Takes the fields of `bytes` off what is `left`. Messages nest no deeper than [`Message`] says.
fn count(mut bytes: &[u8], message: Message, left: &mut usize) {
    while let (Some(key), 1..) = (varint(&mut bytes), *left) {
        // No field has the number zero.
        if key >> 3 == 0 {
            return;
        }
        *left -= 1;
        let skipped = match key & 7 {
            0 => varint(&mut bytes).map(drop),
            1 => take(&mut bytes, 8).map(drop),
            2 => varint(&mut bytes).and_then(|length| take(&mut bytes, length)).map(|content| {
                if let Some(inner) = message.field(key >> 3) {
                    count(content, inner, left);
                }
            }),
            5 => take(&mut bytes, 4).map(drop),
            // A group's fields count as its message's.
            3 | 4 => Some(()),
            _ => None,
        };
        if skipped.is_none() {
            return;
        }
    }
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(byte & 0x7F) << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

fn take<'b>(bytes: &mut &'b [u8], length: u64) -> Option<&'b [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A message in the field `tag`.
    fn nested(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut bytes = vec![tag << 3 | 2];
        let mut length = content.len();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        [bytes.as_slice(), content].concat()
    }

    #[test]
    fn fields_of_every_message_count() {
        let many = MAX_FIELDS;
        let path = |tags: &[u8], field: &[u8], times: usize| {
            tags.iter().rev().fold(field.repeat(times), |content, &tag| nested(tag, &content))
        };
        let cases: [(&str, &[u8], &[u8]); 9] = [
            ("operator sets", &[], &[8 << 3 | 2, 0]),
            ("entries", &[], &[14 << 3 | 2, 0]),
            ("nodes", &[7], &[1 << 3 | 2, 0]),
            ("operands", &[7, 1], &[1 << 3 | 2, 0]),
            ("attributes", &[7, 1], &[5 << 3 | 2, 0]),
            ("integers", &[7, 1, 5], &[8 << 3, 0]),
            ("extents", &[7, 5], &[1 << 3, 0]),
            ("statements", &[7], &[13 << 3 | 2, 0]),
            ("dimensions", &[7, 13, 2, 1, 2], &[1 << 3 | 2, 0]),
        ];
        for (what, tags, field) in cases {
            let around = tags.len();
            assert!(is_modest(&path(tags, field, many - around - 1)), "{what}");
            assert!(!is_modest(&path(tags, field, many - around)), "{what}");
        }
    }

    #[test]
    fn what_is_no_message_ends_the_count() {
        for bytes in [&[][..], &[0xFF; 20], &[0x0A, 0x7F, 1], &[0x3A], &[0x09, 1, 2], &[0x0D, 1]] {
            assert!(is_modest(bytes), "{bytes:?}");
        }
        let (group, bytes) = ([3 << 3 | 3, 0x08, 0x01, 3 << 3 | 4], [0x09, 0, 0, 0, 0, 0, 0, 0, 0, 0x0D, 0, 0, 0, 0]);
        assert!(is_modest(&group));
        assert!(is_modest(&[0x02, 0x00].repeat(MAX_FIELDS)), "no field has the number zero");
        assert!(!is_modest(&bytes.repeat(MAX_FIELDS / 2)), "fixed widths are skipped");
        assert!(is_modest(&bytes.repeat(MAX_FIELDS / 2 - 1)));
        assert!(!is_modest(&[&group, bytes.repeat(MAX_FIELDS / 2).as_slice()].concat()), "a group is no end");
    }

    /// Whatever the bytes of a constant look like. Their length, 400,000, has low bits of zero, and takes several bytes.
    #[test]
    fn values_do_not_count() {
        let constant = nested(5, &nested(9, &[8, 0].repeat(2 * MAX_FIELDS)));
        assert!(is_modest(&nested(7, &constant)));
    }
}
