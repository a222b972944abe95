//! Dead letters and the functions they are sent to again, in memory.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use perch_app::ports::{
    CallFunction, DeleteLetter, Letter, PortError, Queue, ReceiveLetters, Tidings,
};
use perch_core::names::FunctionName;
use serde_json::Value;

use crate::calls::Calls;

/// As many letters as SQS hands out at once.
const PAGE: usize = 10;

/// The two queues. A letter that was received stays hidden until it is given back: the clock of a
/// hold does not run here.
#[derive(Debug)]
pub struct MemoryLetters {
    calls: Arc<Calls>,
    queues: Mutex<Queues>,
}

#[derive(Debug, Default)]
struct Queues {
    letters: Vec<Letter>,
    hidden: BTreeSet<String>,
    receipts: usize,
}

impl MemoryLetters {
    /// Two queues with these letters.
    pub fn new(calls: &Arc<Calls>, letters: impl IntoIterator<Item = Letter>) -> Self {
        let letters = letters.into_iter().collect();
        Self { calls: calls.clone(), queues: Mutex::new(Queues { letters, ..Queues::default() }) }
    }

    /// The ids of the letters that are left, in their order.
    pub fn left(&self) -> Vec<String> {
        self.queues.lock().unwrap().letters.iter().map(|letter| letter.id.clone()).collect()
    }

    /// The ids of the letters that somebody holds.
    pub fn hidden(&self) -> Vec<String> {
        self.queues.lock().unwrap().hidden.iter().cloned().collect()
    }

    /// Receives a letter as someone else, who keeps it.
    pub fn hide(&self, id: &str) {
        self.queues.lock().unwrap().hidden.insert(id.to_owned());
    }

    /// The time of every hold is over.
    pub fn end_holds(&self) {
        self.queues.lock().unwrap().hidden.clear();
    }
}

impl ReceiveLetters for MemoryLetters {
    async fn receive(&self, queue: Queue, _: Duration) -> Result<Vec<Letter>, PortError> {
        let receive = || {
            let queues = &mut *self.queues.lock().unwrap();
            let mut page = Vec::new();
            for letter in queues.letters.iter_mut().filter(|letter| letter.queue == queue) {
                if page.len() < PAGE && queues.hidden.insert(letter.id.clone()) {
                    queues.receipts += 1;
                    letter.receipt = format!("receipt-{}", queues.receipts);
                    page.push(letter.clone());
                }
            }
            Ok(page)
        };
        self.calls.port("receive_letters", receive).await
    }

    async fn give_back(&self, letters: &[Letter]) -> Result<(), PortError> {
        let give_back = || {
            let queues = &mut *self.queues.lock().unwrap();
            for letter in letters {
                queues.hidden.remove(&letter.id);
            }
            Ok(())
        };
        self.calls.port("give_back_letters", give_back).await
    }
}

impl DeleteLetter for MemoryLetters {
    async fn delete(&self, letter: &Letter) -> Result<(), PortError> {
        let delete = || {
            let queues = &mut *self.queues.lock().unwrap();
            // An old receipt deletes nothing, and SQS does not say so.
            queues.letters.retain(|kept| kept.receipt != letter.receipt);
            queues.hidden.remove(&letter.id);
            Ok(())
        };
        self.calls.port("delete_letter", delete).await
    }
}

/// Functions that accept everything and keep a list of it.
#[derive(Debug)]
pub struct MemoryCalls {
    calls: Arc<Calls>,
    handed_over: Mutex<Vec<(FunctionName, Value)>>,
    told: Mutex<Vec<Tidings>>,
}

impl MemoryCalls {
    /// Functions that were not called yet.
    pub fn new(calls: &Arc<Calls>) -> Self {
        Self { calls: calls.clone(), handed_over: Mutex::default(), told: Mutex::default() }
    }

    /// The events that functions got, oldest first.
    pub fn handed_over(&self) -> Vec<(FunctionName, Value)> {
        self.handed_over.lock().unwrap().clone()
    }

    /// What people were told, oldest first.
    pub fn told(&self) -> Vec<Tidings> {
        self.told.lock().unwrap().clone()
    }
}

impl CallFunction for MemoryCalls {
    async fn hand_over(&self, function: &FunctionName, event: &Value) -> Result<(), PortError> {
        let accept = || {
            self.handed_over.lock().unwrap().push((function.clone(), event.clone()));
            Ok(())
        };
        self.calls.port("hand_over", accept).await
    }

    async fn tell(&self, _: &FunctionName, tidings: &Tidings) -> Result<(), PortError> {
        let tell = || {
            self.told.lock().unwrap().push(tidings.clone());
            Ok(())
        };
        self.calls.port("tell", tell).await
    }
}
