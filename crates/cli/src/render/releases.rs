//! The list of releases.

use comfy_table::Cell;
use jiff::Timestamp;
use perch_app::view::ReleaseView;
use perch_core::artifact::Artifact;

use super::text::{age, between, cut, cut_middle, length};
use super::{finish, header, standing, table};
use crate::console::Look;

/// Releases, one line each. On a terminal the reasons of those that did not go well stand below;
/// elsewhere they are the last column, so that a line has all of a release.
pub(crate) fn releases(releases: &[ReleaseView], now: Timestamp, look: Look) -> String {
    if releases.is_empty() {
        return "no releases yet; push an artifact to a source of a target".to_owned();
    }
    let wide = look.width.is_none();
    let mut table = table(Look { width: None, ..look });
    let mut names = header(["RELEASE", "ARTIFACT", "PHASE", "AGE", "TOOK"]);
    if wide {
        names.push(Cell::new("WHY"));
    }
    table.set_header(names);
    for release in releases {
        table.add_row(row(release, now, look));
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

fn row(release: &ReleaseView, now: Timestamp, look: Look) -> Vec<Cell> {
    let took = release.ended_at.map(|end| length(between(release.started_at, end)));
    let artifact = short(&release.artifact);
    let artifact = match look.width {
        Some(width) => cut_middle(&artifact, artifact_room(width, release)),
        None => artifact,
    };
    let mut row = vec![
        Cell::new(&release.id),
        Cell::new(artifact),
        standing(release, ""),
        Cell::new(age(between(release.started_at, now))),
        Cell::new(took.unwrap_or_else(|| "-".to_owned())),
    ];
    if look.width.is_none() {
        row.push(Cell::new(why(release).unwrap_or_else(|| "-".to_owned())));
    }
    row
}

/// The columns that an id and the three columns on the right leave to the artifact.
fn artifact_room(width: u16, release: &ReleaseView) -> usize {
    const RIGHT: usize = "Watching 100%".len() + "AGE".len() + "59m 59s".len();
    const GAPS: usize = 4 * 2;
    usize::from(width).saturating_sub(release.id.as_str().len() + RIGHT + GAPS).max(8)
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
        Artifact::Model { version, .. } => format!("model {version}"),
        Artifact::Version { version } => format!("version {version}"),
    }
}
