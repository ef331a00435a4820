//! gzip (RFC 1952): members one after the other, each with header, DEFLATE stream, CRC-32 and length.

use super::deflate::Inflate;
use super::{Fault, Out, Stop};
use flate2::Crc;

/// The most bytes of a header's extra field, name, comment and checksum. No decoder shows them.
const FIELDS_MAX: usize = 1 << 10;

const FIXED: usize = 10;
const TRAILER: usize = 8;
const METHOD_DEFLATE: u8 = 8;
const HAS_CHECKSUM: u8 = 0x02;
const HAS_EXTRA: u8 = 0x04;
const HAS_NAME: u8 = 0x08;
const HAS_COMMENT: u8 = 0x10;
const RESERVED: u8 = 0xe0;

/// The coding `gzip`.
pub(super) struct Gzip {
    part: Part,
    /// The member's flags that are still to be followed.
    flags: u8,
    /// Of the header, then of the content.
    crc: Crc,
    fields: usize,
    inflate: Option<Inflate>,
}

/// Which part of a member comes next.
#[derive(Clone, Copy)]
enum Part {
    /// The first ten bytes. `first`: no member has come before.
    Fixed {
        count: usize,
        first: bool,
    },
    ExtraLength(Option<u8>),
    Extra(u16),
    Name,
    Comment,
    /// With the bytes that it should be.
    Checksum([u8; 2], Option<u8>),
    Content,
    Trailer {
        should: [u8; TRAILER],
        count: usize,
    },
}

impl Gzip {
    pub(super) fn new() -> Self {
        Self { part: Part::Fixed { count: 0, first: true }, flags: 0, crc: Crc::new(), fields: 0, inflate: None }
    }

    pub(super) fn push<E>(&mut self, mut part: &[u8], out: Out<'_, E>) -> Result<(), Stop<E>> {
        while let Some((byte, rest)) = part.split_first() {
            part = match self.part {
                Part::Content => self.content(part, out)?,
                Part::Trailer { should, count } => {
                    if should.get(count) != Some(byte) {
                        return Err(Fault::Corrupt.into());
                    }
                    self.part = if count + 1 == TRAILER {
                        Part::Fixed { count: 0, first: false }
                    } else {
                        Part::Trailer { should, count: count + 1 }
                    };
                    rest
                }
                _ => {
                    self.header(*byte)?;
                    rest
                }
            };
        }
        Ok(())
    }

    /// Decodes content. Gives what follows it.
    fn content<'p, E>(&mut self, part: &'p [u8], out: Out<'_, E>) -> Result<&'p [u8], Stop<E>> {
        let Self { crc, inflate, .. } = self;
        let inflate = inflate.get_or_insert_with(|| Inflate::new(false));
        let rest = inflate.push(part, &mut |window| {
            crc.update(window);
            out(window)
        })?;
        let Some(rest) = rest else { return Ok(&[]) };
        // The length is counted modulo 2^32, as the member tells it.
        let should = u64::from(crc.sum()) | u64::from(crc.amount()) << 32;
        self.part = Part::Trailer { should: should.to_le_bytes(), count: 0 };
        inflate.restart();
        Ok(rest)
    }

    /// Takes a byte of the header.
    fn header(&mut self, byte: u8) -> Result<(), Fault> {
        if let Part::Fixed { count, first } = self.part {
            return self.fixed(byte, count, first);
        }
        self.fields += 1;
        if self.fields > FIELDS_MAX {
            return Err(Fault::Refused);
        }
        if let Part::Checksum(should, None) = self.part {
            self.part = Part::Checksum(should, Some(byte));
            return Ok(());
        }
        self.crc.update(&[byte]);
        match self.part {
            Part::ExtraLength(None) => self.part = Part::ExtraLength(Some(byte)),
            Part::ExtraLength(Some(low)) => match u16::from_le_bytes([low, byte]) {
                0 => self.next_field(),
                length => self.part = Part::Extra(length),
            },
            Part::Extra(left) if left > 1 => self.part = Part::Extra(left - 1),
            Part::Name | Part::Comment if byte != 0 => {}
            Part::Checksum(should, Some(low)) if should != [low, byte] => return Err(Fault::Corrupt),
            _ => self.next_field(),
        }
        Ok(())
    }

    fn fixed(&mut self, byte: u8, count: usize, first: bool) -> Result<(), Fault> {
        if count == 0 {
            self.crc.reset();
            self.fields = 0;
        }
        self.crc.update(&[byte]);
        let good = match count {
            0 => byte == 0x1f,
            1 => byte == 0x8b,
            2 => byte == METHOD_DEFLATE,
            3 => {
                self.flags = byte;
                byte & RESERVED == 0
            }
            // Time, level and system may be anything.
            _ => true,
        };
        if !good {
            // What does not begin a member is something else that was added.
            return Err(if first || count > 1 { Fault::Corrupt } else { Fault::Trailing });
        }
        self.part = Part::Fixed { count: count + 1, first };
        if count + 1 == FIXED {
            self.next_field();
        }
        Ok(())
    }

    /// The next field that the flags announce, in the order of the header; the content after the last.
    fn next_field(&mut self) {
        let mut take = |flag: u8| {
            let has = self.flags & flag != 0;
            self.flags &= !flag;
            has
        };
        self.part = if take(HAS_EXTRA) {
            Part::ExtraLength(None)
        } else if take(HAS_NAME) {
            Part::Name
        } else if take(HAS_COMMENT) {
            Part::Comment
        } else if take(HAS_CHECKSUM) {
            let [low, high, ..] = self.crc.sum().to_le_bytes();
            Part::Checksum([low, high], None)
        } else {
            self.crc.reset();
            Part::Content
        };
    }

    pub(super) fn is_at_end(&self) -> bool {
        matches!(self.part, Part::Fixed { count: 0, .. })
    }
}
