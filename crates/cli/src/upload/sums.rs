//! The SHA-256 of a file and of its parts, in one reading.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use anyhow::Context as _;
use perch_core::manifest::{Multipart, Sha256};
use sha2::Digest as _;

/// The most parts of an upload (S3 User Guide, "Amazon S3 multipart upload limits").
const MOST_PARTS: u64 = 10_000;

/// The sums of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sums {
    /// That of all of it.
    pub(super) whole: Sha256,
    /// How large its parts are.
    pub(super) part_size: u64,
    /// Those of its parts; none for a file that is no larger than one.
    pub(super) parts: Vec<Sha256>,
}

impl Sums {
    /// Reads a file of this size; parts have `wish` bytes, or more where there would be too many.
    pub(super) fn of(file: &Path, size: u64, wish: u64) -> anyhow::Result<Self> {
        let part_size = wish.max(size.div_ceil(MOST_PARTS));
        let (mut whole, mut part, mut parts) =
            (sha2::Sha256::new(), sha2::Sha256::new(), Vec::new());
        let shown = || file.display().to_string();
        let mut source = File::open(file).with_context(shown)?;
        let mut buffer = vec![0; 1 << 18];
        let mut room = part_size;
        loop {
            let most = usize::try_from(room).unwrap_or(usize::MAX).min(buffer.len());
            let count = source.read(&mut buffer[..most]).with_context(shown)?;
            if count == 0 {
                break;
            }
            whole.update(&buffer[..count]);
            if size > part_size {
                part.update(&buffer[..count]);
            }
            room -= count as u64;
            if room == 0 {
                parts.push(Sha256::new(part.finalize_reset().into()));
                room = part_size;
            }
        }
        if size <= part_size {
            parts.clear();
        } else if room < part_size {
            parts.push(Sha256::new(part.finalize().into()));
        }
        Ok(Self { whole: Sha256::new(whole.finalize().into()), part_size, parts })
    }

    /// How the manifest says it; `None` for an upload in one go.
    pub(super) fn multipart(&self) -> Option<Multipart> {
        if self.parts.is_empty() {
            return None;
        }
        let mut sum = sha2::Sha256::new();
        self.parts.iter().for_each(|part| sum.update(part.bytes()));
        let parts = u32::try_from(self.parts.len()).unwrap_or(u32::MAX);
        let composite = Sha256::new(sum.finalize().into());
        Some(Multipart { part_size: self.part_size, parts, composite })
    }
}
