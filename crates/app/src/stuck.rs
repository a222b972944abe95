//! What puts a release right that is Stuck: one source for the message that pages and for `perch doctor`.

use perch_core::head::Ledger;
use perch_core::names::TargetName;
use perch_core::release::{Driver, Release};
use perch_core::target::EcsService;

/// The commands, in this order. The first is missing when no ledger was taken: no traffic was moved
/// then, and the alias is not Perch's to touch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commands {
    /// Puts all traffic on the baseline, whatever the alias sends now.
    pub restore: Option<String>,
    /// Has Perch read the target back and end the release.
    pub close: String,
}

impl Commands {
    /// Those for this release.
    pub fn of(release: &Release) -> Self {
        let restore = release.ledger.as_ref().map(|ledger| match &release.plan.driver {
            Driver::Servers(_) => {
                format!("perch model verify {0}`, bring back what it names, then `perch model verify {0}", release.target)
            }
            Driver::Service(service) => service_back(release, service, ledger),
            Driver::Alias(lambda) => format!(
                "aws lambda update-alias --function-name {} --name {} --function-version {} \
                 --routing-config '{{\"AdditionalVersionWeights\":{{}}}}'",
                lambda.function, lambda.alias, ledger.baseline
            ),
        });
        Self { restore, close: close(&release.target) }
    }
}

/// A running deployment has to end first: it is stopped with rollback, or the baseline is deployed anew.
fn service_back(release: &Release, service: &EcsService, ledger: &Ledger) -> String {
    let id = release.deployment_id();
    let family = ledger.service().map_or("", |of| of.family.as_str());
    match (&service.code_deploy, id) {
        (Some(_), Some(id)) => {
            format!("aws deploy stop-deployment --deployment-id {id} --auto-rollback-enabled")
        }
        (None, Some(id)) => format!(
            "aws ecs stop-service-deployment --service-deployment-arn {id} --stop-type ROLLBACK"
        ),
        (Some(group), None) => {
            format!("a deployment of {family}:{} in CodeDeploy's {group}", ledger.baseline)
        }
        (None, None) => format!(
            "aws ecs update-service --cluster {} --service {} --task-definition {family}:{}",
            service.cluster, service.service, ledger.baseline
        ),
    }
}

fn close(target: &TargetName) -> String {
    format!("perch rollback {target} --reason TEXT")
}

/// Why a release is Stuck, and what to do about it.
pub(crate) fn text(release: &Release, failure: &str) -> String {
    let Commands { restore, close } = Commands::of(release);
    let restore = restore.map(|command| format!("`{command}`, then run ")).unwrap_or_default();
    format!("traffic could not be restored: {failure}. Put it right with {restore}`{close}`")
}
