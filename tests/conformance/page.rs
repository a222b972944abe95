//! `docs/conformance.md` names every scenario, and no other.

use std::collections::BTreeSet;

use perch_tests::{sources, text};

/// The names of the tests with a clock and state machines: the scenarios.
fn scenarios() -> BTreeSet<String> {
    tests_in("tests/conformance")
}

/// The names of the tests in the files of a folder.
fn tests_in(folder: &str) -> BTreeSet<String> {
    let modules = sources(folder).into_iter().map(text);
    let names = |source: String| -> Vec<String> {
        let functions = source.split("#[tokio::test]\nasync fn ").skip(1);
        functions.filter_map(|function| Some(function.split_once('(')?.0.to_owned())).collect()
    };
    modules.flat_map(names).collect()
}

/// The rows of the tables that name scenarios, as cells.
fn rows(page: &str) -> Vec<Vec<String>> {
    let (played, _) = page.split_once("## Comes with later work").unwrap();
    let rows = played.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = |row: &str| row.split(" | ").map(str::to_owned).collect();
    rows.map(cells).filter(|cells: &Vec<String>| cells[0] != "report").collect()
}

#[test]
fn the_page_and_the_scenarios_are_the_same() {
    let rows = rows(&text("docs/conformance.md"));
    let scenarios = scenarios();
    assert!(scenarios.len() > 50, "the scenarios are found");
    let name = |row: &Vec<String>| row[3].trim_matches('`').to_owned();
    let named: BTreeSet<String> = rows.iter().map(name).collect();
    // What depends on a server's own behaviour is tried on the real one.
    let servers = tests_in("crates/serving/tests/live");
    let known: BTreeSet<String> = scenarios.union(&servers).cloned().collect();
    assert!(servers.len() > 30, "the tests of the servers are found");
    assert_eq!(named.difference(&known).collect::<Vec<_>>(), [""; 0], "named, but no test");
    assert_eq!(scenarios.difference(&named).collect::<Vec<_>>(), [""; 0], "not on the page");
}

#[test]
fn every_row_links_a_report_and_says_what_happens_here() {
    for row in rows(&text("docs/conformance.md")) {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(row[0].starts_with('[') && row[0].contains("](https://"), "{row:?}");
        assert!(row[1].ends_with(['.', '?']) && row[2].ends_with('.'), "{row:?}");
        assert!(row[3].starts_with('`') && row[3].ends_with('`'), "{row:?}");
        // The number of a linked report stands in the scenario's name.
        let numbers: Vec<&str> = row[3].split('_').filter(|w| w.parse::<u32>().is_ok()).collect();
        for number in numbers {
            assert!(row[0].contains(number), "{row:?}");
        }
    }
}
