//! Measures the judge and writes the tables and plots of docs/judge.md: `make judge-report`.
//!
//! `judge-report [DOCS [TRACES]]`: the folder of judge.md, and how many canaries a row has.

mod buckets;
mod measure;
mod page;
mod plots;

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let docs = PathBuf::from(arguments.next().unwrap_or_else(|| "docs".to_owned()));
    let traces = arguments.next().map_or(Ok(2000), |n| n.parse())?;
    std::fs::create_dir_all(docs.join("judge"))?;
    let sets = measure::sets(traces);
    let levels = measure::levels(2 * traces);
    let fine = buckets::compare(traces.min(1000));
    plots::draw(&docs.join("judge"), &sets, &fine)?;
    page::write(&docs.join("judge.md"), traces, &sets, &levels, &fine)?;
    Ok(())
}
