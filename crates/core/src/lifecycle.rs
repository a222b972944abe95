//! Which images a lifecycle policy of ECR takes away, by which rule, and when.
//!
//! An image that matches the tags of a rule can't be expired by a rule of lower priority; a rule counts
//! every image that its tags match, also those that a rule before it takes away (Amazon ECR User Guide,
//! "Automate the cleanup of images by using lifecycle policies", evaluation rules). So the first rule
//! that matches an image is the only one that can take it away.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use wildmatch::WildMatch;

use crate::digest::Digest;

/// A lifecycle policy, as `GetLifecyclePolicy` answers it in `lifecyclePolicyText`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Policy {
    rules: Vec<Rule>,
}

/// One rule (Amazon ECR User Guide, "Lifecycle policy properties").
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Its place: the lowest number comes first.
    #[serde(rename = "rulePriority")]
    pub priority: u32,
    /// What it is for.
    #[serde(default)]
    pub description: Option<String>,
    selection: Selection,
    action: Action,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Selection {
    tag_status: TagStatus,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tag_prefix_list: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tag_pattern_list: Vec<String>,
    #[serde(default)]
    storage_class: StorageClass,
    count_type: CountType,
    #[serde(default)]
    count_number: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum TagStatus {
    Tagged,
    Untagged,
    Any,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum StorageClass {
    #[default]
    Standard,
    Archive,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum CountType {
    ImageCountMoreThan,
    SinceImagePushed,
    SinceImagePulled,
    // `sinceImageTransitioned` counts archived images only, which nothing runs; others may come.
    #[serde(other)]
    Other,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Action {
    #[serde(rename = "type")]
    kind: ActionKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum ActionKind {
    Expire,
    Transition,
}

/// An image as its repository lists it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Image {
    /// Its digest.
    pub digest: Digest,
    /// Its tags.
    pub tags: Vec<String>,
    /// When it was pushed.
    pub pushed_at: Timestamp,
    /// When it was pulled last, as far as ECR recorded it.
    pub pulled_at: Option<Timestamp>,
    /// Whether it is in the archive, from where nothing can run it.
    pub archived: bool,
}

/// When a rule takes an image away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "camelCase")]
pub enum Expiry {
    /// Within 24 hours: it meets the rule.
    Due,
    /// Within 24 hours of this time, unless it is pulled (where the rule counts pulls).
    At {
        /// The time.
        at: Timestamp,
    },
    /// Once this many more images are pushed that the rule selects.
    AfterPushes {
        /// How many.
        count: u64,
    },
    /// The rule counts in a way that is not known here.
    Unknown,
}

impl Policy {
    /// The rule that takes this image of the repository away, and when; `None` when no rule selects
    /// the image, or the repository does not have it.
    pub fn expiry(
        &self,
        digest: &Digest,
        images: &[Image],
        now: Timestamp,
    ) -> Option<(&Rule, Expiry)> {
        let image = images.iter().find(|image| image.digest == *digest)?;
        let selecting = self.rules.iter().filter(|rule| rule.selects(image));
        let rule = selecting.min_by_key(|rule| rule.priority)?;
        Some((rule, rule.expiry(image, images, now)))
    }
}

impl Rule {
    /// What it does to images, as a verb.
    pub fn verb(&self) -> &'static str {
        match self.action.kind {
            ActionKind::Expire => "delete",
            ActionKind::Transition => "archive",
        }
    }

    /// Whether its tags and storage class match. Of several prefixes or patterns, each must match a
    /// tag of the image.
    fn selects(&self, image: &Image) -> bool {
        let Selection { tag_status, tag_prefix_list, tag_pattern_list, storage_class, .. } =
            &self.selection;
        if image.archived != (*storage_class == StorageClass::Archive) {
            return false;
        }
        match tag_status {
            TagStatus::Any => true,
            TagStatus::Untagged => image.tags.is_empty(),
            TagStatus::Tagged => {
                let prefixed =
                    |prefix: &String| image.tags.iter().any(|tag| tag.starts_with(prefix));
                let matches = |pattern: &String| {
                    let pattern = WildMatch::new(pattern);
                    image.tags.iter().any(|tag| pattern.matches(tag))
                };
                !image.tags.is_empty()
                    && tag_prefix_list.iter().all(prefixed)
                    && tag_pattern_list.iter().all(matches)
            }
        }
    }

    fn expiry(&self, image: &Image, images: &[Image], now: Timestamp) -> Expiry {
        let number = self.selection.count_number;
        match self.selection.count_type {
            CountType::ImageCountMoreThan => {
                let age = |image: &Image| (image.pushed_at, image.digest.clone());
                let of_rule = images.iter().filter(|other| self.selects(other));
                let younger = of_rule.filter(|other| age(other) > age(image)).count();
                let kept = usize::try_from(number).unwrap_or(0);
                match kept.checked_sub(younger) {
                    None | Some(0) => Expiry::Due,
                    Some(left) => Expiry::AfterPushes { count: left as u64 },
                }
            }
            CountType::SinceImagePushed => days_after(image.pushed_at, number, now),
            CountType::SinceImagePulled => {
                days_after(image.pulled_at.unwrap_or(image.pushed_at), number, now)
            }
            CountType::Other => Expiry::Unknown,
        }
    }
}

fn days_after(since: Timestamp, days: i64, now: Timestamp) -> Expiry {
    let at = since.saturating_add(SignedDuration::from_hours(days.saturating_mul(24)));
    match at {
        Ok(at) if at > now => Expiry::At { at },
        Ok(_) | Err(_) => Expiry::Due,
    }
}

#[cfg(test)]
mod tests;
