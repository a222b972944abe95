//! Rules side by side on rows of the benchmark, one line per row; for work on the method.
//!
//! `bench SETS TRACES [FILTER [SEED]]`: sets by their names with commas between, or `all`; only rows whose
//! scenario has the filter in its name; what is added to the seeds of the sets.

#![allow(clippy::print_stdout, reason = "this is a command")]

use std::fmt::Write as _;

use perch_core::judge::sequential::Method;
use perch_lab::bench::{Rule, run_row};
use perch_lab::grid::Set;
use perch_lab::judged::Judged;
use perch_lab::peers::Peer;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let wanted = arguments.first().map_or("tuned", String::as_str);
    let traces = arguments.get(1).and_then(|n| n.parse().ok()).unwrap_or(500);
    let filter = arguments.get(2).cloned().unwrap_or_default();
    let fresh: u64 = arguments.get(3).and_then(|n| n.parse().ok()).unwrap_or(0);
    let judges = candidates();
    let mut rules = Peer::ALL.each_ref().map(|peer| peer as &dyn Rule).to_vec();
    rules.extend(judges.iter().map(|judge| judge as &dyn Rule));
    let names: Vec<&str> = rules.iter().map(|rule| rule.name()).collect();
    println!("scenario | req/s | base | weight | truth | {}", names.join(" | "));
    for set in Set::ALL {
        if wanted != "all" && !wanted.split(',').any(|name| name == set.name()) {
            continue;
        }
        println!("# {} ({traces} traces)", set.name());
        for (index, row) in set.rows().iter().enumerate() {
            if !row.scenario.name().contains(&filter) {
                continue;
            }
            let result = run_row(row, &rules, traces, set.seed(index) + fresh);
            let truth = if result.bad { "bad" } else { "ok" };
            let mut line = format!(
                "{} | {} | {} | {} | {truth}",
                result.scenario, result.requests_per_second, result.base_error_rate, result.weight,
            );
            for m in result.rules {
                let at = m.rollback_minute.map_or(String::new(), |minute| format!("@{minute}"));
                let _ = write!(
                    line,
                    " | {:.1}{at} ({:.0}@{})",
                    m.rolled_back, m.promoted, m.promote_minute
                );
            }
            println!("{line}");
            if row.scenario.name().ends_with("+20%") && row.volume.rps >= 100.0 {
                for judge in &judges {
                    let ends = (0..traces).filter(|n| {
                        judge
                            .end(&row.trace(set.seed(index) + fresh, *n))
                            .rollback
                            .is_some_and(|at| at <= 6)
                    });
                    println!(
                        "   {} by minute 6: {:.1}",
                        judge.name,
                        100.0 * ends.count() as f64 / traces as f64
                    );
                }
            }
        }
    }
}

/// The methods to compare.
fn candidates() -> Vec<Judged> {
    vec![
        Judged::new("published", Method::published()),
        Judged::new("normal", Method::normal()),
        Judged::new("strict", Method::strict()),
        Judged::new("lenient", Method::lenient()),
    ]
}
