//! Started executions, in memory: one per machine and name, however often it is started.

use std::sync::{Arc, Mutex};

use perch_app::ports::{EndWait, Machine, PortError, StartExecution};
use perch_core::names::ReleaseId;
use serde_json::Value;

use crate::calls::Calls;

/// An execution as it was started.
#[derive(Debug, Clone, PartialEq)]
pub struct Started {
    /// Its state machine.
    pub machine: Machine,
    /// Its name.
    pub name: ReleaseId,
    /// Its input.
    pub input: Value,
}

/// Executions in memory.
#[derive(Debug)]
pub struct MemoryExecutions {
    calls: Arc<Calls>,
    started: Mutex<Arc<Vec<Started>>>,
    ended: Mutex<Arc<Vec<String>>>,
}

impl MemoryExecutions {
    /// Nothing was started.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), started: Mutex::default(), ended: Mutex::default() }
    }

    pub(crate) fn fork(&self, calls: &Arc<Calls>) -> Self {
        let ended = self.ended.lock().unwrap().clone();
        Self { calls: calls.clone(), started: Mutex::new(self.share()), ended: Mutex::new(ended) }
    }

    pub(crate) fn share(&self) -> Arc<Vec<Started>> {
        self.started.lock().unwrap().clone()
    }

    /// What was started, oldest first.
    pub fn started(&self) -> Vec<Started> {
        self.share().to_vec()
    }

    /// Whether the wait under this token was ended.
    pub fn is_ended(&self, token: &str) -> bool {
        self.ended.lock().unwrap().iter().any(|known| known == token)
    }

    /// The tokens of the waits that were ended, after the first `count`, oldest first.
    pub fn ended_after(&self, count: usize) -> Vec<String> {
        self.ended.lock().unwrap().get(count..).unwrap_or_default().to_vec()
    }

    /// How many were started.
    pub fn count(&self) -> usize {
        self.started.lock().unwrap().len()
    }

    /// What was started after the first `count`, oldest first.
    pub fn started_after(&self, count: usize) -> Vec<Started> {
        self.started.lock().unwrap().get(count..).unwrap_or_default().to_vec()
    }
}

impl StartExecution for MemoryExecutions {
    async fn start(
        &self,
        machine: Machine,
        name: &ReleaseId,
        input: &Value,
    ) -> Result<(), PortError> {
        let start = || {
            let mut started = self.started.lock().unwrap();
            // The first input stays: Step Functions does not look at that of a repeated start.
            if started.iter().all(|known| known.machine != machine || known.name != *name) {
                Arc::make_mut(&mut started).push(Started {
                    machine,
                    name: name.clone(),
                    input: input.clone(),
                });
            }
            Ok(())
        };
        self.calls.port("start", start).await
    }
}

impl EndWait for MemoryExecutions {
    /// A token of a wait that is over is no error, as in `perch-aws`.
    async fn end_wait(&self, token: &str) -> Result<(), PortError> {
        let end = || {
            Arc::make_mut(&mut self.ended.lock().unwrap()).push(token.to_owned());
            Ok(())
        };
        self.calls.port("end_wait", end).await
    }
}
