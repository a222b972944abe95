//! What the contract tests share: the repository's files, read as they are checked in.

#![allow(clippy::panic, reason = "a test fails by panicking")]

pub mod asl;

use std::path::{Path, PathBuf};

use serde_json::Value;

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The text of a file, by its path from the root.
///
/// # Panics
/// When it can't be read: the test that needs it has failed.
pub fn text(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A JSON file, by its path from the root.
///
/// # Panics
/// When it is not JSON.
pub fn json(path: impl AsRef<Path>) -> Value {
    let path = path.as_ref();
    serde_json::from_str(&text(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A YAML file without its tags: `!GetAtt Table.Arn` reads as `Table.Arn`.
///
/// # Panics
/// When it is not YAML.
pub fn yaml(path: impl AsRef<Path>) -> Value {
    let path = path.as_ref();
    serde_saphyr::from_str(&text(path))
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files and folders directly in a folder, sorted, as paths from the root.
///
/// # Panics
/// When the folder can't be read.
pub fn entries(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let folder = folder.as_ref();
    let read = std::fs::read_dir(root().join(folder))
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<PathBuf> = read
        .map(|entry| entry.unwrap_or_else(|error| panic!("{}: {error}", folder.display())))
        .map(|entry| folder.join(entry.file_name()))
        .collect();
    found.sort();
    found
}

/// The Rust files below a folder, sorted, as paths from the root.
pub fn sources(folder: impl AsRef<Path>) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in entries(folder) {
        if root().join(&entry).is_dir() {
            found.extend(sources(entry));
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
    found
}

/// The names of the functions: the folders of `functions/`.
pub fn functions() -> Vec<String> {
    entries("functions").iter().map(|folder| name(folder)).collect()
}

/// The last part of a path.
pub fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// `judge-canary` as `JudgeCanary`.
pub fn pascal(kebab: &str) -> String {
    kebab
        .split('-')
        .filter_map(|word| word.split_at_checked(1))
        .map(|(first, rest)| first.to_uppercase() + rest)
        .collect()
}
