//! How people name artifacts, and which artifact of a target that is.

use std::str::FromStr;

use perch_core::artifact::Artifact;
use perch_core::digest::Digest;
use perch_core::names::{BucketName, RepositoryName};
use perch_core::target::Target;

use crate::ports::{ImageName, PortError, ResolveTag};

/// An artifact as a person names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArtifactName {
    /// `sha256:...`, `repository@sha256:...`, `repository:tag` or `tag`.
    Image {
        /// The repository, where it is named.
        repository: Option<RepositoryName>,
        /// The image in it.
        name: ImageName,
    },
    /// `s3://bucket/key@version`.
    Package {
        /// The bucket.
        bucket: BucketName,
        /// The object's key.
        key: String,
        /// The object's version id.
        version: String,
    },
}

/// A text that names no artifact.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidArtifact {
    /// The URI of an image.
    #[error("`{0}` has the registry's address: give the repository's name, as in news:v42")]
    Uri(String),
    /// An object without its version.
    #[error(
        "`{0}` does not say which version of the object, and an object can change: write \
         s3://BUCKET/KEY@VERSION; `aws s3api list-object-versions --bucket BUCKET --prefix KEY` \
         lists them"
    )]
    NoVersion(String),
    /// Anything else.
    #[error(
        "`{0}` names no artifact: write TAG, REPOSITORY:TAG, sha256:DIGEST, \
         REPOSITORY@sha256:DIGEST or s3://BUCKET/KEY@VERSION"
    )]
    Other(String),
}

impl FromStr for ArtifactName {
    type Err = InvalidArtifact;

    fn from_str(text: &str) -> Result<Self, InvalidArtifact> {
        let other = || InvalidArtifact::Other(text.to_owned());
        if let Some(object) = text.strip_prefix("s3://") {
            return package(object).ok_or_else(|| match object.split_once('@') {
                None => InvalidArtifact::NoVersion(text.to_owned()),
                Some(_) => other(),
            });
        }
        if text.contains(".dkr.ecr.") {
            return Err(InvalidArtifact::Uri(text.to_owned()));
        }
        image(text).ok_or_else(other)
    }
}

fn package(object: &str) -> Option<ArtifactName> {
    let (path, version) = object.rsplit_once('@')?;
    let (bucket, key) = path.split_once('/')?;
    let fine = !key.is_empty() && !version.is_empty() && !version.contains('/');
    let bucket = bucket.parse().ok().filter(|_| fine)?;
    Some(ArtifactName::Package { bucket, key: key.to_owned(), version: version.to_owned() })
}

fn image(text: &str) -> Option<ArtifactName> {
    let digest = |text: &str| text.parse::<Digest>().ok().map(ImageName::Digest);
    let (repository, name) = if let Some((repository, rest)) = text.split_once('@') {
        (Some(repository), digest(rest)?)
    } else if text.starts_with("sha256:") {
        (None, digest(text)?)
    } else if let Some((repository, tag)) = text.split_once(':') {
        (Some(repository), ImageName::Tag(tag.to_owned()))
    } else {
        (None, ImageName::Tag(text.to_owned()))
    };
    if let ImageName::Tag(tag) = &name
        && !is_tag(tag)
    {
        return None;
    }
    let repository = repository.map(str::parse).transpose().ok()?;
    Some(ArtifactName::Image { repository, name })
}

/// OCI Distribution Specification, "Pulling manifests": the form of a tag.
fn is_tag(text: &str) -> bool {
    let rest = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    text.len() <= 128
        && text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && text.chars().all(rest)
}

impl std::fmt::Display for ArtifactName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ArtifactName::Image { repository, name } => match (repository, name) {
                (Some(repository), ImageName::Tag(tag)) => write!(f, "{repository}:{tag}"),
                (Some(repository), ImageName::Digest(digest)) => write!(f, "{repository}@{digest}"),
                (None, ImageName::Tag(tag)) => f.write_str(tag),
                (None, ImageName::Digest(digest)) => write!(f, "{digest}"),
            },
            ArtifactName::Package { bucket, key, version } => {
                write!(f, "s3://{bucket}/{key}@{version}")
            }
        }
    }
}

/// Why a name is no artifact of a target.
#[derive(Debug, thiserror::Error)]
pub enum NoArtifact {
    /// It comes from elsewhere.
    #[error("{name} is not from a source of target {target}, which takes {takes}")]
    OtherSource {
        /// The name.
        name: String,
        /// The target.
        target: String,
        /// What the target takes, and how that is named.
        takes: String,
    },
    /// The repository has no such image.
    #[error(
        "repository {repository} has no image {name}; `aws ecr describe-images --repository-name \
         {repository} --query 'sort_by(imageDetails,&imagePushedAt)[].imageTags'` lists its tags"
    )]
    NoImage {
        /// The repository.
        repository: RepositoryName,
        /// The tag or digest.
        name: String,
    },
    /// A port failed.
    #[error(transparent)]
    Port(#[from] PortError),
}

/// The artifact that this names now, if it is from a source of the target. The globs of the source do
/// not count: they say what starts by itself.
///
/// # Errors
/// [`NoArtifact`] when it is from elsewhere or does not exist.
pub async fn resolve(
    images: &impl ResolveTag,
    target: &Target,
    name: &ArtifactName,
) -> Result<Artifact, NoArtifact> {
    let elsewhere = || NoArtifact::OtherSource {
        name: name.to_string(),
        target: target.name.to_string(),
        takes: takes(target),
    };
    match name {
        ArtifactName::Package { bucket, key, version } => {
            let source = target.sources.package.as_ref().filter(|source| source.bucket == *bucket);
            source.ok_or_else(elsewhere)?;
            let (bucket, key, version) = (bucket.clone(), key.clone(), version.clone());
            Ok(Artifact::Package { bucket, key, version })
        }
        ArtifactName::Image { repository, name } => {
            let named = |own: &RepositoryName| repository.as_ref().is_none_or(|r| r == own);
            let source = target.sources.image.as_ref().filter(|source| named(&source.repository));
            let source = source.ok_or_else(elsewhere)?;
            let found = images.resolve(&source.repository, name).await?;
            let found = found.ok_or_else(|| NoArtifact::NoImage {
                repository: source.repository.clone(),
                name: match name {
                    ImageName::Tag(tag) => tag.clone(),
                    ImageName::Digest(digest) => digest.to_string(),
                },
            })?;
            let tag = match name {
                ImageName::Tag(tag) => Some(tag.clone()),
                ImageName::Digest(_) => {
                    let taken = found.tags.iter().find(|tag| source.admits(tag));
                    taken.or(found.tags.first()).cloned()
                }
            };
            let repository = source.repository.clone();
            Ok(Artifact::Image { repository, digest: found.digest, tag })
        }
    }
}

fn takes(target: &Target) -> String {
    let image = target.sources.image.as_ref().map(|source| {
        let repository = &source.repository;
        format!("images of {repository}: give {repository}:TAG or {repository}@sha256:DIGEST")
    });
    let package = target.sources.package.as_ref().map(|source| {
        let bucket = &source.bucket;
        format!("packages of {bucket}: give s3://{bucket}/KEY@VERSION")
    });
    image.into_iter().chain(package).collect::<Vec<_>>().join("; or ")
}
