//! `perch report ID --html`

use perch_testkit::{World, at};

use super::{printed, printed_as, try_printed, typed};
use crate::args::looks::Report;
use crate::args::{Command, Format};
use crate::commands::report;
use crate::failure::Missing;
use crate::scenes::Scene;

fn arguments(words: &[&str]) -> Report {
    match typed(words) {
        Command::Report(args) => args,
        other => panic!("{other:?}"),
    }
}

/// A folder that is gone after the test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("perch-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_report_is_written_where_it_says() {
    let scene = Scene::rolled_back();
    let (store, id) = (&scene.world.store, scene.id.as_str());
    let folder = Folder::new("report");
    let path = folder.0.join("page.html");
    let file = path.to_str().unwrap();
    let args = arguments(&["report", id, "--html", "-f", file]);
    let said = printed(async |console| report::run(store, &args, at(600), console).await);
    assert_eq!(said.trim_end(), file);
    let page = std::fs::read_to_string(&path).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>"));
    assert!(page.contains(id));

    let said =
        printed_as(Format::Json, async |console| report::run(store, &args, at(600), console).await);
    let said: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(said, serde_json::json!({ "file": file }));

    let args = arguments(&["report", id, "--html", "--file", "-"]);
    let printed = printed(async |console| report::run(store, &args, at(600), console).await);
    assert_eq!(printed.trim_end(), page.trim_end());
}

#[test]
fn a_report_that_can_not_be_written_says_where() {
    let scene = Scene::rolled_back();
    let folder = Folder::new("no-report");
    let file = folder.0.join("missing/page.html");
    let args = arguments(&["report", scene.id.as_str(), "--html", "-f", file.to_str().unwrap()]);
    let error = try_printed(Format::Table, async |console| {
        report::run(&scene.world.store, &args, at(600), console).await
    });
    let error = error.unwrap_err().to_string();
    assert_eq!(error, format!("can't write {}", file.display()));
}

#[test]
fn a_report_of_nothing_is_not_found() {
    let world = World::usual();
    let args = arguments(&["report", "none", "--html"]);
    let error = try_printed(Format::Table, async |console| {
        report::run(&world.store, &args, at(0), console).await
    });
    assert!(error.unwrap_err().is::<Missing>());
}
