//! What is to be uploaded, checked against the target before the first byte, and the manifest of it.

use std::collections::BTreeMap;

use anyhow::Context as _;
use jiff::Timestamp;
use perch_core::manifest::{
    Manifest, ManifestFile, SchemaVersion, SignatureRule, SigningKey, signed_bytes,
};
use perch_core::names::ModelName;
use perch_core::target::{ByteSize, ModelSource, Target, Upload};

use super::{Folder, Unfit, folder};
use crate::args::model::Push;

/// An upload that may be made.
pub(crate) struct Plan<'a> {
    /// Where it goes.
    pub(crate) source: &'a ModelSource,
    /// What is in the folder.
    pub(crate) folder: Folder,
    args: &'a Push,
    model: ModelName,
    metrics: BTreeMap<String, f64>,
    key: Option<SigningKey>,
}

impl<'a> Plan<'a> {
    /// Reads the folder and holds it to the rules of the target.
    pub(crate) fn of(args: &'a Push, target: &'a Target) -> anyhow::Result<Self> {
        let source = target.sources.model.as_ref();
        let source = source.ok_or_else(|| Unfit::NoSource(target.name.clone()))?;
        if source.upload == Upload::File {
            return Err(Unfit::PlainFiles(target.name.clone()).into());
        }
        let folder = Folder::read(&args.folder)?;
        let mut metrics = match &args.metrics_file {
            Some(file) => folder::metrics(file)?,
            None => folder.metrics.clone(),
        };
        metrics.extend(args.metrics.iter().cloned());
        let bytes = ByteSize::bytes(folder.files.iter().map(|file| file.size).sum());
        if let Some(limit) = source.max_bytes.filter(|limit| bytes > *limit) {
            let count = folder.files.len();
            let text = format!("the {count} files have {bytes}, above the target's {limit}");
            return Err(Unfit::TooLarge(text).into());
        }
        for requirement in source.require.iter() {
            // What compares with the baseline is checked when the release starts.
            requirement.check(&metrics, None).map_err(Unfit::from)?;
        }
        let key = signing_key(args, source)?;
        let model = match &target.service.model_servers {
            Some(servers) => servers.model.clone(),
            None => target.name.as_str().parse()?,
        };
        Ok(Self { source, folder, args, model, metrics, key })
    }

    /// The bytes of all files.
    pub(crate) fn bytes(&self) -> u64 {
        self.folder.files.iter().map(|file| file.size).sum()
    }

    /// The text of the manifest of these files, signed if that was asked for.
    pub(crate) fn manifest(
        self,
        files: Vec<ManifestFile>,
        now: Timestamp,
    ) -> anyhow::Result<(Manifest, Vec<u8>)> {
        let mut manifest = Manifest {
            schema_version: SchemaVersion,
            model: self.model,
            version: self.args.version.clone(),
            files,
            framework: self.args.framework.clone(),
            metrics: self.metrics,
            training: self.args.training.clone(),
            created_by: self.args.by.clone(),
            created_at: now,
            golden: self.folder.golden,
            signature: None,
        };
        if let Some(key) = &self.key {
            let bytes = serde_json::to_vec(&manifest)?;
            manifest.signature = Some(key.sign(&signed_bytes(&bytes)?));
        }
        let text = serde_json::to_vec_pretty(&manifest)?;
        Ok((Manifest::read(&text)?, text))
    }
}

fn signing_key(args: &Push, source: &ModelSource) -> anyhow::Result<Option<SigningKey>> {
    let Some(file) = &args.sign else {
        return match &source.signature {
            None => Ok(None),
            Some(SignatureRule::Ed25519(_)) => {
                let text = "the target demands a signature: give `--sign KEYFILE`";
                Err(Unfit::Signature(text.to_owned()).into())
            }
            Some(SignatureRule::Kms(_)) => {
                let text = "the target demands the signature of a KMS key, which `perch model push` \
                            can't make: docs/models.md has the commands";
                Err(Unfit::Signature(text.to_owned()).into())
            }
        };
    };
    let pem = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let key = SigningKey::read(&pem).map_err(|source| Unfit::Key { file: file.clone(), source })?;
    match &source.signature {
        Some(SignatureRule::Ed25519(public)) if *public != key.public() => {
            let text = format!("{} is not the key that the target demands", file.display());
            Err(Unfit::Signature(text).into())
        }
        _ => Ok(Some(key)),
    }
}
