//! What a folder has: files, metrics and golden requests.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use perch_core::manifest::{FilePath, MOST_FILES, read_golden};

use super::Unfit;

/// The file with the golden requests.
const GOLDEN: &str = "golden.json";
/// The file with the metrics.
const METRICS: &str = "metrics.json";

/// A folder that is to be uploaded.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Its files, in the order of their paths.
    pub(crate) files: Vec<Local>,
    /// The numbers of its `metrics.json`.
    pub(crate) metrics: BTreeMap<String, f64>,
    /// Its golden requests.
    pub(crate) golden: Option<FilePath>,
}

/// A file of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Local {
    /// Where it is.
    pub(crate) file: PathBuf,
    /// Its path below the folder.
    pub(crate) path: FilePath,
    /// Its size.
    pub(crate) size: u64,
}

impl Folder {
    /// Reads a folder; what can be found wrong with it is found here.
    pub(crate) fn read(folder: &Path) -> anyhow::Result<Self> {
        let mut files = Vec::new();
        collect(folder, "", &mut files)?;
        if files.is_empty() {
            return Err(Unfit::Empty(folder.to_owned()).into());
        }
        if files.len() > MOST_FILES {
            return Err(Unfit::TooMany { count: files.len(), most: MOST_FILES }.into());
        }
        files.sort_by(|one: &Local, other| one.path.cmp(&other.path));
        let named = |name: &str| files.iter().find(|local| local.path.as_str() == name);
        let metrics = match named(METRICS) {
            Some(local) => metrics(&local.file)?,
            None => BTreeMap::new(),
        };
        let golden = match named(GOLDEN) {
            Some(local) => {
                read_golden(&read(&local.file)?).map_err(Unfit::from)?;
                Some(local.path.clone())
            }
            None => None,
        };
        Ok(Self { files, metrics, golden })
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut Vec<Local>) -> anyhow::Result<()> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    for entry in entries {
        let file = entry.with_context(|| folder.display().to_string())?.path();
        let name = file.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| Unfit::NotText(file.clone()))?;
        if name.starts_with('.') {
            continue;
        }
        let facts = file.metadata().with_context(|| file.display().to_string())?;
        let path = format!("{prefix}{name}");
        if facts.is_dir() {
            collect(&file, &format!("{path}/"), files)?;
        } else {
            let path = path.parse().map_err(Unfit::from)?;
            files.push(Local { file, path, size: facts.len() });
        }
    }
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| file.display().to_string())
}

/// The numbers of a JSON object; other fields are left out.
pub(crate) fn metrics(file: &Path) -> anyhow::Result<BTreeMap<String, f64>> {
    let wrong = |field: &str, message: String| Unfit::Metrics {
        file: file.to_owned(),
        field: field.to_owned(),
        message,
    };
    let fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(&read(file)?).map_err(|error| wrong(".", error.to_string()))?;
    let numbers = fields.into_iter().filter_map(|(name, value)| Some((name, value.as_f64()?)));
    Ok(numbers.collect())
}
