//! How far an upload is: a bar on a terminal, a line per file elsewhere.

use std::io::{IsTerminal as _, Write as _};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use perch_core::target::ByteSize;

/// How far an upload is.
pub(crate) struct Progress {
    bar: ProgressBar,
    lines: bool,
}

/// Says something on standard error that keeps nothing from going on.
pub(crate) fn warn(text: &str) {
    // Nobody reads it: the upload goes on.
    let _ = writeln!(std::io::stderr(), "warning: {text}");
}

impl Progress {
    /// For this many bytes, on standard error.
    pub(crate) fn new(bytes: u64) -> Self {
        let lines = !std::io::stderr().is_terminal();
        let to = if lines { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(Some(bytes), to);
        let form = "{wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}";
        let style = ProgressStyle::with_template(form);
        Self { bar: bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar())), lines }
    }

    /// This many more bytes are there.
    pub(super) fn sent(&self, bytes: u64) {
        self.bar.inc(bytes);
    }

    /// A file is there.
    pub(super) fn done(&self, path: &str, size: u64, skipped: bool) {
        if self.lines {
            let how = if skipped { "is there already" } else { "uploaded" };
            // Nobody reads it: the upload goes on.
            let _ = writeln!(std::io::stderr(), "{path}: {how}, {}", ByteSize::bytes(size));
        }
    }

    /// Everything is there.
    pub(crate) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
