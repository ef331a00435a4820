//! gzip (RFC 1952): members one after the other, each with header, DEFLATE stream, CRC-32 and length. Only the first may
//! have content: browsers stop at its end, and others go on.

use super::deflate::Inflate;
use super::{Fault, Step};
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
    /// A member has come before this one.
    again: bool,
    inflate: Option<Inflate>,
}

/// Which part of a member comes next.
#[derive(Clone, Copy)]
enum Part {
    /// The first ten bytes: so many have come.
    Fixed(usize),
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
        Self { part: Part::Fixed(0), flags: 0, crc: Crc::new(), fields: 0, again: false, inflate: None }
    }

    pub(super) fn read(&mut self, input: &[u8]) -> Result<Step, Fault> {
        let mut taken = 0;
        loop {
            if matches!(self.part, Part::Content) {
                let step = self.content(input.get(taken..).unwrap_or_default())?;
                return Ok(Step { taken: taken + step.taken, ..step });
            }
            let Some(byte) = input.get(taken) else { return Ok(Step { taken, made: 0, more: false }) };
            taken += 1;
            match self.part {
                Part::Trailer { should, count } => self.trailer(*byte, should, count)?,
                _ => self.header(*byte)?,
            }
        }
    }

    pub(super) fn window(&self) -> &[u8] {
        self.inflate.as_ref().map_or(&[], Inflate::window)
    }

    /// Decodes content.
    fn content(&mut self, input: &[u8]) -> Result<Step, Fault> {
        let Self { crc, inflate, .. } = self;
        let inflate = inflate.get_or_insert_with(|| Inflate::new(false));
        let (step, ended) = inflate.read(input)?;
        if self.again && step.made > 0 {
            return Err(Fault::Trailing);
        }
        crc.update(inflate.window().get(..step.made).unwrap_or_default());
        if ended {
            // The length is counted modulo 2^32, as the member tells it.
            let should = u64::from(crc.sum()) | u64::from(crc.amount()) << 32;
            self.part = Part::Trailer { should: should.to_le_bytes(), count: 0 };
            inflate.restart();
        }
        Ok(step)
    }

    /// Takes a byte of what stands behind the content.
    fn trailer(&mut self, byte: u8, should: [u8; TRAILER], count: usize) -> Result<(), Fault> {
        if should.get(count) != Some(&byte) {
            return Err(Fault::Corrupt);
        }
        self.part = Part::Trailer { should, count: count + 1 };
        if count + 1 == TRAILER {
            self.part = Part::Fixed(0);
            self.again = true;
        }
        Ok(())
    }

    /// Takes a byte of the header.
    fn header(&mut self, byte: u8) -> Result<(), Fault> {
        if let Part::Fixed(count) = self.part {
            return self.fixed(byte, count);
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

    fn fixed(&mut self, byte: u8, count: usize) -> Result<(), Fault> {
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
            return Err(if self.again && count <= 1 { Fault::Trailing } else { Fault::Corrupt });
        }
        self.part = Part::Fixed(count + 1);
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
        matches!(self.part, Part::Fixed(0))
    }
}
