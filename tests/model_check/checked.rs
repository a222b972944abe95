//! Walks through every state of a scenario, and says what it found.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use perch_testkit::model::{Action, State};
use stateright::{Checker, Model, Property};

/// Whether a state keeps a promise.
type Keeps = fn(&Scenario, &Node) -> bool;

/// The promises that are checked. All hold in every state: those about an end (P4, P8) hold in every
/// state at rest, and [`Found::has_circle`] says that every way comes to rest.
const PROMISES: [(&str, Keeps); 10] = [
    ("P1", |_, node| node.keeps("P1")),
    ("P2", |_, node| node.keeps("P2")),
    ("P3", |_, node| node.keeps("P3")),
    ("P4", |_, node| node.keeps("P4")),
    ("P5", |_, node| node.keeps("P5")),
    ("P6", |_, node| node.keeps("P6")),
    ("P7", |_, node| node.keeps("P7")),
    ("P8", |_, node| node.keeps("P8")),
    ("P9", |_, node| node.keeps("P9")),
    ("P10", |_, node| node.keeps("P10")),
];

/// A start, and every way on from it.
#[derive(Clone)]
pub(crate) struct Scenario {
    start: Node,
    /// Each state's next ones, as they are found.
    ways: Arc<Mutex<HashMap<u64, Vec<u64>>>>,
}

/// A state, told from others by its number.
#[derive(Clone)]
pub(crate) struct Node(Arc<State>);

impl Node {
    fn keeps(&self, promise: &str) -> bool {
        self.0.broken().iter().all(|broken| broken.promise != promise)
    }
}

impl std::hash::Hash for Node {
    fn hash<H: std::hash::Hasher>(&self, hasher: &mut H) {
        hasher.write_u64(self.0.print());
    }
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.0.print() == other.0.print()
    }
}

impl Model for Scenario {
    type State = Node;
    type Action = Action;

    fn init_states(&self) -> Vec<Node> {
        vec![self.start.clone()]
    }

    fn actions(&self, node: &Node, actions: &mut Vec<Action>) {
        node.0.actions(actions);
    }

    fn next_state(&self, node: &Node, action: Action) -> Option<Node> {
        let next = node.0.after(action);
        self.ways.lock().unwrap().entry(node.0.print()).or_default().push(next.print());
        Some(Node(Arc::new(next)))
    }

    fn properties(&self) -> Vec<Property<Self>> {
        PROMISES.iter().map(|(name, keeps)| Property::always(name, *keeps)).collect()
    }
}

/// What a walk found.
pub(crate) struct Found {
    /// States, each counted once.
    pub(crate) states: usize,
    /// Actions from one state to another.
    pub(crate) ways: usize,
    /// The longest of the shortest ways to each state.
    pub(crate) depth: usize,
    /// The shortest way to each broken promise, in words.
    pub(crate) broken: BTreeMap<&'static str, String>,
    /// Whether some way leads in a circle, so that it need not come to rest.
    pub(crate) has_circle: bool,
    took: Duration,
}

impl Found {
    /// The shortest way to each broken promise, one after the other.
    pub(crate) fn ways_to_broken(&self) -> String {
        self.broken.values().cloned().collect::<Vec<_>>().join("\n\n")
    }
}

impl std::fmt::Display for Found {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { states, ways, depth, .. } = self;
        let seconds = self.took.as_secs_f64();
        write!(f, "{states} states, {ways} ways between them, depth {depth}, {seconds:.1} s")
    }
}

/// The sum of walks.
#[derive(Default)]
pub(crate) struct Seen {
    walks: usize,
    states: usize,
    ways: usize,
    took: Duration,
}

impl Seen {
    /// One more.
    pub(crate) fn add(&mut self, found: &Found) {
        self.walks += 1;
        self.states += found.states;
        self.ways += found.ways;
        self.took += found.took;
    }
}

impl std::fmt::Display for Seen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { walks, states, ways, .. } = self;
        let seconds = self.took.as_secs_f64();
        write!(f, "{walks} scenarios, {states} states, {ways} ways between them, {seconds:.1} s")
    }
}

/// Walks through all states that can be reached from `start`.
pub(crate) fn walk(start: State) -> Found {
    let began = Instant::now();
    let scenario = Scenario { start: Node(Arc::new(start)), ways: Arc::default() };
    let ways = scenario.ways.clone();
    let checker =
        scenario.checker().finish_when(stateright::HasDiscoveries::AnyFailures).spawn_bfs().join();
    let ways_taken = std::mem::take(&mut *ways.lock().unwrap());
    let broken = checker.discoveries().into_iter();
    Found {
        states: checker.unique_state_count(),
        ways: checker.state_count(),
        depth: checker.max_depth(),
        broken: broken.map(|(name, path)| (name, in_words(path.into_vec()))).collect(),
        has_circle: has_circle(ways_taken),
        took: began.elapsed(),
    }
}

fn in_words(path: Vec<(Node, Option<Action>)>) -> String {
    let mut lines = Vec::new();
    for (number, (node, action)) in path.iter().enumerate() {
        if let Some(action) = action {
            let text: String = node.0.in_words(*action).chars().take(230).collect();
            lines.push(format!("{:3}. {action:?} {text}", number + 1));
        }
        lines.extend(node.0.broken().iter().map(|b| format!("  => {}: {}", b.promise, b.what)));
    }
    lines.join("\n")
}

/// Takes away states without a way on, again and again: what stays leads in a circle.
fn has_circle(ways: HashMap<u64, Vec<u64>>) -> bool {
    let mut left: HashMap<u64, usize> = HashMap::new();
    let mut back: HashMap<u64, Vec<u64>> = HashMap::new();
    for (from, nexts) in &ways {
        left.insert(*from, nexts.len());
        for next in nexts {
            back.entry(*next).or_default().push(*from);
        }
    }
    let mut done: Vec<u64> = back.keys().filter(|next| !ways.contains_key(next)).copied().collect();
    let mut taken = 0;
    while let Some(state) = done.pop() {
        for from in back.remove(&state).unwrap_or_default() {
            if let Some(count) = left.get_mut(&from) {
                *count -= 1;
                if *count == 0 {
                    taken += 1;
                    done.push(from);
                }
            }
        }
    }
    taken < ways.len()
}
