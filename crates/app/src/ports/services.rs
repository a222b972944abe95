//! ECS services, their task definitions, and the load balancer in front of them.

use std::future::Future;

use perch_core::deployment::StageHook;
use perch_core::head::TargetGroups;
use perch_core::judge::Health;
use perch_core::names::{EcsName, ReleaseId, Version};
use perch_core::target::EcsService;
use perch_core::weight::Weight;

use super::PortError;

/// An ECS service as it was read: which revisions of its task definition get how much of the traffic, by
/// the rules of its load balancer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceState {
    /// The family of the revisions.
    pub family: EcsName,
    /// The revisions with traffic, and their shares. Two of them during a deployment.
    pub shares: Vec<(Version, Weight)>,
    /// A task definition of another family that has traffic: someone else's.
    pub foreign: Option<String>,
    /// The container that the load balancer sends to.
    pub container: EcsName,
    /// Its port.
    pub port: u16,
    /// The two target groups; as `baseline` the one with the most traffic.
    pub groups: TargetGroups,
    /// The hooks of its deployments, where ECS carries them out.
    pub hooks: Vec<StageHook>,
}

/// A revision of a task definition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskDefinition {
    /// Its number.
    pub revision: Version,
    /// The image of the container that is released, as the definition names it.
    pub image: String,
    /// Whether a service can be brought to it.
    pub is_active: bool,
    /// The release that registered it, by its tag.
    pub release: Option<ReleaseId>,
}

/// Which revision of a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revision<'a> {
    /// This one.
    Number(&'a Version),
    /// The newest active one.
    Newest,
}

/// Reads ECS services.
pub trait ReadServices: Sync {
    /// The service as it is now. The same number of calls for any number of tasks.
    ///
    /// # Errors
    /// [`PortError::NotFound`] where the cluster or the service does not exist; [`PortError::Invalid`]
    /// where no deployment of it could be followed: it has no load balancer, or another controller.
    fn service(
        &self,
        service: &EcsService,
    ) -> impl Future<Output = Result<ServiceState, PortError>> + Send;

    /// A revision of a family; `container` is the one whose image is meant.
    fn task_definition(
        &self,
        family: &EcsName,
        revision: Revision<'_>,
        container: &EcsName,
    ) -> impl Future<Output = Result<TaskDefinition, PortError>> + Send;

    /// How the load balancer sees the targets of a group, by the name that `CloudWatch` has for it.
    fn health(
        &self,
        service: &EcsService,
        group: &str,
    ) -> impl Future<Output = Result<Health, PortError>> + Send;
}

/// A new revision of a task definition.
#[derive(Debug, Clone, Copy)]
pub struct Registering<'a> {
    /// Its family.
    pub family: &'a EcsName,
    /// The revision that it is in all but the image.
    pub from: &'a Version,
    /// The container that gets the image.
    pub container: &'a EcsName,
    /// The image by digest: `repository@sha256:...`, in the registry of this account and region.
    pub image: &'a str,
    /// The release that it is for; it is tagged with it.
    pub release: &'a ReleaseId,
}

/// Registers task definitions.
pub trait RegisterTask: Sync {
    /// Registers a revision that differs from another one in the image of one container alone, also in
    /// fields that are not known here. Not idempotent: look at the newest one's tag first.
    fn register(
        &self,
        registering: Registering<'_>,
    ) -> impl Future<Output = Result<Version, PortError>> + Send;
}
