//! The next step of one replica towards a version.

use std::future::Future;

use perch_core::manifest::difference;
use perch_core::names::Version;
use perch_core::release::Release;
use perch_core::reload::{Begun, Replica, ReplicaState, Toward, toward};
use perch_core::target::ModelServers;

use super::fleet::told;
use super::model::Model;
use crate::ports::{LoadHead, PortError, ReadModels, ServeModel};

/// How often a replica is told to load a model before it counts as unable to. A network error while
/// loading is no reason to keep the old model for ever, and a broken model fails every time.
const ATTEMPTS: u32 = 3;

/// Where a replica is to go.
pub(super) struct Goal<'a, S, M, F> {
    pub(super) port: &'a S,
    pub(super) servers: &'a ModelServers,
    pub(super) version: &'a Version,
    /// The model's bytes in memory, as far as they are known.
    pub(super) bytes: u64,
    /// The model's files and golden requests, where it has to be loaded.
    pub(super) model: &'a Model<'a, M>,
    /// Looked at right before a replica is told to serve the version.
    pub(super) fence: &'a F,
    /// Versions that a replica may serve: another one means that someone else changed it.
    pub(super) known: &'a [Version],
}

/// Whether the execution still holds its target.
pub(super) trait Fence: Sync {
    /// Looks at the head.
    fn holds(&self) -> impl Future<Output = Result<bool, PortError>> + Send;
}

/// The fence of a release, in the table.
pub(super) struct Held<'a, L> {
    pub(super) store: &'a L,
    pub(super) release: &'a Release,
}

impl<L: LoadHead + Sync> Fence for Held<'_, L> {
    async fn holds(&self) -> Result<bool, PortError> {
        let head = self.store.head(&self.release.target).await?;
        Ok(head.is_some_and(|head| head.fence == self.release.fence))
    }
}

/// What came of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Came {
    /// It was read back with the version.
    Arrived,
    /// It is under way; it was told to load the model in this step, or not.
    OnTheWay { told: bool, why: Option<String> },
    /// It serves a version that nobody here set.
    Foreign(Version),
    /// It can't serve the version.
    Failed { why: String, serves: Option<Version> },
    /// It answers golden requests otherwise than expected.
    Golden(Vec<String>),
}

impl<S: ServeModel, M: ReadModels, F: Fence> Goal<'_, S, M, F> {
    /// Does the next step; a server that has the model at once goes all the way.
    pub(super) async fn step(&self, replica: &Replica, begun: Option<Begun>) -> Came {
        let under_way = |error: &PortError| Came::OnTheWay { told: false, why: Some(told(error)) };
        let mut state = match self.port.state(self.servers, replica).await {
            Ok(state) => state,
            Err(error) => return under_way(&error),
        };
        let (mut asked, mut switched) = (false, false);
        loop {
            if let Some(found) = self.foreign(&state) {
                return Came::Foreign(found.clone());
            }
            let came = match toward(&state, self.version, self.bytes) {
                Toward::Arrived => return Came::Arrived,
                Toward::Wait => return Came::OnTheWay { told: asked, why: None },
                Toward::TooLittleMemory { needed, free } => {
                    let why = format!(
                        "the model needs {needed} bytes beside the one that serves, and {free} are free"
                    );
                    return Came::Failed { why, serves: state.active };
                }
                Toward::Stage { failed } if asked => {
                    return Came::OnTheWay { told: true, why: failed };
                }
                Toward::Stage { failed } => {
                    let attempts = begun.map_or(0, |begun| begun.attempts);
                    if let (Some(why), true) = (&failed, attempts >= ATTEMPTS) {
                        let why = format!("it could not load the model {attempts} times: {why}");
                        return Came::Failed { why, serves: state.active };
                    }
                    asked = true;
                    self.stage(replica).await
                }
                Toward::Activate if switched => {
                    let why = "it was told to serve the model and does not".to_owned();
                    return Came::OnTheWay { told: asked, why: Some(why) };
                }
                Toward::Activate => {
                    switched = true;
                    self.activate(replica).await
                }
            };
            match came {
                Ok(None) => {}
                Ok(Some(came)) => return came,
                Err(PortError::Invalid { message, .. }) => {
                    return Came::Failed { why: message, serves: state.active };
                }
                Err(error) => return Came::OnTheWay { told: asked, why: Some(told(&error)) },
            }
            state = match self.port.state(self.servers, replica).await {
                Ok(state) => state,
                Err(error) => return Came::OnTheWay { told: asked, why: Some(told(&error)) },
            };
        }
    }

    fn foreign<'s>(&self, state: &'s ReplicaState) -> Option<&'s Version> {
        state.active.as_ref().filter(|active| !self.known.contains(active))
    }

    async fn stage(&self, replica: &Replica) -> Result<Option<Came>, PortError> {
        let model = self.model.open().await?;
        self.port.stage(self.servers, replica, &model.files).await?;
        Ok(None)
    }

    /// Golden requests first, then traffic.
    async fn activate(&self, replica: &Replica) -> Result<Option<Came>, PortError> {
        let mut differences = Vec::new();
        let model = self.model.golden().await?;
        for request in model.iter().flat_map(|model| &model.golden) {
            let (of, version) = (self.servers, self.version);
            let found = match self.port.probe(of, replica, version, &request.input).await {
                Ok(answer) => difference(&request.expect, &answer),
                // A model that can't answer is as wrong as one that answers otherwise.
                Err(PortError::Invalid { message, .. }) => Some(message),
                Err(error) => return Err(error),
            };
            differences.extend(found.map(|found| format!("{}: {found}", request.name)));
        }
        if !differences.is_empty() {
            return Ok(Some(Came::Golden(differences)));
        }
        if !self.fence.holds().await? {
            return Ok(Some(Came::OnTheWay { told: false, why: None }));
        }
        self.port.activate(self.servers, replica, self.version).await?;
        Ok(None)
    }
}
