//! The version name of a model that is one plain file.

use crate::names::Version;

/// The letters of a file's name that stay in its version's name.
const STEM: usize = 48;

/// `STEM-XXXXXXXX`: the file's name without its ending, and the first eight letters of the object's
/// version id. Each upload of the same key is a version of its own.
pub fn version_of_file(key: &str, object: &str) -> Option<Version> {
    let name = key.rsplit('/').next().unwrap_or(key);
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let fits = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let stem: String = stem.chars().take(STEM).map(fits).collect();
    let stem = stem.trim_start_matches(['.', '_', '-']);
    let id: String = object.chars().filter(char::is_ascii_alphanumeric).take(8).collect();
    format!("{}-{id}", if stem.is_empty() { "model" } else { stem }).parse().ok()
}
