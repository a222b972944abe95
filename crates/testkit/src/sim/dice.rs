//! Where every choice of a simulation comes from. The numbers are the caller's: the same numbers
//! give the same run.

/// A source of numbers.
pub trait Dice {
    /// A number below `bound`, which is at least 1.
    fn below(&mut self, bound: u64) -> u64;

    /// True once in so many times; never for 0.
    fn once_in(&mut self, times: u64) -> bool {
        times > 0 && self.below(times) == 0
    }

    /// A number from `low` to `high`, both included.
    fn between(&mut self, low: i64, high: i64) -> i64 {
        let width = u64::try_from(high - low).unwrap_or(0) + 1;
        low + i64::try_from(self.below(width)).unwrap_or(0)
    }
}

/// One of these, each as likely.
pub fn one_of<T: Copy>(dice: &mut dyn Dice, choices: &[T]) -> T {
    let place = dice.below(choices.len() as u64);
    choices[usize::try_from(place).unwrap_or(0)]
}
