//! Compressed bodies, as kombu has them: a header names the method, and the body is the compressed form of what it
//! would be without. Pure.

use std::io::{self, Read, Write as _};

use bzip2::read::BzDecoder;
use bzip2::write::BzEncoder;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;

/// The header of a message whose body is compressed.
pub(crate) const HEADER: &str = "compression";

/// The longest body that is taken out of its compressed form, in bytes: RabbitMQ's own limit for messages.
const LONGEST: usize = 128 << 20;

/// A method of compression (`kombu_compression`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// What kombu calls `gzip` is the format of zlib (RFC 1950), not that of gzip.
    Gzip,
    Bzip2,
}

/// Why a compressed body cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CompressionError {
    #[error("its sender's kombu_compression is `{0}`, which is not understood here: gzip and bz2 are")]
    Unknown(String),
    #[error("the body is not what its compression says")]
    Broken(#[source] io::Error),
    #[error("the body is longer than {LONGEST} bytes")]
    TooLong,
}

impl Compression {
    /// By one of the names that kombu knows, and `bz2`, which oslo.messaging's help names.
    pub(crate) fn named(name: &str) -> Option<Self> {
        match name {
            "application/x-gzip" | "gzip" | "zlib" => Some(Self::Gzip),
            "application/x-bz2" | "bz2" | "bzip2" | "bzip" => Some(Self::Bzip2),
            _ => None,
        }
    }

    /// What the header says.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Gzip => "application/x-gzip",
            Self::Bzip2 => "application/x-bz2",
        }
    }

    /// # Errors
    /// Never, as long as memory can be written to.
    pub(crate) fn compress(self, body: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let mut into = ZlibEncoder::new(Vec::new(), flate2::Compression::default());
                into.write_all(body)?;
                into.finish()
            }
            Self::Bzip2 => {
                let mut into = BzEncoder::new(Vec::new(), bzip2::Compression::best());
                into.write_all(body)?;
                into.finish()
            }
        }
    }

    /// # Errors
    /// When the body is no such compressed form, or its content longer than any message.
    pub(crate) fn decompress(self, body: &[u8]) -> Result<Vec<u8>, CompressionError> {
        match self {
            Self::Gzip => within(ZlibDecoder::new(body), LONGEST),
            Self::Bzip2 => within(BzDecoder::new(body), LONGEST),
        }
    }
}

fn within(from: impl Read, longest: usize) -> Result<Vec<u8>, CompressionError> {
    let mut content = Vec::new();
    // One more tells what is too long from what just fits.
    let most = u64::try_from(longest).unwrap_or(u64::MAX).saturating_add(1);
    from.take(most).read_to_end(&mut content).map_err(CompressionError::Broken)?;
    if content.len() > longest { Err(CompressionError::TooLong) } else { Ok(content) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const BOTH: [Compression; 2] = [Compression::Gzip, Compression::Bzip2];

    #[test]
    fn what_kombu_compressed_is_read() {
        // From `kombu.compression.compress('{"a": 1}', method)`, with the header that it gives.
        let gzip = &b"\x78\x9c\xab\x56\x4a\x54\xb2\x52\x30\xac\x05\x00\x09\xe5\x02\x29"[..];
        let bzip2 = &b"\x42\x5a\x68\x39\x31\x41\x59\x26\x53\x59\xd6\x4d\x6a\x79\x00\x00\x03\x19\
            \x80\x50\x00\x20\x10\x20\x00\x00\x0a\x20\x00\x22\x18\x02\x18\x04\xe2\x7d\x6e\x17\x72\x45\x38\x50\x90\
            \xd6\x4d\x6a\x79"[..];
        for (header, body) in [("application/x-gzip", gzip), ("application/x-bz2", bzip2)] {
            let method = Compression::named(header).unwrap();
            assert_eq!(method.decompress(body).unwrap(), b"{\"a\": 1}");
            assert_eq!(method.name(), header);
        }
    }

    #[test]
    fn a_body_that_grows_beyond_bounds_is_given_up() {
        let bomb = Compression::Gzip.compress(&[0; 100_000]).unwrap();
        assert!(bomb.len() < 200, "{} bytes", bomb.len());
        assert!(matches!(within(ZlibDecoder::new(&*bomb), 99_999), Err(CompressionError::TooLong)));
        assert_eq!(within(ZlibDecoder::new(&*bomb), 100_000).unwrap().len(), 100_000);
    }

    proptest! {
        #[test]
        fn what_is_compressed_comes_back(body in prop::collection::vec(any::<u8>(), 0..2000)) {
            for method in BOTH {
                let compressed = method.compress(&body).unwrap();
                prop_assert_eq!(&method.decompress(&compressed).unwrap(), &body);
                let cut = &compressed[..compressed.len() - 1];
                prop_assert!(method.decompress(cut).is_err());
            }
        }

        #[test]
        fn no_body_panics(body in prop::collection::vec(any::<u8>(), 0..200)) {
            for method in BOTH {
                let _ = method.decompress(&body);
            }
        }
    }
}
