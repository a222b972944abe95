//! Every order in which the calls of two use cases can come.

use super::Paused;

/// One order of the calls of two futures; `advance` leads to the next, until all were seen.
#[derive(Debug, Clone, Default)]
pub struct Schedule {
    /// Whether the second goes on, at each point where both could.
    choices: Vec<bool>,
    place: usize,
}

impl Schedule {
    /// The order in which the first runs to its end before the second starts.
    pub fn first() -> Self {
        Self::default()
    }

    /// On to the next order; false when every order was seen.
    pub fn advance(&mut self) -> bool {
        self.place = 0;
        while self.choices.last() == Some(&true) {
            self.choices.pop();
        }
        let Some(last) = self.choices.last_mut() else {
            return false;
        };
        *last = true;
        true
    }

    fn second_goes_on(&mut self) -> bool {
        if self.place == self.choices.len() {
            self.choices.push(false);
        }
        self.place += 1;
        self.choices[self.place - 1]
    }
}

/// Runs both to their ends, one call at a time in the order of the schedule.
pub fn interleave<A, B>(
    schedule: &mut Schedule,
    mut first: Paused<'_, A>,
    mut second: Paused<'_, B>,
) -> (A, B) {
    loop {
        if schedule.second_goes_on() {
            if let Some(outcome) = second.step() {
                return (first.finish(), outcome);
            }
        } else if let Some(outcome) = first.step() {
            return (outcome, second.finish());
        }
    }
}
