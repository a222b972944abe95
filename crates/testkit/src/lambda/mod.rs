//! Lambda in memory: functions with unpublished code, versions, and aliases with a revision.
//!
//! Code that was set stays in progress for as many looks as the test says, and so does a version
//! that was published. What an alias was set to is kept, so that a test can see every route that
//! callers met.

mod alias;
mod code;
mod model;
mod requests;
mod smoke;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use perch_app::ports::{AliasState, Asked, CodeState, PortError, Route};
use perch_core::names::FunctionName;
use perch_core::pointer::ModelPointer;
use perch_core::target::Lambda;

use crate::calls::{Answer, Calls};
use crate::mutation::Mutation;

/// Lambda in memory.
#[derive(Debug)]
pub struct MemoryLambda {
    calls: Arc<Calls>,
    account: Mutex<Arc<Account>>,
}

/// The functions, and what there is to make them of.
#[derive(Debug, Clone, Default)]
pub struct Account {
    /// What Lambda leaves out, to see it found.
    pub mutation: Option<Mutation>,
    /// The functions by name.
    pub functions: BTreeMap<FunctionName, Function>,
    /// Aliases (`function:alias`) with provisioned concurrency.
    pub provisioned: BTreeSet<String>,
    /// Artifacts, by identity, that the registry or bucket does not have (any more).
    pub gone: BTreeSet<String>,
    /// How many looks find new code in progress.
    pub update_looks: u32,
    /// How many looks find a new version in progress.
    pub version_looks: u32,
    /// Why Lambda gives up on new code.
    pub update_fails: Option<String>,
    /// Why Lambda gives up on a new version.
    pub version_fails: Option<String>,
    /// Requests that were sent, each with its `function:alias`.
    pub requests: Vec<(String, serde_json::Value)>,
    /// What versions answer to requests, by the name of their model.
    pub answers: BTreeMap<String, Asked>,
    /// Functions with the code whose versions fail their smoke tests.
    pub unfit: BTreeSet<(String, String)>,
    revisions: u64,
}

/// A function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Whether it is an image function.
    pub is_image: bool,
    /// The identity of what its unpublished code was built from.
    pub code: String,
    /// The model that its unpublished environment points at.
    pub model: Option<ModelPointer>,
    /// Why its environment can't be read, if it can't.
    pub sealed: Option<String>,
    /// Whether the last update of code or environment is through.
    pub update: Progress,
    /// Its versions, the first of which is version 1; `None` where one was deleted.
    pub versions: Vec<Option<Published>>,
    /// Its aliases.
    pub aliases: BTreeMap<String, Alias>,
    /// The revision of the unpublished function.
    pub revision: u64,
}

/// A published version.
#[derive(Debug, Clone)]
pub struct Published {
    /// The identity of what it was built from.
    pub code: String,
    /// The model that its environment points at.
    pub model: Option<ModelPointer>,
    /// Whether it can be invoked.
    pub state: Progress,
}

/// An alias and where it sent its traffic so far.
#[derive(Debug, Clone)]
pub struct Alias {
    /// Its revision; each write counts on.
    pub revision: u64,
    /// Every route that it was given, oldest first; never empty.
    pub routes: Vec<Route>,
}

/// Work that Lambda does in the background, over a number of looks.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Looks that find it under way.
    pub looks: u32,
    /// Why it fails then, if it does.
    pub fails: Option<String>,
}

impl Progress {
    /// One look.
    fn look(&mut self) -> CodeState {
        if self.looks > 0 {
            self.looks -= 1;
            return CodeState::InProgress;
        }
        match &self.fails {
            Some(reason) => CodeState::Failed { reason: reason.clone() },
            None => CodeState::Ready,
        }
    }
}

impl MemoryLambda {
    /// An account without functions.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), account: Mutex::default() }
    }

    /// The same account, whose calls are counted elsewhere.
    pub(crate) fn fork(&self, calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), account: Mutex::new(self.account.lock().unwrap().clone()) }
    }

    /// The account as it is; a fork shares it until one of the two changes something.
    pub(crate) fn share(&self) -> Arc<Account> {
        self.account.lock().unwrap().clone()
    }

    /// Looks at the account; not a port call.
    pub fn read<T>(&self, look: impl FnOnce(&Account) -> T) -> T {
        look(&self.account.lock().unwrap())
    }

    /// Changes the account as someone else might; not a port call.
    pub fn change<T>(&self, change: impl FnOnce(&mut Account) -> T) -> T {
        change(Arc::make_mut(&mut self.account.lock().unwrap()))
    }

    /// The alias as it is now; not a port call.
    pub fn now(&self, lambda: &Lambda) -> AliasState {
        self.read(|account| account.alias(lambda).expect("the alias exists"))
    }

    /// Every route that the alias was given; not a port call.
    pub fn routes(&self, lambda: &Lambda) -> Vec<Route> {
        self.read(|account| {
            account.functions[&lambda.function].aliases[lambda.alias.as_str()].routes.clone()
        })
    }

    /// Moves the alias as someone else might; not a port call.
    pub fn move_alias(&self, lambda: &Lambda, route: &Route) {
        self.change(|account| {
            let revision = account.alias(lambda).expect("the alias exists").revision;
            account.shift(lambda, route, &revision).expect("the versions exist");
        });
    }

    /// A call that only reads: a fork goes on sharing the account.
    async fn look<T: Answer>(
        &self,
        name: &'static str,
        look: impl FnOnce(&Account) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        self.calls.port(name, || look(&self.account.lock().unwrap())).await
    }

    async fn port<T: Answer>(
        &self,
        name: &'static str,
        effect: impl FnOnce(&mut Account) -> Result<T, PortError>,
    ) -> Result<T, PortError> {
        self.calls.port(name, || effect(Arc::make_mut(&mut self.account.lock().unwrap()))).await
    }
}

impl Account {
    fn function_mut(&mut self, name: &FunctionName) -> Result<&mut Function, PortError> {
        let missing = || PortError::NotFound { what: format!("function {name}") };
        self.functions.get_mut(name).ok_or_else(missing)
    }

    fn next_revision(&mut self) -> u64 {
        self.revisions += 1;
        self.revisions
    }
}
