//! Signatures of manifests: whose are demanded, how one is made, and whether one holds.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _};
use ed25519_dalek::{Signer as _, VerifyingKey};
use serde::{Deserialize, Serialize};

/// The signature of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Signature {
    /// How it was made.
    pub algorithm: Algorithm,
    /// The signature over the manifest without this field (docs/models.md), in base64.
    pub value: String,
}

impl Signature {
    /// Whether a KMS key can have made it.
    ///
    /// # Errors
    /// [`SignatureFault`] when it is of another kind.
    pub fn by_kms(&self) -> Result<(), SignatureFault> {
        self.of(Algorithm::EcdsaSha256)
    }

    /// Its bytes; nothing for a text that is not base64.
    pub fn bytes(&self) -> Vec<u8> {
        BASE64.decode(&self.value).unwrap_or_default()
    }

    fn of(&self, expected: Algorithm) -> Result<(), SignatureFault> {
        let found = self.algorithm;
        (found == expected).then_some(()).ok_or(SignatureFault::OtherAlgorithm { expected, found })
    }
}

/// How a signature is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Algorithm {
    /// Ed25519 (RFC 8032).
    #[serde(rename = "ed25519")]
    Ed25519,
    /// ECDSA over the SHA-256, by a KMS key (KMS API Reference, `Sign`, `ECDSA_SHA_256`).
    #[serde(rename = "ecdsa-sha256")]
    EcdsaSha256,
}

/// Whose signature a model version needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum SignatureRule {
    /// That of the private key to this Ed25519 public key, as it stands in its PEM file.
    Ed25519(PublicKey),
    /// That of this KMS key, by its ARN; an ECC key for signing.
    Kms(String),
}

/// Why a signature does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// There is none.
    #[error(
        "the target demands a signature, and the manifest has none: push with `--sign KEYFILE`"
    )]
    Missing,
    /// It is of another kind than the target's key.
    #[error("the target's key takes {expected} signatures, and the manifest's is {found}")]
    OtherAlgorithm {
        /// What the key takes.
        expected: Algorithm,
        /// What was found.
        found: Algorithm,
    },
    /// The key did not make it over these bytes.
    #[error("the signature is not that of the target's key over this manifest")]
    Wrong,
}

/// An Ed25519 public key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey(VerifyingKey);

/// A text that is not an Ed25519 key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidKey {
    /// It is no public key.
    #[error(
        "`{0}` is not an Ed25519 public key: write the line between the PEM lines of `openssl pkey \
         -in KEYFILE -pubout`"
    )]
    Public(String),
    /// It is no private key.
    #[error(
        "this is not an Ed25519 private key in PEM: `openssl genpkey -algorithm ed25519` makes one"
    )]
    Private,
}

impl PublicKey {
    /// Whether the signature is this key's over these bytes.
    ///
    /// # Errors
    /// [`SignatureFault`] when it is not.
    pub fn verify(&self, signed: &[u8], signature: &Signature) -> Result<(), SignatureFault> {
        signature.of(Algorithm::Ed25519)?;
        let parsed = ed25519_dalek::Signature::from_slice(&signature.bytes());
        let parsed = parsed.map_err(|_| SignatureFault::Wrong)?;
        self.0.verify_strict(signed, &parsed).map_err(|_| SignatureFault::Wrong)
    }
}

impl FromStr for PublicKey {
    type Err = InvalidKey;
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let der = BASE64.decode(text.trim()).ok();
        der.and_then(|der| VerifyingKey::from_public_key_der(&der).ok())
            .map(Self)
            .ok_or_else(|| InvalidKey::Public(text.to_owned()))
    }
}

impl TryFrom<String> for PublicKey {
    type Error = InvalidKey;
    fn try_from(text: String) -> Result<Self, InvalidKey> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> String {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let der = self.0.to_public_key_der().map_err(|_| fmt::Error)?;
        f.write_str(&BASE64.encode(der.as_bytes()))
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Algorithm::Ed25519 => "ed25519",
            Algorithm::EcdsaSha256 => "ecdsa-sha256",
        })
    }
}

/// An Ed25519 private key.
pub struct SigningKey(ed25519_dalek::SigningKey);

impl SigningKey {
    /// Reads a private key in PEM, as `openssl genpkey -algorithm ed25519` writes it.
    ///
    /// # Errors
    /// [`InvalidKey`] for anything else; it never quotes the text.
    pub fn read(pem: &str) -> Result<Self, InvalidKey> {
        let key = ed25519_dalek::SigningKey::from_pkcs8_pem(pem.trim());
        key.map(Self).map_err(|_| InvalidKey::Private)
    }

    /// The key that its signatures are verified with.
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// The signature over these bytes.
    pub fn sign(&self, bytes: &[u8]) -> Signature {
        let value = BASE64.encode(self.0.sign(bytes).to_bytes());
        Signature { algorithm: Algorithm::Ed25519, value }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for PublicKey {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "PublicKey".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "description": "An Ed25519 public key: the line between the PEM lines of its file.",
            "type": "string",
            "pattern": "^MCowBQYDK2VwAyEA[A-Za-z0-9+/]{43}=$"
        })
    }
}
