//! Unpublished code and published versions.

use std::collections::BTreeMap;

use perch_app::ports::{
    CodeState, FindImage, FunctionState, ImageState, PortError, PublishVersion, ReadFunction,
    UpdateCode, VersionState,
};
use perch_core::artifact::Artifact;
use perch_core::names::{FunctionName, Version};
use perch_core::target::Lambda;

use super::{Account, Function, MemoryLambda, Progress, Published};

/// The registry of every image.
const REGISTRY: &str = "000000000000.dkr.ecr.us-east-1.amazonaws.com";

/// Lambda's `CodeSha256`: the bare hex digits of an image's digest, else a hash of the zip, which
/// its identity stands for here.
fn code_sha256(identity: &str) -> &str {
    identity.strip_prefix("sha256:").unwrap_or(identity)
}

impl ReadFunction for MemoryLambda {
    async fn function(&self, function: &FunctionName) -> Result<FunctionState, PortError> {
        self.port("function", |account| {
            let found = account.function_mut(function)?;
            Ok(FunctionState {
                code_sha256: code_sha256(&found.code).to_owned(),
                update: found.update.look(),
                revision: format!("r{}", found.revision),
                is_image: found.is_image,
                model: found.model.clone(),
            })
        })
        .await
    }

    async fn version(
        &self,
        function: &FunctionName,
        version: &Version,
    ) -> Result<VersionState, PortError> {
        self.port("version", |account| {
            let found = account.version_mut(function, version)?;
            let image = found
                .code
                .starts_with("sha256:")
                .then(|| format!("{REGISTRY}/{function}@{}", found.code));
            Ok(VersionState {
                code: found.code.clone(),
                image,
                state: found.state.look(),
                timeout_seconds: 3,
                model: found.model.clone(),
            })
        })
        .await
    }

    async fn has_provisioned_concurrency(&self, lambda: &Lambda) -> Result<bool, PortError> {
        let key = format!("{}:{}", lambda.function, lambda.alias);
        self.port("has_provisioned_concurrency", |account| Ok(account.provisioned.contains(&key)))
            .await
    }
}

impl FindImage for MemoryLambda {
    async fn image(&self, uri: &str) -> Result<ImageState, PortError> {
        self.port("image", |account| {
            let digest = uri.rsplit_once('@').map_or(uri, |(_, digest)| digest);
            Ok(if account.gone.contains(digest) { ImageState::Gone } else { ImageState::Present })
        })
        .await
    }
}

impl UpdateCode for MemoryLambda {
    async fn update_code(
        &self,
        function: &FunctionName,
        artifact: &Artifact,
    ) -> Result<String, PortError> {
        self.port("update_code", |account| account.update_code(function, &artifact.identity()))
            .await
    }

    async fn set_image(&self, function: &FunctionName, uri: &str) -> Result<String, PortError> {
        let digest = uri.rsplit_once('@').map_or(uri, |(_, digest)| digest);
        self.port("set_image", |account| account.update_code(function, digest)).await
    }
}

impl PublishVersion for MemoryLambda {
    async fn publish(
        &self,
        function: &FunctionName,
        code_sha256: &str,
        _description: &str,
    ) -> Result<Version, PortError> {
        self.port("publish", |account| account.publish(function, code_sha256)).await
    }
}

impl Account {
    /// Creates a function whose only version and unpublished code are this, ready.
    pub fn create_function(&mut self, name: &FunctionName, is_image: bool, code: &str) {
        let revision = self.next_revision();
        let version = Published { code: code.to_owned(), model: None, state: Progress::default() };
        let function = Function {
            is_image,
            code: code.to_owned(),
            model: None,
            sealed: None,
            update: Progress::default(),
            versions: vec![Some(version)],
            aliases: BTreeMap::new(),
            revision,
        };
        self.functions.insert(name.clone(), function);
    }

    /// Sets the unpublished code, whoever wants it.
    pub fn update_code(
        &mut self,
        name: &FunctionName,
        identity: &str,
    ) -> Result<String, PortError> {
        if self.gone.contains(identity) {
            return Err(PortError::Invalid {
                what: format!("code of function {name}"),
                message: format!("Source image {identity} does not exist. Provide a valid source."),
            });
        }
        let update = Progress { looks: self.update_looks, fails: self.update_fails.clone() };
        let revision = self.next_revision();
        let function = self.function_mut(name)?;
        function.not_updating(name)?;
        identity.clone_into(&mut function.code);
        function.update = update;
        function.revision = revision;
        Ok(code_sha256(identity).to_owned())
    }

    fn publish(&mut self, name: &FunctionName, expected: &str) -> Result<Version, PortError> {
        let state = Progress { looks: self.version_looks, fails: self.version_fails.clone() };
        let function = self.function_mut(name)?;
        function.not_updating(name)?;
        let found = code_sha256(&function.code);
        if found != expected {
            return Err(PortError::Invalid {
                what: format!("a version of function {name}"),
                message: format!("CodeSHA256 ({expected}) is different from current ({found})"),
            });
        }
        let newest = function.versions.iter().flatten().next_back();
        let same =
            |version: &Published| version.code == function.code && version.model == function.model;
        if !newest.is_some_and(same) {
            let (code, model) = (function.code.clone(), function.model.clone());
            function.versions.push(Some(Published { code, model, state }));
        }
        Ok(function.versions.len().to_string().parse().expect("a number is a version"))
    }

    pub(super) fn version_mut(
        &mut self,
        name: &FunctionName,
        version: &Version,
    ) -> Result<&mut Published, PortError> {
        let place = version.as_str().parse::<usize>().ok().and_then(|n| n.checked_sub(1));
        let function = self.function_mut(name)?;
        place
            .and_then(|place| function.versions.get_mut(place))
            .and_then(Option::as_mut)
            .ok_or_else(|| PortError::NotFound { what: format!("version {version} of {name}") })
    }
}

impl Function {
    pub(super) fn not_updating(&self, name: &FunctionName) -> Result<(), PortError> {
        if self.update.looks == 0 {
            return Ok(());
        }
        Err(PortError::Conflict {
            what: format!("function {name}"),
            expected: "no update in progress".to_owned(),
            found: format!("{:?}", CodeState::InProgress),
        })
    }
}
