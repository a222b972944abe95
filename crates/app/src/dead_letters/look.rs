//! Looking at letters. A queue has no way to look without receiving, so every letter is held for as
//! long as the look takes and given back at once.

use std::time::Duration;

use super::{DeadLetter, read};
use crate::ports::{Letter, PortError, Queue, ReceiveLetters};

/// How long a look may keep letters from others, should it not come to give them back. A page of ten
/// takes well below a second, so this is enough for hundreds.
const HOLD: Duration = Duration::from_secs(30);

/// Every letter of these queues, oldest first.
///
/// # Errors
/// [`PortError`] when a queue can't be read.
pub async fn list(
    letters: &impl ReceiveLetters,
    queues: &[Queue],
) -> Result<Vec<DeadLetter>, PortError> {
    let held = collect(letters, queues, HOLD, |_| false).await?;
    give_back(letters, &held).await;
    Ok(held.iter().map(read).collect())
}

/// The letter of this id.
///
/// # Errors
/// [`PortError`] when a queue can't be read.
pub async fn find(
    letters: &impl ReceiveLetters,
    id: &str,
) -> Result<Option<DeadLetter>, PortError> {
    let is_it = |letter: &Letter| letter.id == id;
    let held = collect(letters, &Queue::ALL, HOLD, |held| held.iter().any(is_it)).await?;
    give_back(letters, &held).await;
    Ok(held.iter().find(|letter| is_it(letter)).map(read))
}

/// Receives page after page until no letter is left, or `enough` says so. On an error nothing is
/// held any more.
pub(super) async fn collect(
    letters: &impl ReceiveLetters,
    queues: &[Queue],
    hold: Duration,
    enough: impl Fn(&[Letter]) -> bool,
) -> Result<Vec<Letter>, PortError> {
    let mut held: Vec<Letter> = Vec::new();
    for queue in queues {
        while !enough(&held) {
            let page = match letters.receive(*queue, hold).await {
                Ok(page) => page,
                Err(error) => {
                    give_back(letters, &held).await;
                    return Err(error);
                }
            };
            let before = held.len();
            for letter in page {
                // A queue may deliver twice; the newest receipt is the one that counts.
                match held.iter_mut().find(|known| known.id == letter.id) {
                    Some(known) => *known = letter,
                    None => held.push(letter),
                }
            }
            if held.len() == before {
                break;
            }
        }
    }
    held.sort_by(|a, b| (a.sent_at, &a.id).cmp(&(b.sent_at, &b.id)));
    Ok(held)
}

/// Gives letters back. What can't be given back comes back by itself when the hold is over, so a
/// failure is no reason to hide what was found.
pub(super) async fn give_back(letters: &impl ReceiveLetters, held: &[Letter]) {
    if held.is_empty() {
        return;
    }
    if let Err(error) = letters.give_back(held).await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "Letters could not be given back; they come back by themselves"
        );
    }
}
