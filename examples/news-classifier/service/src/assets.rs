//! The files of the image: the model, the build's name and, in a broken image, the fault.
//!
//! The folder is found from the program's own path and not from `/`, because a local stack may run
//! an unpacked image without changing the root. What the files mean is left to the other modules.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::{fs, io};

use news_classifier::classifier::{Model, ModelError};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::fault::Fault;

/// From the program's folder (`/var/runtime`) to the model's (`/opt/model`).
const MODEL_FOLDER: &str = "../../opt/model";

/// Everything an image brings besides the program.
#[derive(Debug)]
pub(crate) struct Assets {
    /// The trained model.
    pub(crate) model: Model,
    /// What the push called this image.
    pub(crate) build: String,
    /// What is wrong with this image; `None` in a healthy one.
    pub(crate) fault: Option<Fault>,
}

/// Why an image cannot serve.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AssetError {
    #[error("{} cannot be read", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("{}: {source}", path.display())]
    Malformed { path: PathBuf, source: serde_json::Error },
    #[error("{}: {source}", path.display())]
    Unusable { path: PathBuf, source: ModelError },
    #[error("the program has no parent folder: {}", path.display())]
    NoFolder { path: PathBuf },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Build {
    build: String,
}

impl Assets {
    /// Reads the assets of the image that holds `program`.
    pub(crate) fn beside(program: &Path) -> Result<Self, AssetError> {
        let folder =
            program.parent().ok_or_else(|| AssetError::NoFolder { path: program.into() })?;
        Self::read(&folder.join(MODEL_FOLDER))
    }

    fn read(folder: &Path) -> Result<Self, AssetError> {
        let path = folder.join("model.json");
        let model: Model = required(&path)?;
        model.check().map_err(|source| AssetError::Unusable { path, source })?;
        let Build { build } = required(&folder.join("build.json"))?;
        Ok(Self { model, build, fault: optional(&folder.join("fault.json"))? })
    }
}

fn required<T: DeserializeOwned>(path: &Path) -> Result<T, AssetError> {
    let missing = || io::Error::from(ErrorKind::NotFound);
    optional(path)?.ok_or_else(|| AssetError::Unreadable { path: path.into(), source: missing() })
}

fn optional<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, AssetError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map(Some)
            .map_err(|source| AssetError::Malformed { path: path.into(), source }),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(AssetError::Unreadable { path: path.into(), source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = include_str!("../../training/model.json");

    /// An unpacked image root under the system's temporary folder, removed on drop.
    struct Root(PathBuf);

    impl Root {
        fn with(name: &str, files: &[(&str, &str)]) -> Self {
            let root =
                std::env::temp_dir().join(format!("news-classifier-{}-{name}", std::process::id()));
            fs::create_dir_all(root.join("opt/model")).unwrap();
            fs::create_dir_all(root.join("var/runtime")).unwrap();
            for (file, text) in files {
                fs::write(root.join("opt/model").join(file), text).unwrap();
            }
            Self(root)
        }

        fn read(&self) -> Result<Assets, AssetError> {
            Assets::beside(&self.0.join("var/runtime/bootstrap"))
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn healthy_image_has_a_model_a_build_and_no_fault() {
        let root =
            Root::with("healthy", &[("model.json", MODEL), ("build.json", r#"{"build":"b7"}"#)]);
        let assets = root.read().unwrap();
        assert_eq!((assets.build.as_str(), assets.fault), ("b7", None));
    }

    #[test]
    fn missing_and_malformed_files_are_named() {
        let build = ("build.json", r#"{"build":"b7"}"#);
        let model = ("model.json", MODEL);
        let cases = [
            ("no-model", vec![build], "model.json cannot be read"),
            ("no-build", vec![model], "build.json cannot be read"),
            ("bad-model", vec![("model.json", "{}"), build], "model.json: missing field"),
            (
                "bad-fault",
                vec![model, build, ("fault.json", r#"{"kind":"x"}"#)],
                "fault.json: unknown",
            ),
        ];
        for (name, files, expected) in cases {
            let message = Root::with(name, &files).read().unwrap_err().to_string();
            assert!(message.contains(expected), "{name}: {message}");
        }
    }
}
