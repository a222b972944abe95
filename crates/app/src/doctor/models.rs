//! Checks of what a target needs for releases of models: the bucket's set-up, and its servers, read as
//! `perch model verify` reads them.

use perch_core::head::Head;
use perch_core::names::BucketName;
use perch_core::reload::Fleet;
use perch_core::target::Target;

use super::{Finding, Look, Outcome};
use crate::ports::{PortError, ReadBucket, ReadFleet, ReadModels};
use crate::reload::{Verified, verify};

/// What is known of the models of a target.
#[derive(Debug, Clone)]
pub struct ModelFacts {
    /// Whether the bucket keeps versions, and whether it tells `EventBridge` of uploads.
    pub bucket: Look<(bool, bool)>,
    /// What replicas and cache report; nothing where there are no model servers.
    pub fleet: Option<Look<Fleet>>,
}

/// The facts about a target's models; `None` where it takes none.
pub async fn models(
    buckets: &(impl ReadModels + ReadBucket),
    functions: &impl ReadFleet,
    stack: &str,
    target: &Target,
) -> Option<ModelFacts> {
    let bucket = &target.sources.model.as_ref()?.bucket;
    let fleet = match (&target.service.model_servers, format!("{stack}-read-replicas").parse()) {
        (Some(_), Ok(function)) => {
            Some(functions.fleet(&function, &target.name).await.map_err(Into::into))
        }
        _ => None,
    };
    Some(ModelFacts { bucket: set_up(buckets, bucket).await.map_err(Into::into), fleet })
}

async fn set_up(
    buckets: &(impl ReadModels + ReadBucket),
    bucket: &BucketName,
) -> Result<(bool, bool), PortError> {
    Ok((buckets.is_versioned(bucket).await?, buckets.announces(bucket).await?))
}

/// What the checks of a target's models find.
pub fn check_models(target: &Target, head: Option<&Head>, facts: &ModelFacts) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(source) = &target.sources.model {
        found.extend(bucket(target, &source.bucket, &facts.bucket));
    }
    match &facts.fleet {
        None => {}
        Some(Err(why)) => {
            let text = format!("could not be looked at: {why}");
            found.push(of(target, "replicas", Outcome::Warning, text));
        }
        Some(Ok(fleet)) => {
            found.extend(servers(target, &verify(head, fleet, target.cache.is_some())));
        }
    }
    found
}

fn of(target: &Target, check: &'static str, result: Outcome, text: impl Into<String>) -> Finding {
    Finding::of(Some(&target.name), check, result, text.into())
}

fn bucket(target: &Target, bucket: &BucketName, found: &Look<(bool, bool)>) -> Vec<Finding> {
    const CHECK: &str = "model bucket";
    let (versioned, announces) = match found {
        Ok(found) => *found,
        Err(why) => {
            let text = format!("{bucket} could not be looked at: {why}");
            return vec![of(target, CHECK, Outcome::Warning, text)];
        }
    };
    let mut findings = Vec::new();
    if !versioned {
        let text = format!("{bucket} keeps no versions of its objects: every model is refused");
        findings.push(of(target, CHECK, Outcome::Problem, text).command(format!(
            "aws s3api put-bucket-versioning --bucket {bucket} --versioning-configuration \
             Status=Enabled"
        )));
    }
    if !announces {
        let text = format!(
            "{bucket} does not tell EventBridge of uploads: only the sweep finds them, up to 15 \
             minutes later. The second command replaces what is configured: give it that, too"
        );
        let commands = turn_on_events(bucket);
        let finding = of(target, CHECK, Outcome::Warning, text);
        findings.push(commands.into_iter().fold(finding, Finding::command));
    }
    if findings.is_empty() {
        let text = format!("{bucket} keeps versions and tells EventBridge of uploads");
        findings.push(of(target, CHECK, Outcome::Ok, text));
    }
    findings
}

/// The commands that have a bucket tell `EventBridge` of uploads.
pub fn turn_on_events(bucket: &BucketName) -> [String; 2] {
    [
        format!("aws s3api get-bucket-notification-configuration --bucket {bucket}"),
        format!(
            "aws s3api put-bucket-notification-configuration --bucket {bucket} \
             --notification-configuration '{{\"EventBridgeConfiguration\":{{}}}}'"
        ),
    ]
}

fn servers(target: &Target, verified: &Verified) -> Vec<Finding> {
    const CHECK: &str = "replicas";
    let name = &target.name;
    let look = format!("perch model verify {name}");
    let (cache, replicas): (Vec<_>, Vec<_>) =
        verified.findings.iter().partition(|finding| finding.place == "cache");
    if replicas.is_empty() {
        let text = "none was found: every release of a model is rejected";
        return vec![of(target, CHECK, Outcome::Problem, text).command(look)];
    }
    let (right, wrong): (Vec<_>, Vec<_>) = replicas.into_iter().partition(|found| found.right);
    let mut findings = Vec::new();
    for found in wrong.iter().chain(&cache).filter(|found| !found.right) {
        let check = if found.place == "cache" { "cache" } else { CHECK };
        let says = match &found.found {
            Some(version) if check == "cache" => format!("its pointer has {version}"),
            Some(version) => format!("{} serves {version}", found.place),
            None => format!("{} does not answer with a model: {}", found.place, found.more),
        };
        let expected = verified.promoted.as_deref().map_or_else(
            || "replicas that disagree keep every release from starting".to_owned(),
            |promoted| format!("release promoted {promoted}"),
        );
        // While a release is under way they differ as planned.
        let (result, text) = match (&verified.under_way, &found.found) {
            (Some(release), Some(_)) => {
                (Outcome::Ok, format!("{says}; release {release} is under way"))
            }
            (_, Some(_)) => (Outcome::Problem, format!("{says}, but {expected}")),
            (_, None) => (Outcome::Problem, says),
        };
        let finding = of(target, check, result, text).command(look.clone());
        findings.push(match (&verified.promoted, result) {
            (Some(promoted), Outcome::Problem) if found.found.is_some() => finding
                .command(format!("perch model rollback {name} --to {promoted} --reason TEXT")),
            _ => finding,
        });
    }
    if wrong.is_empty() {
        let version = right.first().and_then(|found| found.found.as_deref()).unwrap_or("nothing");
        let text = format!("all {} answer and serve {version}", right.len());
        findings.push(of(target, CHECK, Outcome::Ok, text));
    }
    findings.extend(cache.iter().filter(|found| found.right).map(|found| {
        let text = match &found.found {
            Some(generation) => format!("its pointer has {generation}"),
            None => "it answers; its pointer was never set".to_owned(),
        };
        of(target, "cache", Outcome::Ok, text)
    }));
    findings
}
