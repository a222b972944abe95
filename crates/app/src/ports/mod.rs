//! The narrow traits that use cases need. Each names one capability; an adapter implements those it
//! has, and says in [`PortError`] what the caller can do about a failure.

mod bus;
mod deployments;
mod images;
mod journal;
mod lambda;
mod letters;
mod metrics;
mod models;
mod notify;
mod requests;
mod secrets;
mod servers;
mod services;
mod smoke;
mod store;
mod sweep;
mod targets;

pub use bus::{MOST_EVENTS, NotTaken, PutEvents};
pub use deployments::{
    AnswerHook, ContinueDeployment, Deploy, Deploying, DeploymentState, NewestDeployment, Pause,
    Platform, Progress, ReadDeployments, ReadGroups, StopDeployment,
};
pub use images::{ImageName, Lifecycle, ReadLifecycle, ResolveTag};
pub use journal::{EventTrace, KeepNote, ListNotices, ListReleases, Note, ReadJournal, TraceEvent};
pub use lambda::{
    AliasState, AskVersion, Asked, CodeState, FindImage, FunctionState, ImageState, PointAtModel,
    PublishVersion, ReadAlias, ReadFunction, Route, ShiftWeight, UpdateCode, VersionState,
};
pub use letters::{CallFunction, DeleteLetter, Letter, Queue, ReceiveLetters, Tidings};
pub use metrics::{
    AlarmStates, Ask, History, ReadAlarms, ReadEvidence, ReadMetrics, Taken, Window,
};
pub use models::{KeptVersion, ObjectId, ReadBucket, ReadModels, VerifySignature};
pub use notify::{Message, PostSlack, PublishMessage};
pub use requests::{SendRequests, Sent};
pub use secrets::ReadSecret;
pub use servers::{FindReplicas, ReadFleet, ServeModel, SwitchCache, Switched};
pub use services::{
    ReadServices, RegisterTask, Registering, Revision, ServiceState, TaskDefinition,
};
pub use smoke::{InvokeVersion, RequestUrl, UrlRequest};
pub use store::{
    Behind, Claim, CommitRelease, KnownArtifact, LoadArtifact, LoadHead, LoadRelease, LoadStanding,
    PlanRelease, Planned, Standing, StopLine, TakeFence, Transition, Turn, WaitForTurn,
};
pub use sweep::{
    AnnounceUpload, Due, FindDue, Heard, KeepHeard, KeepRuns, ListSources, ListUploads, MendHead,
    SweepRun, Written,
};
pub use targets::{FindTargets, LoadTarget, SaveTarget, SourceMatch, TargetChange};

pub use executions::{EndWait, Machine, StartExecution};
mod executions;

/// Why a port could not do what it was asked, in terms of what the caller can do.
#[derive(Debug, thiserror::Error)]
pub enum PortError {
    /// It does not exist.
    #[error("{what} does not exist")]
    NotFound {
        /// What was looked for.
        what: String,
    },
    /// Someone else changed it first: read again and decide again.
    #[error("{what} was changed by someone else: expected {expected}, found {found}")]
    Conflict {
        /// What was to be changed.
        what: String,
        /// What the write was conditional on.
        expected: String,
        /// What was there, as far as it is known.
        found: String,
    },
    /// The permission is missing: nothing but a change of a policy helps.
    #[error("permission denied for {what}: {message}")]
    Denied {
        /// What was to be done.
        what: String,
        /// AWS's message, which names the action and the resource.
        message: String,
    },
    /// The request can't be carried out as it is.
    #[error("{what} was refused: {message}")]
    Invalid {
        /// What was to be done.
        what: String,
        /// What is wrong with it.
        message: String,
    },
    /// It may work later: throttling, a time-out, a server error.
    #[error("{what} is not available now")]
    Unavailable {
        /// What was to be done.
        what: String,
        /// The error that came back.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}
