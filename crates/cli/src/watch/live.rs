//! The loop of the live view: reads once a second, draws and takes keys in between.

use std::pin::pin;
use std::time::Duration;

use jiff::Timestamp;
use perch_app::ports::{
    ListReleases, LoadRelease, LoadStanding, LoadTarget, PortError, ReadJournal,
};
use perch_core::names::TargetName;
use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use super::follow::Followed;
use super::screen::Screen;
use super::{draw, plain};
use crate::failure;

const LOOK: Duration = Duration::from_secs(1);
/// Short enough for keys and the seconds that are left to feel immediate.
const FRAME: Duration = Duration::from_millis(100);
/// New targets appear after this many looks.
const LOOKS_PER_LIST: u32 = 10;

/// Follows one target, or all of them.
pub(crate) struct Live {
    pub(crate) only: Option<TargetName>,
    pub(crate) until_end: bool,
    pub(crate) timeout: Option<Duration>,
    pub(crate) colour: bool,
}

/// What a key asks for.
enum Key {
    Quit,
    Choose { down: bool },
}

impl Live {
    /// Runs until a person quits, or until the release ends if that is wanted; the exit code.
    pub(crate) async fn run(
        &self,
        store: &(impl LoadTarget + LoadStanding + LoadRelease + ReadJournal + ListReleases),
    ) -> anyhow::Result<u8> {
        let mut targets = Vec::new();
        // The first read fails on the plain terminal, where the message stays.
        self.look(store, &mut targets, 0).await?;
        let mut terminal = ratatui::try_init()?;
        let code = self.follow(store, targets, &mut terminal).await;
        ratatui::try_restore()?;
        code
    }

    async fn follow(
        &self,
        store: &(impl LoadTarget + LoadStanding + LoadRelease + ReadJournal + ListReleases),
        mut targets: Vec<Followed>,
        terminal: &mut DefaultTerminal,
    ) -> anyhow::Result<u8> {
        let started = tokio::time::Instant::now();
        let mut screen = self.screen(&targets);
        let mut awaited = in_flight(&screen);
        for count in 1.. {
            let next_look = tokio::time::Instant::now() + LOOK;
            let result = {
                let mut look = pin!(async {
                    tokio::time::sleep_until(next_look).await;
                    self.look(store, &mut targets, count).await
                });
                loop {
                    screen.now = Timestamp::now();
                    terminal.draw(|frame| draw::screen(frame, &screen))?;
                    match key()? {
                        Some(Key::Quit) => return Ok(failure::OK),
                        Some(Key::Choose { down }) => screen.choose(down),
                        None => {}
                    }
                    tokio::select! {
                        result = &mut look => break result,
                        () = tokio::time::sleep(FRAME) => {}
                    }
                }
            };
            screen.trouble = result.err().map(|error| error.to_string());
            screen.targets.clone_from(&targets);
            awaited = awaited.or_else(|| in_flight(&screen));
            if let Some(code) = self.end(&screen, awaited.as_ref()) {
                return Ok(code);
            }
            if self.timeout.is_some_and(|timeout| started.elapsed() >= timeout) {
                anyhow::bail!("the release has not ended within the time-out");
            }
        }
        Ok(failure::OK)
    }

    fn screen(&self, targets: &[Followed]) -> Screen {
        Screen {
            now: Timestamp::now(),
            targets: targets.to_vec(),
            selected: targets
                .iter()
                .position(|t| !t.has_ended() && t.release.is_some())
                .unwrap_or(0),
            trouble: None,
            colour: self.colour,
        }
    }

    fn end(&self, screen: &Screen, awaited: Option<&perch_core::names::ReleaseId>) -> Option<u8> {
        let release = screen.chosen()?.release.as_ref()?;
        let wanted = self.until_end && awaited == Some(&release.id);
        wanted.then(|| plain::end_code(&release.phase))?
    }

    async fn look(
        &self,
        store: &(impl LoadTarget + LoadStanding + LoadRelease + ReadJournal + ListReleases),
        targets: &mut Vec<Followed>,
        count: u32,
    ) -> Result<(), PortError> {
        if count.is_multiple_of(LOOKS_PER_LIST) {
            let names = match &self.only {
                Some(name) => vec![name.clone()],
                None => store.targets().await?.into_iter().map(|target| target.name).collect(),
            };
            targets.retain(|followed| names.contains(&followed.target));
            for name in names {
                if targets.iter().all(|followed| followed.target != name) {
                    targets.push(Followed::new(name));
                }
            }
        }
        for followed in targets {
            followed.refresh(store).await?;
        }
        Ok(())
    }
}

/// The release in flight of the chosen target.
fn in_flight(screen: &Screen) -> Option<perch_core::names::ReleaseId> {
    let followed = screen.chosen().filter(|followed| !followed.has_ended())?;
    followed.release.as_ref().map(|release| release.id.clone())
}

/// The key that was pressed since, if it means something.
fn key() -> std::io::Result<Option<Key>> {
    while event::poll(Duration::ZERO)? {
        let Event::Key(key) = event::read()? else { continue };
        if key.kind != KeyEventKind::Press {
            continue;
        }
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        return Ok(match key.code {
            KeyCode::Char('c') if control => Some(Key::Quit),
            KeyCode::Char('q') | KeyCode::Esc => Some(Key::Quit),
            KeyCode::Down | KeyCode::Tab | KeyCode::Char('j') => Some(Key::Choose { down: true }),
            KeyCode::Up | KeyCode::BackTab | KeyCode::Char('k') => {
                Some(Key::Choose { down: false })
            }
            _ => None,
        });
    }
    Ok(None)
}
