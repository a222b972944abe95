//! Runs the sweep while time is left, and logs the run.

use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use lambda_runtime::{LambdaEvent, tracing};
use perch_app::reconcile;
use perch_aws::diagnostic::Failed;
use perch_aws::executions::Executions;
use perch_aws::images::Images;
use perch_aws::lambda::Functions;
use perch_aws::services::Services;
use perch_aws::store::Table;
use perch_aws::uploads::Uploads;
use serde::de::IgnoredAny;

/// What the last target and the run's own item may take: as long as one call of AWS.
const MARGIN: Duration = Duration::from_secs(10);

pub(crate) struct Handler {
    pub(crate) store: Table,
    pub(crate) lambda: Functions,
    pub(crate) services: Services,
    pub(crate) images: Images,
    pub(crate) uploads: Uploads,
    pub(crate) executions: Executions,
}

impl Handler {
    /// The event only says that it is time: what is due stands in the table.
    pub(crate) async fn handle(&self, event: LambdaEvent<IgnoredAny>) -> Result<(), Failed> {
        let deadline = event.context.deadline();
        let goes_on = || is_before(deadline, SystemTime::now());
        let (store, executions, now) = (&self.store, &self.executions, Timestamp::now());
        let sources = (&self.images, &self.uploads);
        let traffic = (&self.lambda, &self.services);
        let run = reconcile::run(store, traffic, sources, executions, now, goes_on).await?;
        tracing::info!(
            run.id,
            run.looked_at,
            run.did = ?run.did,
            run.failed = ?run.failed,
            run.more,
            "Sweep done"
        );
        Ok(())
    }
}

/// Whether more than the margin is left until the deadline.
fn is_before(deadline: SystemTime, now: SystemTime) -> bool {
    deadline.duration_since(now).is_ok_and(|left| left > MARGIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_ends_before_its_time_does() {
        let deadline = SystemTime::UNIX_EPOCH + Duration::from_secs(300);
        for (second, goes_on) in [(0, true), (289, true), (290, false), (300, false), (301, false)]
        {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
            assert_eq!(is_before(deadline, now), goes_on, "{second}");
        }
    }
}
