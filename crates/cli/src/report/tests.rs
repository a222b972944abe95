//! The page: whole, closed in itself, and true to the record.

use perch_core::judge::sequential::{Cell, Intervals, Signal};
use perch_core::phase::RollbackCause;
use perch_core::target::Rule;
use perch_testkit::at;
use roxmltree::{Document, Node, ParsingOptions};

use super::series::Series;
use super::*;
use crate::render::text::odds;
use crate::scenes::Scene;
use crate::scenes::judged::{self, Judged};

fn written(judged: &Judged) -> String {
    let now = judged.journal.last().map_or(at(0), |entry| entry.at);
    page(&judged.release, judged.journal.clone(), now).unwrap()
}

/// The page as XML, which is stricter than HTML: each tag is closed, each name is escaped.
fn parsed(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).unwrap()
}

fn named<'a>(document: &'a Document<'_>, tag: &str) -> Vec<Node<'a, 'a>> {
    document.descendants().filter(|node| node.has_tag_name(tag)).collect()
}

fn text(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|node| node.text()).collect()
}

/// The rows of the table whose caption begins like this.
fn rows(document: &Document<'_>, caption: &str) -> Vec<Vec<String>> {
    let tables = named(document, "table");
    let is_it = |table: &&Node<'_, '_>| {
        let found = table.children().find(|node| node.has_tag_name("caption"));
        found.is_some_and(|found| text(found).starts_with(caption))
    };
    let table = tables.iter().find(is_it).unwrap();
    let rows = table.descendants().filter(|node| node.has_tag_name("tr"));
    let cells = |row: Node<'_, '_>| -> Vec<String> {
        row.children().filter(|node| node.has_tag_name("td")).map(text).collect()
    };
    rows.map(cells).filter(|cells| !cells.is_empty()).collect()
}

fn titles(document: &Document<'_>) -> Vec<String> {
    named(document, "h3").into_iter().map(text).collect()
}

const USUAL: [&str; 6] = [
    "Failed requests, percent",
    "Error ratio, canary to baseline",
    "Evidence against the canary, N to one",
    "Evidence for the promise, N to one",
    "Slow requests, percent",
    "Weight of the canary, percent of traffic",
];

fn without_judging() -> Judged {
    let scene = Scene::rolled_back();
    let mut release = scene.world.release(&scene.id);
    release.plan.judge.rule = Rule::Thresholds;
    Judged { release, journal: scene.world.journal(&scene.id) }
}

fn without_looks() -> Judged {
    let scene = Scene::pushed();
    let release = scene.world.release(&scene.id);
    Judged { release, journal: scene.world.journal(&scene.id) }
}

#[test]
fn every_page_is_well_formed_and_loads_nothing() {
    for judged in [
        judged::healthy(),
        judged::failing(),
        judged::slow_canary(),
        judged::undecided(),
        judged::unsure(),
        judged::long(),
        without_judging(),
        without_looks(),
    ] {
        let page = written(&judged);
        let document = parsed(&page);
        for tag in ["script", "link", "img", "iframe", "object", "image", "use"] {
            assert!(named(&document, tag).is_empty(), "{tag}");
        }
        for node in document.descendants() {
            for attribute in node.attributes() {
                let name = attribute.name();
                assert!(!["src", "srcset", "href", "action", "data"].contains(&name), "{name}");
                assert!(!name.starts_with("on"), "{name}");
            }
        }
        for reference in ["http://", "https://", "url(", "@import"] {
            assert!(!page.contains(reference), "{reference}");
        }
        for drawing in named(&document, "svg") {
            assert_eq!(drawing.attribute("role"), Some("img"));
            let title = drawing.children().find(|node| node.has_tag_name("title")).unwrap();
            assert_eq!(Some(text(title).as_str()), drawing.attribute("aria-label"));
            assert!(!drawing.attribute("aria-label").unwrap().is_empty());
        }
    }
}

#[test]
fn every_plot_is_there() {
    for judged in [judged::healthy(), judged::failing(), judged::undecided(), judged::long()] {
        let page = written(&judged);
        assert_eq!(titles(&parsed(&page)), USUAL);
        assert_eq!(page.matches("<svg ").count(), USUAL.len());
    }
    let page = written(&judged::unsure());
    let custom = titles(&parsed(&page));
    assert!(custom.contains(&"Signal “unsure answers”, percent".to_owned()), "{custom:?}");
}

#[test]
fn what_has_no_evidence_says_so_and_shows_the_weight() {
    let page = written(&without_judging());
    assert!(page.contains("rule: thresholds keeps no evidence of this kind"));
    assert_eq!(titles(&parsed(&page)), [USUAL[5]]);
    // The readings of the looks are there all the same.
    let document = parsed(&page);
    let looks = rows(&document, "Looks");
    assert_eq!(looks.last().unwrap()[1], "31 of 207 (15.0%)");

    let page = written(&without_looks());
    assert!(page.contains("Not started: no traffic has moved"));
    assert!(page.contains("No look has been taken."));
    assert_eq!(titles(&parsed(&page)), [USUAL[5]]);
}

#[test]
fn the_headline_is_the_verdict() {
    for (judged, begins) in [
        (judged::healthy(), "Promoted: 10 of 8975 canary requests failed; shown in 7.0 minutes"),
        (judged::failing(), "Rolled back: judged Fail: failed: 17 of 1806 canary requests"),
        (judged::undecided(), "In flight, canary at 50%. Newest look: Inconclusive: "),
    ] {
        let page = written(&judged);
        let document = parsed(&page);
        let headline = document.descendants().find(|node| {
            node.attribute("class").is_some_and(|class| class.starts_with("headline"))
        });
        let headline = text(headline.unwrap());
        let words = headline.split_once(' ').unwrap().1;
        assert!(words.starts_with(begins), "{headline}");
    }
}

#[test]
fn the_tables_have_the_numbers_of_the_record() {
    let judged = judged::failing();
    let page = written(&judged);
    let document = parsed(&page);
    let looks: Vec<_> = judged
        .journal
        .iter()
        .filter_map(|entry| entry.evidence.as_ref()?.look.as_deref())
        .collect();
    let shown = rows(&document, "Looks");
    assert_eq!(shown.len(), looks.len());
    for (row, look) in shown.iter().zip(&looks) {
        let errors = &look.signals[0];
        assert_eq!(row[3], look.buckets.to_string());
        let (events, of) = errors.canary;
        assert!(row[1].starts_with(&format!("{events} of {of} (")), "{row:?}");
        let (events, of) = errors.baseline;
        assert!(row[2].starts_with(&format!("{events} of {of} (")), "{row:?}");
        assert_eq!(row[5], odds(look.gated.unwrap()));
        assert_eq!(row[6], odds(look.corroborated.unwrap()));
    }
    let last = looks.last().unwrap();
    let signals = rows(&document, "Signals at");
    assert_eq!(signals.len(), last.signals.len());
    for (row, signal) in signals.iter().zip(&last.signals) {
        assert_eq!(row[0], signal.signal.to_string());
        assert_eq!(row[3], odds(signal.evidence));
        assert_eq!(row[6], format!("{:.2}", signal.dispersion));
    }
    assert_eq!(rows(&document, "Journal").len(), judged.journal.len());
}

#[test]
fn the_points_lie_where_the_record_has_them() {
    let judged = judged::failing();
    let page = written(&judged);
    let document = parsed(&page);
    // Circles are the canary's; the baseline has triangles.
    let circles: Vec<f64> = named(&document, "svg")[0]
        .descendants()
        .filter(|node| node.has_tag_name("circle"))
        .map(|node| node.attribute("cy").unwrap().parse().unwrap())
        .collect();
    let observed = &judged.release.judging.as_ref().unwrap().observed;
    let rates: Vec<f64> = observed
        .iter()
        .map(|seen| seen.bucket.canary.errors / seen.bucket.canary.requests)
        .collect();
    assert_eq!(circles.len(), rates.len());
    // The axis is linear and begins at 0: heights above the lowest mark go with the rates.
    let texts = named(&document, "svg")[0].descendants().filter(|n| n.has_tag_name("text"));
    let zero = texts.into_iter().find(|node| text(*node).trim() == "0%").unwrap();
    let zero: f64 = zero.attribute("y").unwrap().parse().unwrap();
    let unit = (zero - circles[0]) / rates[0];
    for (circle, rate) in circles.iter().zip(&rates) {
        assert!((zero - circle - unit * rate).abs() <= 4.0, "{circle} {rate}");
    }
}

#[test]
fn the_interval_is_the_confidence_sequence_of_the_record() {
    let judged = judged::healthy();
    let series = Series::of(&judged.release, &judged.journal).unwrap();
    let method = method(&judged.release);
    let ratios = series.ratios(&method);
    let judging = judged.release.judging.as_ref().unwrap();
    assert_eq!(ratios.len(), judging.observed.len());
    let mut dispersion = judging.basis.error_prior(&method);
    let mut cells = Vec::new();
    for (index, (seen, ratio)) in judging.observed.iter().zip(&ratios).enumerate() {
        let counts = &seen.bucket;
        let cell = Cell {
            canary: counts.canary.errors,
            canary_of: counts.canary.requests,
            baseline: counts.baseline.errors,
            baseline_of: counts.baseline.requests,
        };
        cells.push((cell, dispersion));
        assert_eq!(ratio.interval, Intervals::of(&cells).ratio, "bucket {index}");
        let look = series.looks[index].1;
        let errors = look.signals.iter().find(|signal| signal.signal == Signal::Errors);
        dispersion = errors.unwrap().dispersion;
    }
    let last = ratios.last().unwrap();
    assert!(last.interval.low.unwrap() < last.estimate.unwrap());
    assert!(last.interval.high.unwrap() > last.estimate.unwrap());
}

#[test]
fn names_of_any_length_and_signs_are_text() {
    let mut judged = judged::unsure();
    let name = format!("<b>&\"{}", "very-".repeat(60));
    judged.release.target = "n".repeat(40).parse().unwrap();
    judged.release.judging.as_mut().unwrap().basis.custom[0].name.clone_from(&name);
    for entry in &mut judged.journal {
        entry.cause = format!("{name}: {}", entry.cause);
        let look = entry.evidence.as_mut().and_then(|evidence| evidence.look.as_mut());
        for signal in look.into_iter().flat_map(|look| &mut look.signals) {
            if matches!(signal.signal, Signal::Custom(_)) {
                signal.signal = Signal::Custom(name.clone());
            }
        }
    }
    let page = written(&judged);
    let document = parsed(&page);
    assert!(named(&document, "b").iter().all(|node| node.attribute("aria-hidden").is_some()));
    assert!(titles(&document).contains(&format!("Signal “{name}”, percent")));
}

#[test]
fn hours_of_buckets_stay_readable() {
    let judged = judged::long();
    let observed = &judged.release.judging.as_ref().unwrap().observed;
    assert_eq!(observed.len(), 240);
    let page = written(&judged);
    let document = parsed(&page);
    assert_eq!(rows(&document, "Looks").len(), 240);
    assert!(page.contains("Each point is of 60 s."));
    let series = Series::of(&judged.release, &judged.journal).unwrap();
    let [canary, _] = series.errors();
    assert_eq!(canary.len(), 40);
    // A point is the sum of its buckets, not the mean of their rates.
    let minute = &observed[..6];
    let sum = |of: fn(&perch_core::judge::sequential::Counts) -> f64| {
        minute.iter().map(|seen| of(&seen.bucket.canary)).sum::<f64>()
    };
    assert_eq!(canary[0].1, Some(100.0 * sum(|c| c.errors) / sum(|c| c.requests)));
    assert!(page.len() < 400_000, "{}", page.len());
}

#[test]
fn every_decision_is_marked_on_the_weight() {
    let judged = judged::healthy();
    let page = written(&judged);
    let document = parsed(&page);
    let list: Vec<String> = named(&document, "ol")[0]
        .children()
        .filter(|node| node.has_tag_name("li"))
        .map(|node| text(node).split(':').nth(2).unwrap()[3..].to_owned())
        .collect();
    let expected =
        ["WeightShifted", "WeightShifted", "PromotionDecided", "CanaryPromoted", "ReleasePromoted"];
    assert_eq!(list, expected);
    let weights = super::series::weights(&judged.release, &judged.journal);
    let percents: Vec<u8> = weights.iter().map(|(_, weight)| weight.percent()).collect();
    assert_eq!(percents, [0, 10, 50, 100]);
}

#[test]
fn a_rollback_by_a_guard_names_the_guard() {
    let mut judged = judged::undecided();
    let alarm = "news-errors".parse().unwrap();
    let cause = RollbackCause::Alarm { alarm, reason: "4 datapoints".to_owned() };
    judged.release.phase = Phase::RolledBack { cause };
    let page = written(&judged);
    let document = parsed(&page);
    let reasons = named(&document, "ul").into_iter().map(text).next().unwrap();
    assert!(reasons.contains("news-errors"), "{reasons}");
    assert!(!reasons.contains("too few"), "{reasons}");
}
