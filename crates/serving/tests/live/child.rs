//! Child processes that end with the test.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child as Process, Command, Stdio};
use std::time::{Duration, Instant};

/// A real server takes this long at most on a machine that is busy with other tests.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// A process that is killed when the test lets go of it.
pub(crate) struct Child(Process);

impl Child {
    /// Starts a program of `.venv-servers` or `.venv-mlserver`, which `make setup` makes.
    pub(crate) fn start(program: &Path, command: impl FnOnce(&mut Command)) -> Self {
        assert!(program.exists(), "{} is missing: run `make setup`", program.display());
        let mut start = Command::new(program);
        start.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command(&mut start);
        Self(start.spawn().unwrap())
    }

    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(signal).arg(self.0.id().to_string()).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// A port that nothing listens on now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// Looks until something is there.
pub(crate) async fn eventually<T, F>(what: &str, mut look: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let until = Instant::now() + SOON;
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < until, "{what}: not within {SOON:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
