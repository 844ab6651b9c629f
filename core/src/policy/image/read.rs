//! Reading numbers, with every length checked.

use alloc::vec::Vec;

use super::{
    error::{Defect, ImageError},
    format::Section,
    tables::Run,
};

/// Reads one section from its start to its end.
pub(super) struct Reader<'a> {
    section: Section,
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(section: Section, bytes: &'a [u8]) -> Self {
        Self { section, rest: bytes }
    }

    pub(super) fn fail<T>(&self, defect: Defect) -> Result<T, ImageError> {
        Err(ImageError::Malformed { section: self.section, defect })
    }

    pub(super) fn ensure(&self, holds: bool, defect: Defect) -> Result<(), ImageError> {
        if holds { Ok(()) } else { self.fail(defect) }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], ImageError> {
        match self.rest.split_first_chunk() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => self.fail(Defect::Short),
        }
    }

    pub(super) fn byte(&mut self) -> Result<u8, ImageError> {
        match self.rest.split_first() {
            Some((byte, rest)) => {
                self.rest = rest;
                Ok(*byte)
            }
            None => self.fail(Defect::Short),
        }
    }

    pub(super) fn long(&mut self) -> Result<u64, ImageError> {
        let first = self.byte()?;
        if first < 0x80 {
            return Ok(u64::from(first));
        }
        let mut number = u64::from(first & 0x7f);
        let mut shift = 7;
        loop {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift > 63 || (shift == 63 && bits > 1) {
                return self.fail(Defect::Number);
            }
            number |= bits << shift;
            if byte < 0x80 {
                // A last byte of zero would be a longer form of a shorter number.
                return if byte == 0 { self.fail(Defect::Number) } else { Ok(number) };
            }
            shift += 7;
        }
    }

    pub(super) fn signed(&mut self) -> Result<i64, ImageError> {
        let number = self.long()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    pub(super) fn number(&mut self) -> Result<u32, ImageError> {
        match u32::try_from(self.long()?) {
            Ok(number) => Ok(number),
            Err(_) => self.fail(Defect::Number),
        }
    }

    /// A number of entries; each takes a byte at least, so that no more than the section's length is reserved.
    pub(super) fn count(&mut self) -> Result<usize, ImageError> {
        let count = self.number()? as usize;
        self.ensure(count <= self.rest.len(), Defect::Short)?;
        Ok(count)
    }

    /// An index below `bound`.
    pub(super) fn index(&mut self, bound: usize) -> Result<u32, ImageError> {
        let number = self.number()?;
        self.ensure((number as usize) < bound, Defect::Reference)?;
        Ok(number)
    }

    /// A count and as many indices below `bound`, added to `table`.
    pub(super) fn run(&mut self, bound: usize, table: &mut Vec<u32>) -> Result<Run, ImageError> {
        let count = self.count()?;
        self.indices(count, bound, table)
    }

    /// `count` indices below `bound`, added to `table`.
    pub(super) fn indices(
        &mut self,
        count: usize,
        bound: usize,
        table: &mut Vec<u32>,
    ) -> Result<Run, ImageError> {
        let start = table.len();
        for _ in 0..count {
            let index = self.index(bound)?;
            table.push(index);
        }
        self.run_since(start, table)
    }

    /// The run of what was added to `table` since it had `start` entries.
    pub(super) fn run_since<T>(&self, start: usize, table: &[T]) -> Result<Run, ImageError> {
        match (u32::try_from(start), u32::try_from(table.len() - start)) {
            (Ok(start), Ok(len)) => Ok(Run { start, len }),
            _ => self.fail(Defect::Number),
        }
    }

    pub(super) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }

    pub(super) fn finish(self) -> Result<(), ImageError> {
        self.ensure(self.rest.is_empty(), Defect::Trailing)
    }
}
