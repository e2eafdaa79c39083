//! Cuts a stream of bytes into JSON objects. OVSDB puts them one after the other with nothing between (RFC 7047,
//! section 4), so the end of one is found by counting braces outside strings. No byte is looked at twice, however the
//! stream is chunked. Whether the object is valid JSON is the decoder's affair.

use bytes::{Buf, Bytes, BytesMut};

/// How much room to keep for the next read.
const READ_ROOM: usize = 64 << 10;
/// A buffer that grew beyond this for one large message is given back afterwards.
const KEEP: usize = 1 << 20;

/// Takes bytes in, gives whole objects out.
#[derive(Debug)]
pub(crate) struct Framer {
    buffer: BytesMut,
    /// How many bytes of the buffer belong to the unfinished object and were looked at.
    scanned: usize,
    depth: usize,
    in_string: bool,
    escaped: bool,
    limit: usize,
    /// The buffer's largest capacity since it was last given back.
    grown: usize,
}

/// Why the stream cannot be cut any further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    #[error("a message begins with the byte {0:#04x} instead of a brace")]
    Garbage(u8),
    #[error("a message is longer than {0} bytes")]
    TooLong(usize),
}

impl Framer {
    /// `limit`: the longest object accepted, in bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            scanned: 0,
            depth: 0,
            in_string: false,
            escaped: false,
            limit,
            grown: 0,
        }
    }

    /// Where to put the next bytes, with room for some. Only append.
    pub(crate) fn room(&mut self) -> &mut BytesMut {
        if self.buffer.is_empty() && self.grown > KEEP {
            self.buffer = BytesMut::new();
            self.grown = 0;
        }
        self.buffer.reserve(READ_ROOM);
        self.grown = self.grown.max(self.buffer.capacity());
        &mut self.buffer
    }

    /// The next whole object, or none when more bytes are needed. After an error the stream is lost.
    pub(crate) fn next(&mut self) -> Result<Option<Bytes>, FramingError> {
        if self.depth == 0 && !self.begin()? {
            return Ok(None);
        }
        while let Some(rest) = self.buffer.get(self.scanned..).filter(|rest| !rest.is_empty()) {
            if self.in_string {
                self.scanned += self.string(rest.len());
            } else if self.structure() {
                let whole = std::mem::take(&mut self.scanned);
                return match whole > self.limit {
                    true => Err(FramingError::TooLong(self.limit)),
                    false => Ok(Some(self.buffer.split_to(whole).freeze())),
                };
            }
        }
        if self.scanned > self.limit { Err(FramingError::TooLong(self.limit)) } else { Ok(None) }
    }

    /// Drops white space and takes the opening brace.
    fn begin(&mut self) -> Result<bool, FramingError> {
        let blank = self.buffer.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        self.buffer.advance(blank);
        match self.buffer.first() {
            None => Ok(false),
            Some(b'{') => {
                self.depth = 1;
                self.scanned = 1;
                Ok(true)
            }
            Some(byte) => Err(FramingError::Garbage(*byte)),
        }
    }

    /// Goes on inside a string; gives how many of the `available` bytes were taken.
    fn string(&mut self, available: usize) -> usize {
        let rest = &self.buffer[self.scanned..];
        if self.escaped {
            self.escaped = false;
            return 1;
        }
        match memchr::memchr2(b'"', b'\\', rest) {
            None => available,
            Some(place) => {
                if rest[place] == b'"' {
                    self.in_string = false;
                } else {
                    self.escaped = true;
                }
                place + 1
            }
        }
    }

    /// Goes on outside strings, up to and including the next quote or brace; true at the end of the object.
    fn structure(&mut self) -> bool {
        let rest = &self.buffer[self.scanned..];
        let Some(place) = memchr::memchr3(b'"', b'{', b'}', rest) else {
            self.scanned += rest.len();
            return false;
        };
        match rest[place] {
            b'"' => self.in_string = true,
            b'{' => self.depth += 1,
            _ => self.depth -= 1,
        }
        self.scanned += place + 1;
        self.depth == 0
    }
}
