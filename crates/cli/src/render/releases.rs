//! The list of releases.

use comfy_table::Cell;
use jiff::Timestamp;
use perch_app::view::ReleaseView;
use perch_core::artifact::Artifact;

use super::text::{between, cut, length};
use super::{finish, header, phase, table};
use crate::console::Look;

/// Releases, one line each. On a terminal the reasons of those that did not go well stand below;
/// elsewhere they are the last column, so that a line has all of a release.
pub(crate) fn releases(releases: &[ReleaseView], now: Timestamp, look: Look) -> String {
    if releases.is_empty() {
        return "no releases yet; push an artifact to a source of a target".to_owned();
    }
    let wide = look.width.is_none();
    let mut table = table(Look { width: None, ..look });
    let mut names = header(["RELEASE", "ARTIFACT", "PHASE", "WEIGHT", "AGE", "TOOK"]);
    if wide {
        names.push(Cell::new("WHY"));
    }
    table.set_header(names);
    for release in releases {
        table.add_row(row(release, now, wide));
    }
    let lines = finish(table);
    if wide {
        return lines;
    }
    let room = usize::from(look.width.unwrap_or(u16::MAX)).saturating_sub(2);
    let mut lines = lines.lines();
    let mut text: Vec<String> = lines.next().map(str::to_owned).into_iter().collect();
    for (line, release) in lines.zip(releases) {
        text.push(line.to_owned());
        text.extend(why(release).map(|why| format!("  {}", cut(&why, room))));
    }
    text.join("\n")
}

fn row(release: &ReleaseView, now: Timestamp, wide: bool) -> Vec<Cell> {
    let took = release.ended_at.map(|end| length(between(release.started_at, end)));
    let mut row = vec![
        Cell::new(&release.id),
        Cell::new(short(&release.artifact)),
        phase(release.phase),
        Cell::new(release.weight),
        Cell::new(length(between(release.started_at, now))),
        Cell::new(took.unwrap_or_else(|| "-".to_owned())),
    ];
    if wide {
        row.push(Cell::new(why(release).unwrap_or_else(|| "-".to_owned())));
    }
    row
}

/// Why a release did not go well.
fn why(release: &ReleaseView) -> Option<String> {
    let bad = matches!(release.phase, "RollingBack" | "RolledBack" | "Rejected" | "Stuck");
    release.verdict.as_ref().filter(|_| bad).map(|verdict| verdict.reasons.join("; "))
}

/// What tells artifacts of one source apart.
fn short(artifact: &Artifact) -> String {
    match artifact {
        Artifact::Image { tag: Some(tag), .. } => tag.clone(),
        Artifact::Image { digest, .. } => digest.short().to_owned(),
        Artifact::Package { key, .. } => key.rsplit('/').next().unwrap_or(key).to_owned(),
    }
}
