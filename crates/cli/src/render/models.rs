//! Model versions: what was pushed, the list, and one in full.

use std::collections::BTreeMap;

use comfy_table::{Cell, Color};
use perch_app::model_list::{ModelInFull, ModelVersion, State};
use perch_app::reload::Verified;
use perch_core::names::TargetName;
use perch_core::target::ByteSize;

use super::text::stamp;
use super::{block, finish, header, table};
use crate::commands::Pushed;
use crate::console::Look;

/// What was pushed.
pub(crate) fn pushed(pushed: &Pushed, target: &TargetName) -> String {
    let Pushed { version, bucket, key, files, bytes, skipped, seconds, .. } = pushed;
    let again = match *skipped {
        0 => String::new(),
        bytes => format!(", {} of them were there already", ByteSize::bytes(bytes)),
    };
    format!(
        "model {version}: {files} files, {}{again}, in {seconds:.1} s\n\
         s3://{bucket}/{key} is written: the release of {target} starts\n\
         follow it with `perch watch {target}`",
        ByteSize::bytes(*bytes)
    )
}

/// Model versions, newest first.
pub(crate) fn models(models: &[ModelVersion], look: Look) -> String {
    if models.is_empty() {
        return "no models yet: `perch model push DIR --target TARGET --version VERSION`"
            .to_owned();
    }
    let mut table = table(look);
    table.set_header(header(["VERSION", "STATE", "UPLOADED", "SIZE", "METRICS"]));
    for model in models {
        table.add_row([
            Cell::new(&model.version),
            state(model.state),
            Cell::new(model.uploaded.map_or_else(|| "-".to_owned(), stamp)),
            Cell::new(model.bytes.map_or_else(|| "-".to_owned(), size)),
            Cell::new(model.problem.clone().unwrap_or_else(|| metrics(&model.metrics))),
        ]);
    }
    finish(table)
}

/// A model version in full.
pub(crate) fn model(model: &ModelInFull, look: Look) -> String {
    let ModelInFull { model: facts, manifest, refusal } = model;
    let text = |text: Option<&str>| Cell::new(text.unwrap_or("-"));
    let mut rows = vec![
        ("version", Cell::new(&facts.version)),
        ("state", state(facts.state)),
        ("release", text(facts.release.as_ref().map(|id| id.as_str()))),
        (
            "complete",
            match refusal {
                None => Cell::new("yes: every object is as it was uploaded").fg(Color::Green),
                Some(why) => Cell::new(format!("no: {why}")).fg(Color::Red),
            },
        ),
    ];
    let Some(manifest) = manifest else { return block(look, rows) };
    rows.extend([
        ("model", Cell::new(&manifest.model)),
        (
            "uploaded",
            Cell::new(format!("{} by {}", stamp(manifest.created_at), manifest.created_by)),
        ),
        ("framework", text(manifest.framework.as_deref())),
        ("training", text(manifest.training.as_deref())),
        ("metrics", Cell::new(metrics(&manifest.metrics))),
        ("golden", text(manifest.golden.as_ref().map(|path| path.as_str()))),
        (
            "signature",
            match &manifest.signature {
                Some(signature) => Cell::new(signature.algorithm),
                None => text(None),
            },
        ),
    ]);
    let mut files = table(look);
    files.set_header(header(["FILE", "SIZE", "SHA-256", "PARTS", "S3 VERSION"]));
    for file in &manifest.files {
        let sum = file.sha256.to_string();
        let parts = file.multipart.as_ref().map_or(1, |multipart| multipart.parts);
        files.add_row([
            Cell::new(&file.path),
            Cell::new(size(file.size)),
            Cell::new(&sum[..12]),
            Cell::new(parts),
            Cell::new(&file.version_id),
        ]);
    }
    format!("{}\n\n{}", block(look, rows), finish(files))
}

fn state(state: State) -> Cell {
    let cell = Cell::new(state.name());
    match state {
        State::Serving => cell.fg(Color::Green),
        State::Quarantined | State::Unreadable => cell.fg(Color::Red),
        State::Rejected | State::Incomplete => cell.fg(Color::Yellow),
        State::Releasing => cell.fg(Color::Cyan),
        State::Released | State::Uploaded => cell,
    }
}

fn size(bytes: u64) -> String {
    ByteSize::bytes(bytes).to_string()
}

fn metrics(metrics: &BTreeMap<String, f64>) -> String {
    if metrics.is_empty() {
        return "-".to_owned();
    }
    let each: Vec<_> = metrics.iter().map(|(name, value)| format!("{name} {value}")).collect();
    each.join(", ")
}

/// What every replica and the cache have, and whether that is what was promoted last.
pub(crate) fn verified(target: &TargetName, verified: &Verified, look: Look) -> String {
    let mut table = table(look);
    table.set_header(header(["PLACE", "SERVES", "", "ALSO"]));
    for finding in &verified.findings {
        let (word, colour) =
            if finding.right { ("ok", Color::Green) } else { ("WRONG", Color::Red) };
        table.add_row([
            Cell::new(&finding.place),
            Cell::new(finding.found.as_deref().unwrap_or("nothing")),
            Cell::new(word).fg(colour),
            Cell::new(&finding.more),
        ]);
    }
    let promoted = match &verified.promoted {
        Some(version) => format!("Perch promoted model {version}"),
        None => "Perch promoted no model yet".to_owned(),
    };
    let wrong = verified.findings.iter().filter(|finding| !finding.right).count();
    let end = match (verified.equal, wrong) {
        (true, _) => "all are equal".to_owned(),
        (false, 0) => format!("no replica of {target} was found"),
        (false, wrong) if let Some(release) = &verified.under_way => format!(
            "{wrong} of {} differ, and release {release} is under way; look again when it has ended",
            verified.findings.len()
        ),
        (false, wrong) => format!(
            "{wrong} of {} differ; `perch model rollback {target} --to VERSION --reason TEXT` brings all to \
             one version",
            verified.findings.len()
        ),
    };
    format!("{}\n{promoted}; {end}", finish(table))
}
