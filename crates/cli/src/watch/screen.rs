//! All that the live view shows, as data: drawing it is a pure function.

use jiff::Timestamp;

use super::follow::Followed;

/// One moment of the live view.
#[derive(Debug, Clone)]
pub(crate) struct Screen {
    pub(crate) now: Timestamp,
    pub(crate) targets: Vec<Followed>,
    /// The place of the target that is shown in full.
    pub(crate) selected: usize,
    /// Why the last read failed; what is shown may be old then.
    pub(crate) trouble: Option<String>,
    pub(crate) colour: bool,
}

impl Screen {
    /// The target that is shown in full.
    pub(crate) fn chosen(&self) -> Option<&Followed> {
        self.targets.get(self.selected)
    }

    /// Chooses the next or the previous target.
    pub(crate) fn choose(&mut self, down: bool) {
        let count = self.targets.len().max(1);
        self.selected = (self.selected + if down { 1 } else { count - 1 }) % count;
    }
}
