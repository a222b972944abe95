//! Names of things, each its own type, so that an alias can't be passed where a function is meant.
//!
//! A name is checked once, where it enters; the rules are AWS's own where AWS has any.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A text that is not a valid name of its kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not a {kind}: {rule}")]
pub struct InvalidName {
    /// What the text should have been, such as "target name".
    pub kind: &'static str,
    /// The text as it came.
    pub found: String,
    /// What is allowed.
    pub rule: &'static str,
}

macro_rules! name {
    ($(#[$doc:meta])* $type:ident, $kind:literal, $rule:literal, $pattern:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[cfg_attr(feature = "schema", schemars(description = $rule, extend("pattern" = $pattern)))]
        #[serde(try_from = "String", into = "String")]
        pub struct $type(String);

        impl $type {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;
            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    return Ok(Self(text.to_owned()));
                }
                Err(InvalidName { kind: $kind, found: text.to_owned(), rule: $rule })
            }
        }

        impl TryFrom<String> for $type {
            type Error = InvalidName;
            fn try_from(text: String) -> Result<Self, InvalidName> {
                text.parse()
            }
        }

        impl From<$type> for String {
            fn from(name: $type) -> String {
                name.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

fn within(text: &str, max: usize, extra: &str) -> bool {
    !text.is_empty()
        && text.len() <= max
        && text.chars().all(|c| c.is_ascii_alphanumeric() || extra.contains(c))
}

name!(
    /// The name of a target, unique in one installation of Perch.
    TargetName,
    "target name",
    "use 1 to 40 lower-case letters, digits and hyphens, starting with a letter",
    "^[a-z][a-z0-9-]{0,39}$",
    |t| within(t, 40, "-")
        && t.starts_with(|c: char| c.is_ascii_lowercase())
        && !t.contains(|c: char| c.is_ascii_uppercase())
);

name!(
    /// The id of a release; also the name of its Step Functions executions, hence the character set
    /// (API Reference, `StartExecution`, `name`).
    ReleaseId,
    "release id",
    "use 1 to 80 letters, digits, hyphens and underscores",
    "^[A-Za-z0-9_-]{1,80}$",
    |t| within(t, 80, "-_")
);

name!(
    /// The name of a Lambda function, without account, region or qualifier.
    FunctionName,
    "Lambda function name",
    "use 1 to 64 letters, digits, hyphens and underscores; give the name, not the ARN",
    "^[A-Za-z0-9_-]{1,64}$",
    |t| within(t, 64, "-_")
);

name!(
    /// The name of a Lambda alias (API Reference, `CreateAlias`, `Name`: not only digits).
    AliasName,
    "Lambda alias name",
    "use 1 to 128 letters, digits, hyphens and underscores, not only digits; $LATEST is no alias",
    "^[0-9]*[A-Za-z_-][A-Za-z0-9_-]{0,127}$",
    |t| within(t, 128, "-_") && !t.chars().all(|c| c.is_ascii_digit())
);

name!(
    /// A version that can serve: the number of a published version of a Lambda function (`$LATEST` is
    /// none), or the name of a model version.
    Version,
    "version",
    "use a function version's number, or a model version's name of 1 to 64 letters, digits, . _ and -",
    "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
    |t| within(t, 64, "._-") && t.starts_with(|c: char| c.is_ascii_alphanumeric())
);

name!(
    /// The name under which model servers know a model. It stands in paths, URLs and the keys of caches.
    ModelName,
    "model name",
    "use 1 to 128 letters, digits, . _ and -, starting with a letter, a digit or _",
    "^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$",
    |t| within(t, 128, "._-") && !t.starts_with(['.', '-'])
);

name!(
    /// The name of a CloudWatch alarm.
    AlarmName,
    "CloudWatch alarm name",
    "use 1 to 255 characters",
    "^.*\\S.*$",
    |t| !t.trim().is_empty() && t.chars().count() <= 255
);

name!(
    /// The name of an ECR repository (API Reference, `CreateRepository`, `repositoryName`).
    RepositoryName,
    "ECR repository name",
    "use 2 to 256 lower-case letters, digits, and . _ - / between them; give the name, not the URI",
    "^[a-z0-9][a-z0-9._/-]{0,254}[a-z0-9]$",
    |t| (2..=256).contains(&t.len())
        && within(t, 256, "._-/")
        && !t.contains(|c: char| c.is_ascii_uppercase())
        && t.starts_with(|c: char| c.is_ascii_alphanumeric())
        && t.ends_with(|c: char| c.is_ascii_alphanumeric())
);

name!(
    /// The name of an S3 bucket (S3 User Guide, "General purpose bucket naming rules").
    BucketName,
    "S3 bucket name",
    "use 3 to 63 lower-case letters, digits, dots and hyphens",
    "^[a-z0-9.-]{3,63}$",
    |t| (3..=63).contains(&t.len())
        && within(t, 63, ".-")
        && !t.contains(|c: char| c.is_ascii_uppercase())
);

name!(
    /// The name of a CodeDeploy application (API Reference, `CreateApplication`, `applicationName`).
    ApplicationName,
    "CodeDeploy application name",
    "use 1 to 100 letters, digits, and . _ + = , @ -",
    "^[A-Za-z0-9._+=,@-]{1,100}$",
    |t| within(t, 100, "._+=,@-")
);

name!(
    /// The name of a CodeDeploy deployment group (API Reference, `CreateDeploymentGroup`,
    /// `deploymentGroupName`).
    DeploymentGroupName,
    "CodeDeploy deployment group name",
    "use 1 to 100 letters, digits, and . _ + = , @ -",
    "^[A-Za-z0-9._+=,@-]{1,100}$",
    |t| within(t, 100, "._+=,@-")
);

name!(
    /// The id of a deployment: CodeDeploy's own, such as `d-A1B2C3D4E`, or the ARN of a service deployment
    /// of ECS.
    DeploymentId,
    "deployment id",
    "use 1 to 500 letters, digits, and - _ : /",
    "^[A-Za-z0-9:/_-]{1,500}$",
    |t| within(t, 500, "-_:/")
);

name!(
    /// The name of an ECS cluster, service, task definition family or container (API Reference,
    /// `CreateService`, `serviceName`; `RegisterTaskDefinition`, `family`).
    EcsName,
    "name in ECS",
    "use 1 to 255 letters, digits, hyphens and underscores; give the name, not the ARN",
    "^[A-Za-z0-9_-]{1,255}$",
    |t| within(t, 255, "-_")
);

name!(
    /// Where a secret lives: `ssm:/perch/...` or `secretsmanager:perch/...`.
    SecretRef,
    "secret reference",
    "write ssm:/perch/NAME (an SSM SecureString) or secretsmanager:perch/NAME",
    "^(ssm:/perch/|secretsmanager:perch/)[A-Za-z0-9/_.-]{1,500}$",
    |t| ["ssm:/perch/", "secretsmanager:perch/"]
        .iter()
        .any(|prefix| t.strip_prefix(prefix).is_some_and(|rest| within(rest, 500, "/_.-")))
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_is_allowed() {
        let error = "News_Classifier".parse::<TargetName>().unwrap_err();
        assert_eq!(
            error.to_string(),
            "`News_Classifier` is not a target name: use 1 to 40 lower-case letters, digits and \
             hyphens, starting with a letter"
        );
    }

    #[test]
    fn aws_rules_hold() {
        for (text, fine) in [("live", true), ("1", false), ("$LATEST", false), ("", false)] {
            assert_eq!(text.parse::<AliasName>().is_ok(), fine, "{text}");
        }
        for (text, fine) in [("12", true), ("v2.1", true), ("$LATEST", false), ("a/b", false)] {
            assert_eq!(text.parse::<Version>().is_ok(), fine, "{text}");
        }
        for (text, fine) in [("team/app", true), ("Team", false), ("a", false), ("app-", false)] {
            assert_eq!(text.parse::<RepositoryName>().is_ok(), fine, "{text}");
        }
        for (text, fine) in [
            ("news.v2_b-1", true),
            ("_ensemble", true),
            (".", false),
            ("..", false),
            (".hidden", false),
            ("--flag", false),
            ("a/b", false),
            ("news:generation", false),
            ("news*", false),
            ("news\r\nDEL x", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<ModelName>().is_ok(), fine, "{text}");
        }
        for (text, fine) in
            [("ssm:/perch/slack", true), ("ssm:/other", false), ("https://hooks", false)]
        {
            assert_eq!(text.parse::<SecretRef>().is_ok(), fine, "{text}");
        }
    }
}
