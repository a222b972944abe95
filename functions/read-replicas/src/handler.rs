//! Maps the input to the use case and its answer back.

use perch_app::reload::{self, FleetInput, FleetOutput};
use perch_aws::diagnostic::Failed;
use perch_aws::replicas::ReplicaFinder;
use perch_aws::secrets::Secrets;
use perch_aws::store::Table;
use perch_serving::{Caches, Servers};

pub(crate) struct Handler {
    pub(crate) store: Table,
    pub(crate) finder: ReplicaFinder,
    pub(crate) servers: Servers,
    pub(crate) caches: Caches<Secrets>,
}

impl Handler {
    pub(crate) async fn handle(&self, input: FleetInput) -> Result<FleetOutput, Failed> {
        let reach = (&self.servers, &self.caches);
        Ok(reload::read(&self.store, &self.finder, reach, &input).await?)
    }
}
