//! Builders with names that read like the situation they make.
//!
//! The usual case: target `news` is alias `live` of image function `news`; version 1, built from
//! digest a, serves; an image with digest b and tag v2 is pushed and becomes version 2.

mod announcement;
mod release;
mod target;

use jiff::Timestamp;
use perch_core::artifact::Artifact;
use perch_core::digest::Digest;

pub use announcement::{AnnouncementBuilder, announcement};
pub use release::{ReleaseBuilder, release};
pub use target::{TargetBuilder, target};

/// The time of a test, in seconds from its start at a whole minute.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + seconds).unwrap()
}

/// The digest that consists of this hex digit.
pub fn digest(hex: char) -> Digest {
    format!("sha256:{}", hex.to_string().repeat(64)).parse().unwrap()
}

/// The image with this digest and tag in the repository of the usual target.
pub fn image(hex: char, tag: &str) -> Artifact {
    Artifact::Image {
        repository: "news".parse().unwrap(),
        digest: digest(hex),
        tag: Some(tag.to_owned()),
    }
}
