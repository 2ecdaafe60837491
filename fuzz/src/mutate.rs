//! Changes of bytes that parsers are sensitive to, drawn from a seed.

/// SplitMix64: the same numbers everywhere.
pub struct Random(pub u64);

impl Random {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not zero.
    pub fn below(&mut self, end: usize) -> usize {
        (self.bits() % end as u64) as usize
    }
}

/// Values at which lengths, counts and signs turn.
const TURNS: [u8; 8] = [0x00, 0x01, 0x7F, 0x80, 0x81, 0xFE, 0xFF, 0x20];

/// Changes `bytes` in one to four places.
pub fn mutate(bytes: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(4) {
        step(bytes, random);
    }
}

fn step(bytes: &mut Vec<u8>, random: &mut Random) {
    if bytes.is_empty() {
        bytes.push(random.bits() as u8);
        return;
    }
    let at = random.below(bytes.len());
    let run = 1 + random.below(8.min(bytes.len() - at));
    match random.below(8) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.bits() as u8,
        2 => bytes[at..at + run].fill(TURNS[random.below(TURNS.len())]),
        3 => drop(bytes.drain(at..at + run)),
        4 => {
            let again = bytes[at..at + run].to_vec();
            bytes.splice(at..at, again);
        }
        5 => bytes.insert(at, random.bits() as u8),
        6 => {
            let from = random.below(bytes.len() - run + 1);
            bytes.copy_within(from..from + run, at);
        }
        _ => bytes.truncate(at),
    }
}

/// The bytes of an archive whose one stored pickle is `pickle`, as `torch.save` lays it out, with two storages. So a
/// change of the pickle is not stopped by the archive's checksum.
pub fn archive(pickle: &[u8]) -> Vec<u8> {
    let storage = [0x3F; 24];
    let entries: [(&str, &[u8]); 4] =
        [("a/data.pkl", pickle), ("a/data/0", &storage), ("a/data/1", &storage), ("a/version", b"3\n")];
    let (mut file, mut directory) = (vec![], vec![]);
    for (name, content) in entries {
        let offset = file.len() as u32;
        let mut fields = vec![20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0x50];
        fields.extend(crc32(content).to_le_bytes());
        fields.extend((content.len() as u32).to_le_bytes());
        fields.extend((content.len() as u32).to_le_bytes());
        fields.extend((name.len() as u16).to_le_bytes());
        fields.extend([0, 0]);
        file.extend(b"PK\x03\x04");
        file.extend(&fields);
        file.extend(name.as_bytes());
        file.extend(content);
        directory.extend(b"PK\x01\x02\x14\x00");
        directory.extend(&fields);
        directory.extend([0; 10]);
        directory.extend(offset.to_le_bytes());
        directory.extend(name.as_bytes());
    }
    let start = file.len() as u32;
    file.extend(&directory);
    file.extend(b"PK\x05\x06\0\0\0\0\x04\0\x04\0");
    file.extend((directory.len() as u32).to_le_bytes());
    file.extend(start.to_le_bytes());
    file.extend([0, 0]);
    file
}

/// The checksum of ZIP archives.
fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 };
    !bytes.iter().fold(!0, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}

/// Opcodes and the pieces that pickles of state dicts are made of.
const PIECES: [&[u8]; 24] = [
    b"(",
    b")",
    b"]",
    b"}",
    b"t",
    b"\x85",
    b"\x86",
    b"\x87",
    b"s",
    b"u",
    b"R",
    b"b",
    b"Q",
    b"q\x00",
    b"h\x00",
    b"K\x03",
    b"M\x00\x01",
    b"N",
    b"\x89",
    b"ccollections\nOrderedDict\n",
    b"ctorch._utils\n_rebuild_tensor_v2\n",
    b"ctorch\nFloatStorage\n",
    b"X\x05\x00\x00\x00model",
    b"X\x01\x00\x00\x00a",
];

/// Puts in, takes out or repeats whole opcodes of a pickle.
pub fn pickle(bytes: &mut Vec<u8>, random: &mut Random) {
    let starts = opcodes(bytes);
    let at = |random: &mut Random| starts.get(random.below(starts.len().max(1))).copied().unwrap_or(0);
    let (here, there) = (at(random), at(random));
    let end = starts.iter().copied().find(|&start| start > here).unwrap_or(bytes.len());
    match random.below(4) {
        0 => drop(bytes.splice(here..here, PIECES[random.below(PIECES.len())].iter().copied())),
        1 => drop(bytes.drain(here..end)),
        2 => {
            let opcode = bytes[here..end].to_vec();
            bytes.splice(there..there, opcode);
        }
        _ => mutate(bytes, random),
    }
}

/// Where the opcodes of a pickle begin, as far as it can be read.
fn opcodes(bytes: &[u8]) -> Vec<usize> {
    let (mut starts, mut at) = (vec![], 0);
    while let Some(&code) = bytes.get(at) {
        starts.push(at);
        let line =
            |from: usize| bytes.get(from..).and_then(|rest| rest.iter().position(|&b| b == b'\n')).unwrap_or(0) + 1;
        at += match code {
            b'K' | b'q' | b'h' | 0x80 => 2,
            b'M' => 3,
            b'J' | b'r' | b'j' => 5,
            b'G' => 9,
            0x8a => 2 + usize::from(bytes.get(at + 1).copied().unwrap_or(0)),
            b'X' => match bytes.get(at + 1..at + 5) {
                Some(&[a, b, c, d]) => 5 + u32::from_le_bytes([a, b, c, d]) as usize,
                _ => 5,
            },
            b'c' => 1 + line(at + 1) + line(at + 1 + line(at + 1)),
            _ => 1,
        };
    }
    starts
}
