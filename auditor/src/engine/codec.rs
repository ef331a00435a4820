//! Compression on the wire, both ways.
//!
//! Two families: HTTP's own `Content-Encoding` (LZ4 frames, zstd, gzip), and ClickHouse's blocks (`decompress=1`,
//! `compress=1`): 16 bytes of CityHash128, a method byte, two lengths, the data. Both sides run on the blocking
//! thread of their request. A block may hold at most [`BLOCK_MAX`] bytes, unpacked, so a forged length can not
//! make the server allocate more.

use std::io::{self, BufRead as _, Read, Write as _};

use super::body::BodyReader;

/// The largest ClickHouse block, unpacked. The official client sends 256 KiB; ClickHouse itself 1 MiB.
const BLOCK_MAX: usize = 64 << 20;
/// Checksum, method, two lengths.
const CHECKSUM: usize = 16;
const HEADER: usize = 9;
const METHOD_NONE: u8 = 0x02;
const METHOD_LZ4: u8 = 0x82;
const METHOD_ZSTD: u8 = 0x90;

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Plain,
    /// ClickHouse's own blocks.
    Blocks,
    Lz4,
    Zstd,
    Gzip,
}

impl Coding {
    /// The value of `Content-Encoding`.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::Plain | Self::Blocks => None,
            Self::Lz4 => Some("lz4"),
            Self::Zstd => Some("zstd"),
            Self::Gzip => Some("gzip"),
        }
    }

    /// From `Content-Encoding`; `None` for one that is not understood.
    pub(crate) fn from_content(value: &str) -> Option<Self> {
        match value.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Some(Self::Plain),
            "lz4" => Some(Self::Lz4),
            "zstd" => Some(Self::Zstd),
            "gzip" | "x-gzip" => Some(Self::Gzip),
            _ => None,
        }
    }

    /// The first one of `Accept-Encoding` that the server can do.
    pub(crate) fn from_accept(value: &str) -> Self {
        value
            .split(',')
            .filter(|item| !item.contains("q=0") || item.contains("q=0."))
            .filter_map(|item| item.split(';').next())
            .filter_map(Self::from_content)
            .find(|coding| *coding != Self::Plain)
            .unwrap_or(Self::Plain)
    }
}

/// A body being unpacked.
pub(crate) fn reader(coding: Coding, body: BodyReader) -> io::Result<Box<dyn Read>> {
    Ok(match coding {
        Coding::Plain => Box::new(body),
        Coding::Blocks => Box::new(BlockReader { body, block: Vec::new(), position: 0 }),
        Coding::Lz4 => Box::new(FrameReader(lz4_flex::frame::FrameDecoder::new(body))),
        Coding::Zstd => Box::new(zstd::stream::read::Decoder::new(body)?),
        Coding::Gzip => Box::new(flate2::read::MultiGzDecoder::new(body)),
    })
}

/// LZ4 frames one after the other: the decoder stops at the end of each.
struct FrameReader(lz4_flex::frame::FrameDecoder<BodyReader>);

impl Read for FrameReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = self.0.read(out)?;
            if count > 0 || out.is_empty() || self.0.get_mut().fill_buf()?.is_empty() {
                return Ok(count);
            }
        }
    }
}

/// ClickHouse's blocks.
struct BlockReader {
    body: BodyReader,
    block: Vec<u8>,
    position: usize,
}

impl Read for BlockReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.position >= self.block.len() {
            if self.body.fill_buf()?.is_empty() {
                return Ok(0);
            }
            let mut checksum = [0; CHECKSUM];
            self.body.read_exact(&mut checksum)?;
            let mut header = [0; HEADER];
            self.body.read_exact(&mut header)?;
            let [method, p0, p1, p2, p3, u0, u1, u2, u3] = header;
            let packed = u32::from_le_bytes([p0, p1, p2, p3]) as usize;
            let unpacked = u32::from_le_bytes([u0, u1, u2, u3]) as usize;
            let size = packed.checked_sub(HEADER).filter(|size| *size <= BLOCK_MAX && unpacked <= BLOCK_MAX);
            let size = size.ok_or_else(|| invalid("the length of a compressed block is out of range"))?;
            let mut whole = header.to_vec();
            whole.resize(HEADER + size, 0);
            let data = whole.get_mut(HEADER..).unwrap_or_default();
            self.body.read_exact(data)?;
            if checksum != hash(&whole) {
                return Err(invalid("the checksum of a compressed block does not match"));
            }
            let data = whole.get(HEADER..).unwrap_or_default();
            self.block = match method {
                METHOD_NONE => data.to_vec(),
                METHOD_LZ4 => lz4_flex::block::decompress(data, unpacked).map_err(invalid)?,
                METHOD_ZSTD => zstd::bulk::decompress(data, unpacked)?,
                _ => {
                    return Err(invalid("the method of a compressed block is not LZ4, ZSTD or none"));
                }
            };
            if self.block.len() != unpacked {
                return Err(invalid("a compressed block has another length than it says"));
            }
            self.position = 0;
        }
        let rest = self.block.get(self.position..).unwrap_or_default();
        let count = rest.len().min(out.len());
        out.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
        self.position += count;
        Ok(count)
    }
}

/// An answer being packed.
pub(crate) enum Writer {
    Plain(Vec<u8>),
    Blocks(Vec<u8>),
    Lz4(Box<lz4_flex::frame::FrameEncoder<Vec<u8>>>),
    Zstd(zstd::stream::write::Encoder<'static, Vec<u8>>),
    Gzip(flate2::write::GzEncoder<Vec<u8>>),
}

impl Writer {
    pub(crate) fn new(coding: Coding) -> io::Result<Self> {
        Ok(match coding {
            Coding::Plain => Self::Plain(Vec::new()),
            Coding::Blocks => Self::Blocks(Vec::new()),
            Coding::Lz4 => {
                let frame = lz4_flex::frame::FrameInfo::new().block_size(lz4_flex::frame::BlockSize::Max256KB);
                Self::Lz4(Box::new(lz4_flex::frame::FrameEncoder::with_frame_info(frame, Vec::new())))
            }
            Coding::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(Vec::new(), 1)?),
            Coding::Gzip => Self::Gzip(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast())),
        })
    }

    /// Packs some bytes, and gives what is ready to be sent.
    pub(crate) fn write(&mut self, data: &[u8]) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain(out) => out.extend_from_slice(data),
            Self::Blocks(out) => data.chunks(1 << 20).for_each(|chunk| block(chunk, out)),
            Self::Lz4(encoder) => encoder.write_all(data)?,
            Self::Zstd(encoder) => encoder.write_all(data)?,
            Self::Gzip(encoder) => encoder.write_all(data)?,
        }
        Ok(self.take())
    }

    /// Makes everything written so far readable at the other end.
    pub(crate) fn flush(&mut self) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain(_) | Self::Blocks(_) => {}
            Self::Lz4(encoder) => encoder.flush()?,
            Self::Zstd(encoder) => encoder.flush()?,
            Self::Gzip(encoder) => encoder.flush()?,
        }
        Ok(self.take())
    }

    /// Ends the body.
    pub(crate) fn finish(self) -> io::Result<Vec<u8>> {
        match self {
            Self::Plain(out) | Self::Blocks(out) => Ok(out),
            Self::Lz4(encoder) => encoder.finish().map_err(io::Error::other),
            Self::Zstd(encoder) => encoder.finish(),
            Self::Gzip(encoder) => encoder.finish(),
        }
    }

    fn take(&mut self) -> Vec<u8> {
        match self {
            Self::Plain(out) | Self::Blocks(out) => std::mem::take(out),
            Self::Lz4(encoder) => std::mem::take(encoder.get_mut()),
            Self::Zstd(encoder) => std::mem::take(encoder.get_mut()),
            Self::Gzip(encoder) => std::mem::take(encoder.get_mut()),
        }
    }
}

/// Appends one ClickHouse block.
fn block(data: &[u8], out: &mut Vec<u8>) {
    let packed = lz4_flex::block::compress(data);
    let mut whole = vec![METHOD_LZ4];
    whole.extend_from_slice(&u32::try_from(packed.len() + HEADER).unwrap_or(u32::MAX).to_le_bytes());
    whole.extend_from_slice(&u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    whole.extend_from_slice(&packed);
    out.extend_from_slice(&hash(&whole));
    out.extend_from_slice(&whole);
}

/// ClickHouse's checksum: the two halves of CityHash128 in its order.
fn hash(bytes: &[u8]) -> [u8; CHECKSUM] {
    let hash = cityhash_rs::cityhash_102_128(bytes);
    // The low half of the file's hash stands in the high half of the number.
    (hash.rotate_left(64)).to_le_bytes()
}

fn invalid(message: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

#[cfg(test)]
mod tests {
    use super::{Coding, Writer, reader};
    use crate::engine::body::BodyReader;
    use std::io::Read as _;

    const CODINGS: [Coding; 5] = [Coding::Plain, Coding::Blocks, Coding::Lz4, Coding::Zstd, Coding::Gzip];

    fn packed(coding: Coding, data: &[u8]) -> Vec<u8> {
        let mut writer = Writer::new(coding).expect("a writer");
        let mut out = Vec::new();
        for chunk in data.chunks(70_001) {
            out.extend(writer.write(chunk).expect("written"));
            out.extend(writer.flush().expect("flushed"));
        }
        out.extend(writer.finish().expect("finished"));
        out
    }

    fn unpacked(coding: Coding, data: &[u8]) -> std::io::Result<Vec<u8>> {
        let mut out = Vec::new();
        reader(coding, BodyReader::of(data))?.read_to_end(&mut out)?;
        Ok(out)
    }

    #[test]
    fn every_coding_survives_a_round_trip_also_twice_in_a_row() {
        let data: Vec<u8> = (0..300_000_u32).flat_map(|n| (n / 7).to_le_bytes()).collect();
        for coding in CODINGS {
            let mut once = packed(coding, &data);
            assert_eq!(unpacked(coding, &once).expect("unpacked"), data, "{coding:?}");
            once.extend(packed(coding, &data));
            assert_eq!(unpacked(coding, &once).expect("unpacked").len(), data.len() * 2, "{coding:?}");
        }
    }

    #[test]
    fn a_torn_body_is_an_error_and_not_an_end() {
        let data: Vec<u8> = (0..300_000_u32).flat_map(u32::to_le_bytes).collect();
        for coding in CODINGS {
            if coding == Coding::Plain {
                continue;
            }
            let whole = packed(coding, &data);
            let torn = whole.get(..whole.len() / 2).expect("half");
            assert!(unpacked(coding, torn).is_err(), "{coding:?}");
        }
    }

    #[test]
    fn a_changed_block_is_refused() {
        let mut whole = packed(Coding::Blocks, b"some bytes that are long enough to be packed");
        if let Some(byte) = whole.get_mut(30) {
            *byte ^= 1;
        }
        assert!(unpacked(Coding::Blocks, &whole).is_err());
        let mut huge = vec![0; 16];
        huge.extend([0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
        assert!(unpacked(Coding::Blocks, &huge).is_err());
    }

    #[test]
    fn the_first_accepted_coding_is_taken() {
        assert_eq!(Coding::from_accept("lz4,zstd,gzip,deflate"), Coding::Lz4);
        assert_eq!(Coding::from_accept("br, deflate, gzip;q=0.5"), Coding::Gzip);
        assert_eq!(Coding::from_accept("gzip;q=0, identity"), Coding::Plain);
        assert_eq!(Coding::from_content("br"), None);
    }
}
