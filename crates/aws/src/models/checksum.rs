//! S3's checksums: base64 of the SHA-256, with `-N` for an upload in N parts (S3 User Guide, "Checking
//! object integrity in Amazon S3").

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use perch_core::manifest::{Checksum, Sha256};

/// What S3 says of an object's SHA-256.
pub(super) fn checksum(text: Option<&str>) -> Checksum {
    let Some(text) = text else { return Checksum::None };
    let (sum, parts) = match text.split_once('-') {
        Some((sum, parts)) => (sum, Some(parts)),
        None => (text, None),
    };
    let Some(sum) = sha256(sum) else { return Checksum::None };
    match parts.map(str::parse) {
        None => Checksum::Full(sum),
        Some(Ok(parts)) => Checksum::Composite { sum, parts },
        Some(Err(_)) => Checksum::None,
    }
}

/// A SHA-256 in base64.
pub(super) fn sha256(text: &str) -> Option<Sha256> {
    Some(Sha256::new(BASE64.decode(text).ok()?.try_into().ok()?))
}

/// A SHA-256 as S3 takes it.
pub(super) fn encoded(sum: &Sha256) -> String {
    BASE64.encode(sum.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn full_and_composite_sums_are_told_apart() {
        let sum = Sha256::new([7; 32]);
        let text = encoded(&sum);
        assert_eq!(checksum(Some(&text)), Checksum::Full(sum));
        let parted = format!("{text}-3");
        assert_eq!(checksum(Some(&parted)), Checksum::Composite { sum, parts: 3 });
        for unknown in [None, Some("abc"), Some(""), Some("abc-1")] {
            assert_eq!(checksum(unknown), Checksum::None, "{unknown:?}");
        }
        assert_eq!(checksum(Some(&format!("{text}-x"))), Checksum::None);
    }
}
