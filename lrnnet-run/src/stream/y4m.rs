//! y4m: the uncompressed video of `YUV4MPEG2` streams (mjpegtools' `yuv4mpeg(5)`).

use std::io::{BufRead, Read};

use super::error::FrameProblem;
use super::frame::{FrameBuffer, fill};
use super::ratio::Ratio;
use super::yuv::{Range, grey_to_rgb, row_to_rgb};
use super::{Source, StreamInfo};
use crate::ErrorKind;
use crate::picture::{MAX_PIXELS, MAX_SIDE};
use crate::size::Size;

/// The word that such a stream begins with.
pub const MAGIC: &[u8] = b"YUV4MPEG2";
const FRAME: &[u8] = b"FRAME";
/// Bytes that a line of parameters may have.
const MAX_LINE: usize = 1024;

/// Which chroma values are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Chroma {
    /// One for each 2 x 2 pixels, whatever their place between them: `420`, `420jpeg`, `420mpeg2`, `420paldv`.
    #[default]
    Half,
    /// One for two pixels of a row: `422`.
    HalfWidth,
    /// One for each pixel: `444`.
    Full,
    /// None: `mono`.
    None,
}

const WORDS: [(&str, Chroma); 7] = [
    ("420jpeg", Chroma::Half),
    ("420mpeg2", Chroma::Half),
    ("420paldv", Chroma::Half),
    ("420", Chroma::Half),
    ("422", Chroma::HalfWidth),
    ("444", Chroma::Full),
    ("mono", Chroma::None),
];

impl Chroma {
    /// Height and width of each of the two chroma planes.
    fn size(self, Size { height, width }: Size) -> Size {
        match self {
            Self::Half => Size::new(height.div_ceil(2), width.div_ceil(2)),
            Self::HalfWidth => Size::new(height, width.div_ceil(2)),
            Self::Full => Size::new(height, width),
            Self::None => Size::new(0, 0),
        }
    }
}

/// What a stream says of itself in its first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Height and width, within the limits of pictures.
    pub size: Size,
    /// Frames a second, where it is known.
    pub rate: Option<Ratio>,
    /// Width of a pixel by its height, where it is known.
    pub aspect: Option<Ratio>,
    /// Chroma planes.
    pub chroma: Chroma,
    /// Range of values.
    pub range: Range,
}

impl Header {
    /// Reads the first line, without its end.
    ///
    /// # Errors
    ///
    /// Another format, no size, a size over the limits of pictures, or samples of another kind than 8-bit planes.
    pub fn parse(line: &[u8]) -> Result<Self, HeaderError> {
        let rest = line.strip_prefix(MAGIC).filter(|rest| rest.is_empty() || rest[0] == b' ');
        let rest = rest.ok_or(HeaderError::Magic)?;
        let text = std::str::from_utf8(rest).map_err(|_| HeaderError::Magic)?;
        let (mut height, mut width) = (None, None);
        let (mut rate, mut aspect, mut chroma, mut range) = (None, None, Chroma::default(), Range::default());
        for field in text.split_ascii_whitespace() {
            let wrong = || HeaderError::Field(field.to_owned());
            // A field is a letter and a value; letters that are not known say nothing of importance.
            let (letter, value) = field.split_at_checked(1).ok_or_else(wrong)?;
            match letter {
                "W" => width = Some(value.parse::<u32>().map_err(|_| wrong())?),
                "H" => height = Some(value.parse::<u32>().map_err(|_| wrong())?),
                "F" => rate = ratio(value).ok_or_else(wrong)?,
                "A" => aspect = ratio(value).ok_or_else(wrong)?,
                "C" => {
                    let known = WORDS.iter().find(|(word, _)| *word == value);
                    chroma = known.ok_or_else(|| HeaderError::Chroma(value.to_owned()))?.1;
                }
                "X" if value == "COLORRANGE=FULL" => range = Range::Full,
                _ => {}
            }
        }
        let (Some(height), Some(width)) = (height, width) else { return Err(HeaderError::NoSize) };
        if height == 0 || width == 0 {
            return Err(HeaderError::NoSize);
        }
        if height.max(width) > MAX_SIDE || u64::from(height) * u64::from(width) > MAX_PIXELS {
            return Err(HeaderError::TooLarge { height, width });
        }
        Ok(Self { size: Size::new(height as usize, width as usize), rate, aspect, chroma, range })
    }

    /// Bytes of a frame.
    pub fn frame_bytes(&self) -> usize {
        self.size.area() + 2 * self.chroma.size(self.size).area()
    }
}

/// `30000:1001`; `0:0` stands for unknown.
fn ratio(value: &str) -> Option<Option<Ratio>> {
    let (over, under) = value.split_once(':')?;
    let (over, under) = (over.parse().ok()?, under.parse().ok()?);
    if over == 0 && under == 0 { Some(None) } else { Ratio::new(over, under).map(Some) }
}

/// Why a line is no header that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// Another format.
    #[error("not y4m: the stream does not begin with YUV4MPEG2")]
    Magic,
    /// Cut short.
    #[error("the stream ends in the middle of a line of y4m parameters")]
    Cut,
    /// A line without end.
    #[error("the line of y4m parameters has more than {MAX_LINE} bytes")]
    Line,
    /// A value that is none.
    #[error("`{0}` is no y4m parameter; expected a letter and a value, such as W640, H480 or F30:1")]
    Field(String),
    /// No height or width.
    #[error("the y4m header gives no height and width; expected W and H with at least 1 pixel each")]
    NoSize,
    /// Too many pixels.
    #[error(
        "the stream has {width} x {height} pixels; expected at most {MAX_SIDE} a side and {} megapixels",
        MAX_PIXELS / 1_000_000
    )]
    TooLarge {
        /// Rows.
        height: u32,
        /// Columns.
        width: u32,
    },
    /// Samples of another kind.
    #[error(
        "y4m with samples of the kind `{0}` cannot be read; expected 420, 420jpeg, 420mpeg2, 420paldv, 422, 444 or mono"
    )]
    Chroma(String),
    /// No frame where one should begin.
    #[error("no y4m frame where one should begin; expected a line FRAME")]
    Frame,
}

impl HeaderError {
    /// The sort of the error: always [`ErrorKind::Picture`].
    pub fn kind(&self) -> ErrorKind {
        ErrorKind::Picture
    }
}

/// The frames of a y4m stream as RGB, by BT.601 in the range that the stream names (limited by default).
pub struct Y4mSource<R> {
    reader: R,
    header: Header,
    line: Vec<u8>,
    planes: Vec<u8>,
}

impl<R: BufRead> Y4mSource<R> {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// What the reader reports, and a header that cannot be used.
    pub fn new(mut reader: R) -> Result<Self, FrameProblem> {
        let mut line = Vec::with_capacity(MAX_LINE);
        if !read_line(&mut reader, &mut line)? {
            return Err(HeaderError::Magic.into());
        }
        Ok(Self { header: Header::parse(&line)?, reader, line, planes: vec![] })
    }

    /// What the stream says of itself.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// Goes to the next frame's data; false at the end.
    fn next_frame(&mut self) -> Result<bool, FrameProblem> {
        while read_line(&mut self.reader, &mut self.line)? {
            if self.line.strip_prefix(FRAME).is_some_and(|rest| rest.is_empty() || rest[0] == b' ') {
                return Ok(true);
            }
            if !self.line.starts_with(MAGIC) {
                return Err(HeaderError::Frame.into());
            }
            // Streams may follow each other, as `cat` joins them.
            self.header = Header::parse(&self.line)?;
        }
        Ok(false)
    }
}

/// Reads a line without its end into `line`; false where there is nothing more.
fn read_line(reader: &mut impl BufRead, line: &mut Vec<u8>) -> Result<bool, FrameProblem> {
    line.clear();
    let mut limited = reader.take(MAX_LINE as u64);
    limited.read_until(b'\n', line).map_err(FrameProblem::reading)?;
    match line.pop() {
        None => Ok(false),
        Some(b'\n') => Ok(true),
        Some(_) if line.len() + 1 < MAX_LINE => Err(HeaderError::Cut.into()),
        Some(_) => Err(HeaderError::Line.into()),
    }
}

impl<R: BufRead + Send> Source for Y4mSource<R> {
    fn info(&self) -> StreamInfo {
        StreamInfo { rate: self.header.rate, aspect: self.header.aspect }
    }

    fn read(&mut self, frame: &mut FrameBuffer) -> Result<bool, FrameProblem> {
        if !self.next_frame()? {
            return Ok(false);
        }
        let needed = self.header.frame_bytes();
        fill(&mut self.reader, &mut self.planes, needed)?;
        to_rgb(&self.header, &self.planes, frame.set_size(self.header.size));
        Ok(true)
    }
}

fn row_of(plane: &[u8], width: usize, y: usize) -> &[u8] {
    &plane[y * width..][..width]
}

/// The planes of a frame as RGB `[height, width, 3]`.
fn to_rgb(header: &Header, planes: &[u8], rgb: &mut [u8]) {
    let (width, range) = (header.size.width, header.range);
    let chroma = header.chroma.size(header.size);
    let row = |plane, y| row_of(plane, chroma.width, y);
    let (luma, rest) = planes.split_at(header.size.area());
    let (u, v) = rest.split_at(chroma.area());
    for (y, (luma, out)) in luma.chunks_exact(width).zip(rgb.chunks_exact_mut(3 * width)).enumerate() {
        match header.chroma {
            Chroma::Half => row_to_rgb::<2>(luma, row(u, y / 2), row(v, y / 2), range, out),
            Chroma::HalfWidth => row_to_rgb::<2>(luma, row(u, y), row(v, y), range, out),
            Chroma::Full => row_to_rgb::<1>(luma, row(u, y), row(v, y), range, out),
            Chroma::None => grey_to_rgb(luma, range, out),
        }
    }
}
