//! `perch report ID --html`

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use jiff::Timestamp;
use perch_app::ports::{LoadRelease, ReadJournal};
use serde::Serialize;

use crate::args::looks::Report;
use crate::console::Console;
use crate::failure::Missing;
use crate::report;

/// What was written.
#[derive(Debug, Serialize)]
struct Written {
    file: PathBuf,
}

/// Writes the page and says where, or prints the page.
pub(super) async fn run(
    store: &(impl LoadRelease + ReadJournal),
    args: &Report,
    now: Timestamp,
    console: &mut Console<'_>,
) -> anyhow::Result<()> {
    let id = &args.id;
    let release = store.release(id).await?;
    let release = release.ok_or_else(|| Missing::Release(id.clone()))?;
    let page = report::page(&release, store.journal(id, 0).await?, now)?;
    let file = args.file.clone().unwrap_or_else(|| format!("perch-report-{id}.html").into());
    if file == Path::new("-") {
        return console.line(page.trim_end());
    }
    std::fs::write(&file, page).with_context(|| format!("can't write {}", file.display()))?;
    console.show(&Written { file: file.clone() }, |_| file.display().to_string())
}
