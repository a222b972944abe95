//! What `perch explain` answers and `perch doctor` finds: a mark, sentences, and commands that can be
//! copied from a line of their own.

use perch_app::doctor::{Finding, Outcome};
use perch_app::explain::Answer;

use super::text::{stamp, wrap};
use crate::console::Look;

/// The width of texts where no terminal says one.
const WIDTH: usize = 100;

/// Names of what stands on a line.
const NAMES: usize = 6;

/// Answers, the most important first.
pub(crate) fn answers(answers: &[Answer], look: Look) -> String {
    answers.iter().map(|answer| block(answer, look)).collect::<Vec<_>>().join("\n\n")
}

fn block(answer: &Answer, look: Look) -> String {
    let target = answer.target.as_ref().map(|target| format!("target {target}"));
    let at = answer.at.map(stamp);
    let title: Vec<String> = target.into_iter().chain(at).collect();
    let mut lines = Vec::new();
    if !title.is_empty() {
        lines.push(dim(&title.join(", "), look));
    }
    let mut what = sentences(&answer.what, 0, look);
    if let (Some(first), true) = (what.first_mut(), look.colour) {
        *first = format!("\u{1b}[1m{first}\u{1b}[0m");
    }
    lines.extend(what);
    lines.extend(named("why", &sentences(&answer.why, NAMES, look), look));
    // Commands stay on one line each: they are copied.
    lines.extend(named("do", &answer.todo, look));
    lines.join("\n")
}

fn named(name: &str, texts: &[String], look: Look) -> Vec<String> {
    let name = |row: usize| if row == 0 { name } else { "" };
    texts
        .iter()
        .enumerate()
        .map(|(row, text)| format!("{}{text}", dim(&format!("{:<NAMES$}", name(row)), look)))
        .collect()
}

fn sentences(text: &str, indent: usize, look: Look) -> Vec<String> {
    wrap(text, look.width.map_or(WIDTH, usize::from).saturating_sub(indent))
}

fn dim(text: &str, look: Look) -> String {
    if look.colour { format!("\u{1b}[2m{text}\u{1b}[0m") } else { text.to_owned() }
}

/// Findings by target; without `all` those that are ok are only counted.
pub(crate) fn findings(findings: &[Finding], all: bool, look: Look) -> String {
    let mut blocks = Vec::new();
    let mut rest = findings;
    while let Some(first) = rest.first() {
        let count = rest.iter().take_while(|finding| finding.target == first.target).count();
        let (own, others) = rest.split_at(count);
        let name = first
            .target
            .as_ref()
            .map_or_else(|| "installation".to_owned(), |t| format!("target {t}"));
        if let Some(text) = group(&name, own, all, look) {
            blocks.push(text);
        }
        rest = others;
    }
    blocks.push(summary(findings, all));
    blocks.join("\n\n")
}

fn group(name: &str, findings: &[Finding], all: bool, look: Look) -> Option<String> {
    let shown: Vec<&Finding> =
        findings.iter().filter(|finding| all || finding.result != Outcome::Ok).collect();
    if shown.is_empty() {
        return None;
    }
    let mut lines = vec![dim(name, look)];
    for finding in shown {
        lines.extend(finding_lines(finding, look));
    }
    Some(lines.join("\n"))
}

fn finding_lines(finding: &Finding, look: Look) -> Vec<String> {
    const RESULT: usize = 9;
    const CHECK: usize = 13;
    let indent = RESULT + CHECK;
    let width = look.width.map_or(WIDTH, usize::from).saturating_sub(indent);
    let result = match finding.result {
        Outcome::Ok => "ok",
        Outcome::Warning => "warning",
        Outcome::Problem => "problem",
    };
    let colour = match finding.result {
        Outcome::Ok => 32,
        Outcome::Warning => 33,
        Outcome::Problem => 31,
    };
    let result = format!("{result:<RESULT$}");
    let result = if look.colour { format!("\u{1b}[{colour}m{result}\u{1b}[0m") } else { result };
    let mut lines = Vec::new();
    for (row, text) in wrap(&finding.text, width).into_iter().enumerate() {
        lines.push(match row {
            0 => format!("{result}{:<CHECK$}{text}", finding.check),
            _ => format!("{:indent$}{text}", ""),
        });
    }
    lines.extend(finding.commands.iter().map(|command| format!("  $ {command}")));
    lines
}

fn summary(findings: &[Finding], all: bool) -> String {
    let count = |result| findings.iter().filter(|finding| finding.result == result).count();
    let [ok, warnings, problems] = [Outcome::Ok, Outcome::Warning, Outcome::Problem].map(count);
    let plural =
        |count: usize, name: &str| format!("{count} {name}{}", if count == 1 { "" } else { "s" });
    let more = if all || ok == 0 { "" } else { "; --verbose shows the others" };
    format!(
        "{}: {}, {}, {ok} ok{more}",
        plural(findings.len(), "check"),
        plural(problems, "problem"),
        plural(warnings, "warning"),
    )
}
