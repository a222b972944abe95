//! Maps the state machine's input to the use case and its answer back.

use std::time::Duration;

use jiff::Timestamp;
use perch_app::deployment::follow::{self, FollowInput};
use perch_app::step::StepOutput;
use perch_aws::cloudwatch::CloudWatch;
use perch_aws::codedeploy::Deployments;
use perch_aws::diagnostic::Failed;
use perch_aws::images::Images;
use perch_aws::lambda::Functions;
use perch_aws::services::Services;
use perch_aws::store::Table;

pub(crate) struct Handler {
    pub(crate) store: Table,
    pub(crate) lambda: Functions,
    pub(crate) services: Services,
    pub(crate) deployments: Deployments,
    pub(crate) images: Images,
    pub(crate) cloudwatch: CloudWatch,
    pub(crate) minute: Duration,
}

impl Handler {
    pub(crate) async fn handle(&self, input: FollowInput) -> Result<StepOutput, Failed> {
        let Self { store, lambda, services, deployments, images, cloudwatch, minute } = self;
        let looks = (images, cloudwatch, cloudwatch);
        let times = (*minute, Timestamp::now());
        Ok(follow::run(store, (lambda, services), deployments, looks, &input, times).await?)
    }
}
