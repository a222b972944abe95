//! Brings the files of a model version here: each one's size and SHA-256 have to be what was said.

use std::fmt::Write as _;
use std::time::Duration;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// What the server reads; every other file is checked and let go.
const MODEL: &str = "model.json";
/// The longest silence of whoever has the files.
const SILENCE: Duration = Duration::from_secs(10);

/// A model version to load.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Files {
    /// Its name.
    pub(crate) version: String,
    /// The bytes of all files.
    pub(crate) bytes: u64,
    /// The files.
    pub(crate) files: Vec<File>,
}

/// One file.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct File {
    path: String,
    size: u64,
    sha256: String,
    url: String,
}

/// The client for all downloads.
pub(crate) fn client() -> reqwest::Result<reqwest::Client> {
    reqwest::Client::builder().connect_timeout(SILENCE).read_timeout(SILENCE).build()
}

impl Files {
    /// The text of model.json once every file was checked, or which file is wrong, and how.
    pub(crate) async fn fetch(&self, http: &reqwest::Client) -> Result<Vec<u8>, String> {
        let mut model = None;
        for file in &self.files {
            let found = file.fetch(http).await.map_err(|why| format!("{}: {why}", file.path))?;
            if file.path == MODEL {
                model = Some(found);
            }
        }
        model.ok_or_else(|| format!("{MODEL}: is not among the files"))
    }
}

impl File {
    async fn fetch(&self, http: &reqwest::Client) -> Result<Vec<u8>, String> {
        // An address with a signature in it does not belong into a reason that people read.
        let plain = |wrong: reqwest::Error| wrong.without_url().to_string();
        let mut reply = http.get(&self.url).send().await.map_err(plain)?;
        if !reply.status().is_success() {
            return Err(format!("the storage answered {}", reply.status()));
        }
        let mut found = Vec::new();
        while let Some(part) = reply.chunk().await.map_err(plain)? {
            found.extend_from_slice(&part);
            if found.len() as u64 > self.size {
                return Err(format!("is larger than the {} bytes announced", self.size));
            }
        }
        if (found.len() as u64) < self.size {
            return Err(format!("has {} bytes, {} were announced", found.len(), self.size));
        }
        let sha256 = hex(&Sha256::digest(&found));
        if !sha256.eq_ignore_ascii_case(&self.sha256) {
            return Err(format!("has SHA-256 {sha256}, {} was announced", self.sha256));
        }
        Ok(found)
    }
}

/// Bytes as lower-case hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
