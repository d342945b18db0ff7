//! Whether a log of RocksDB ends where a crash cut it short, or was damaged.
//!
//! RocksDB itself replays a log up to the first record that is not whole and says nothing, because a crash leaves such a
//! record at the end. A byte that rots further up would so take back whole blocks that were answered. The two can be told
//! apart: a crash leaves the beginning of a record, or zeros where the disk was not written, and nothing after it.
//!
//! The format, as RocksDB documents it: blocks of 32 KiB; a **record** in a block has a masked CRC-32C of all that follows,
//! a length of two bytes, a type of one, and as many bytes. It crosses no block; the last six bytes of a block begin none.
//! Write-ahead logs and manifests have it alike. What is lost with whole records at the end cannot be told from what was
//! never written.

use std::{
    fs::{self, File},
    io::{self, Read},
    ops::RangeInclusive,
    path::{Path, PathBuf},
};

use super::CURRENT_FILE;

/// Bytes of a block.
const BLOCK_LEN: usize = 32 << 10;
/// Checksum, length and type before a record's bytes.
const HEADER_LEN: usize = 7;
/// Where the type is, and with it what the checksum is of.
const TYPE_AT: usize = 6;
/// A whole batch, its first, middle and last part.
const TYPES: RangeInclusive<u8> = 1..=4;
/// A disk writes sectors whole, so what it did not write is at least so many zeros. No batch ends with as many: the last
/// entry of each is a head.
const SECTOR_LEN: u64 = 512;

/// The first damage found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Damage {
    pub(super) file: PathBuf,
    pub(super) at: u64,
    /// Whether the blocks before it can be had by cutting the log here.
    pub(super) is_log: bool,
}

/// Returns the first damage in a directory's manifest and logs.
pub(super) fn find_damage(dir: &Path) -> io::Result<Option<Damage>> {
    let current = fs::read_to_string(dir.join(CURRENT_FILE))?;
    let manifest = dir.join(current.trim_end());
    if manifest.is_file()
        && let Some(at) = damage_of(File::open(&manifest)?)?
    {
        return Ok(Some(Damage { file: manifest, at, is_log: false }));
    }
    let mut logs = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "log") && path.is_file() {
            logs.push(path);
        }
    }
    // Their names are numbers of one width.
    logs.sort();
    for file in logs {
        if let Some(at) = damage_of(File::open(&file)?)? {
            return Ok(Some(Damage { file, at, is_log: true }));
        }
    }
    Ok(None)
}

/// Returns where the first damaged record is.
fn damage_of(mut log: impl Read) -> io::Result<Option<u64>> {
    let (mut block, mut start) = (Vec::with_capacity(BLOCK_LEN), 0_u64);
    loop {
        block.clear();
        log.by_ref().take(BLOCK_LEN as u64).read_to_end(&mut block)?;
        if block.is_empty() {
            return Ok(None);
        }
        if let Some(at) = first_bad(&block) {
            let rest = &block[at..];
            let is_cut_short = Record::len_at(&block, at).is_none_or(|len| {
                // The log ends before the record does, whose length may be right.
                rest.len() < len && at + len <= BLOCK_LEN && !goes_on(rest)
            });
            let len = Record::len_at(&block, at).map_or(rest.len(), |len| len.min(rest.len()));
            let is_damage = !is_cut_short && !is_unwritten(rest, len, log)?;
            return Ok(is_damage.then_some(start + at as u64));
        }
        start += block.len() as u64;
    }
}

/// A record that lies in its block as a whole, if its length is right.
struct Record {
    len: usize,
    is_valid: bool,
}

impl Record {
    /// Returns how long the record is by its header, if that is there.
    fn len_at(block: &[u8], at: usize) -> Option<usize> {
        let header = block.get(at..at + HEADER_LEN)?;
        Some(HEADER_LEN + usize::from(u16::from_le_bytes([header[4], header[5]])))
    }

    fn at(block: &[u8], at: usize) -> Option<Self> {
        let len = Self::len_at(block, at)?;
        let record = block.get(at..at + len)?;
        Some(Self { len, is_valid: mask(crc32c(&record[TYPE_AT..])) == checksum(record) })
    }
}

/// Returns where the first record of a block begins that is not whole and valid.
fn first_bad(block: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < block.len() && BLOCK_LEN - at >= HEADER_LEN {
        match Record::at(block, at) {
            Some(Record { len, is_valid: true }) => at += len,
            _ => return Some(at),
        }
    }
    None
}

/// Returns whether the log's last bytes, which begin like a record that is longer than they are, hold more than the
/// beginning of one: then it is its length that is wrong.
fn goes_on(rest: &[u8]) -> bool {
    let mut crc = Crc::default();
    let ends_earlier = rest[TYPE_AT..].iter().any(|&byte| {
        crc.push(byte);
        mask(crc.value()) == checksum(rest)
    });
    let whole_after = |at: usize| {
        // Looking at the type first spares most checksums.
        rest.get(at + TYPE_AT).is_some_and(|of| TYPES.contains(of))
            && Record::at(rest, at).is_some_and(|record| record.is_valid)
    };
    ends_earlier || (1..rest.len()).any(whole_after)
}

/// Returns whether what follows, from within a record that is `len` bytes long, is what a disk that lost power had not
/// written yet: zeros up to the log's end.
fn is_unwritten(rest: &[u8], len: usize, mut log: impl Read) -> io::Result<bool> {
    // How far the bytes go, and how far to the last one that is not zero.
    let (mut end, mut last) = (0_u64, 0_u64);
    let mut note = |bytes: &[u8]| {
        if let Some(at) = bytes.iter().rposition(|&byte| byte != 0) {
            last = end + at as u64 + 1;
        }
        end += bytes.len() as u64;
    };
    note(rest);
    let mut more = vec![0; BLOCK_LEN];
    loop {
        match log.read(&mut more)? {
            0 => break,
            read => note(&more[..read]),
        }
    }
    Ok(last < len as u64 && end - last >= SECTOR_LEN)
}

fn checksum(record: &[u8]) -> u32 {
    record.first_chunk().copied().map_or(0, u32::from_le_bytes)
}

/// RocksDB stores checksums masked, so that one of bytes that hold checksums is not a checksum of them.
fn mask(crc: u32) -> u32 {
    const DELTA: u32 = 0xa282_ead8;
    crc.rotate_right(15).wrapping_add(DELTA)
}

fn crc32c(bytes: &[u8]) -> u32 {
    let mut crc = Crc::default();
    bytes.iter().for_each(|&byte| crc.push(byte));
    crc.value()
}

/// CRC-32C (Castagnoli), a byte at a time: a log is read once at start, and has a few megabytes.
struct Crc(u32);

impl Default for Crc {
    fn default() -> Self {
        Self(u32::MAX)
    }
}

impl Crc {
    /// The polynomial, its lowest power first.
    const POLYNOMIAL: u32 = 0x82f6_3b78;

    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0_u32;
        while byte < 256 {
            let mut crc = byte;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 == 1 { crc >> 1 ^ Self::POLYNOMIAL } else { crc >> 1 };
                bit += 1;
            }
            table[byte as usize] = crc;
            byte += 1;
        }
        table
    };

    fn push(&mut self, byte: u8) {
        let [low, ..] = self.0.to_le_bytes();
        self.0 = self.0 >> 8 ^ Self::TABLE[usize::from(low ^ byte)];
    }

    fn value(&self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use std::ops::Range;

    use super::*;

    /// Writes a record as RocksDB does, after the padding that ends a block which has no room for a header.
    fn append(log: &mut Vec<u8>, records: &mut Vec<Range<usize>>, payload: &[u8]) {
        const FULL: u8 = 1;
        let left = BLOCK_LEN - log.len() % BLOCK_LEN;
        if left < HEADER_LEN {
            log.resize(log.len() + left, 0);
        }
        let start = log.len();
        let typed = [&[FULL], payload].concat();
        log.extend(mask(crc32c(&typed)).to_le_bytes());
        log.extend(u16::try_from(payload.len()).expect("short").to_le_bytes());
        log.extend(typed);
        records.push(start..log.len());
    }

    /// A log of more than two blocks, and where its records are.
    fn log() -> (Vec<u8>, Vec<Range<usize>>) {
        let (mut log, mut records) = (Vec::new(), Vec::new());
        for n in 1..=2_u8 {
            append(&mut log, &mut records, &[n | 0x80; 1_000]);
            // To the last byte of the first block, and almost to that of the second.
            let left = BLOCK_LEN - log.len() % BLOCK_LEN - HEADER_LEN;
            append(&mut log, &mut records, &vec![n; left - usize::from(n - 1) * 3]);
        }
        for n in 1..=6_u8 {
            append(&mut log, &mut records, &[n; 90]);
        }
        (log, records)
    }

    fn damage(log: &[u8]) -> Option<u64> {
        damage_of(log).expect("reads")
    }

    #[test]
    fn the_checksum_is_the_one_of_rfc_3720() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
    }

    #[test]
    fn a_log_cut_anywhere_is_not_damaged() {
        let (log, _) = log();
        for cut in (0..log.len()).step_by(997) {
            assert_eq!(damage(&log[..cut]), None, "cut at {cut} of {}", log.len());
        }
        let short = &log[2 * BLOCK_LEN..];
        for cut in 0..=short.len() {
            assert_eq!(damage(&short[..cut]), None, "cut at {cut} of {}", short.len());
        }
    }

    #[test]
    fn a_flipped_bit_is_damage_wherever_a_record_has_it() {
        let (log, records) = log();
        for record in &records {
            // Every byte of the header and the last ones, and some between.
            let near = |at: &usize| at - record.start < 9 || record.end - at < 3 || at.is_multiple_of(1_511);
            for at in record.clone().filter(near) {
                let mut flipped = log.clone();
                flipped[at] ^= 1 << (at % 8);
                assert_eq!(damage(&flipped), Some(record.start as u64), "byte {at}");
            }
        }
        let last = records.last().expect("there are records");
        for at in last.clone() {
            for bit in 0..8 {
                let mut flipped = log[BLOCK_LEN * 2..].to_vec();
                flipped[at - BLOCK_LEN * 2] ^= 1 << bit;
                assert_eq!(damage(&flipped), Some((last.start - BLOCK_LEN * 2) as u64), "bit {bit} of {at}");
            }
        }
    }

    #[test]
    fn zeros_that_were_never_written_are_no_damage_and_others_are() {
        let (log, records) = log();
        let zeroed = |range: Range<usize>| {
            let mut log = log.clone();
            log[range].fill(0);
            damage(&log)
        };
        let late = records[records.len() - 3].start;
        for from in [late, late + 3, late + 50, log.len() - 600, BLOCK_LEN + 5_000] {
            let unwritten = [&log[..from], &[0; 600]].concat();
            assert_eq!(damage(&unwritten), None, "zeros from {from}");
        }
        assert_eq!(zeroed(late..late + 60), Some(late as u64));
        assert_eq!(zeroed(5_000..5_600), Some(records[1].start as u64));
        assert_eq!(zeroed(BLOCK_LEN..BLOCK_LEN + 9), Some(BLOCK_LEN as u64));
    }
}
