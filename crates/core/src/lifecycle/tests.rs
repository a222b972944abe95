//! The examples of the Amazon ECR User Guide, "Examples of lifecycle policies", and the edges between.

use serde_json::json;

use super::*;

const DAY: i64 = 86_400;

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn days_ago(days: i64) -> Timestamp {
    now().saturating_sub(SignedDuration::from_secs(days * DAY)).unwrap()
}

fn digest(name: &str) -> Digest {
    let hex = name.to_lowercase().repeat(64);
    format!("sha256:{hex}").parse().unwrap()
}

/// An image with a one-letter name, its tags and its age in days.
fn image((name, tags, age): &(&str, &[&str], i64)) -> Image {
    Image {
        digest: digest(name),
        tags: tags.iter().map(|tag| (*tag).to_owned()).collect(),
        pushed_at: days_ago(*age),
        pulled_at: None,
        archived: false,
    }
}

/// A rule as it is written, without its action.
fn policy(selections: &[serde_json::Value]) -> Policy {
    let rules: Vec<_> = selections
        .iter()
        .enumerate()
        .map(|(index, selection)| {
            json!({
                "rulePriority": index + 1,
                "description": format!("Rule {}", index + 1),
                "selection": selection,
                "action": { "type": "expire" },
            })
        })
        .collect();
    serde_json::from_value(json!({ "rules": rules })).unwrap()
}

/// The names of the images that are due, each with the priority of its rule.
fn due(policy: &Policy, images: &[(&str, &[&str], i64)]) -> Vec<(String, u32)> {
    let all: Vec<Image> = images.iter().map(image).collect();
    let names = images.iter().map(|(name, ..)| (*name).to_owned());
    names
        .filter_map(|name| match policy.expiry(&digest(&name), &all, now())? {
            (rule, Expiry::Due) => Some((name, rule.priority)),
            _ => None,
        })
        .collect()
}

fn taken(names: &[(&str, u32)]) -> Vec<(String, u32)> {
    names.iter().map(|(name, rule)| ((*name).to_owned(), *rule)).collect()
}

#[test]
fn filtering_on_image_age() {
    let policy = policy(&[json!({
        "tagStatus": "tagged", "tagPatternList": ["prod*"],
        "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14,
    })]);
    let images: &[(&str, &[&str], i64)] =
        &[("A", &["prod-1"], 15), ("B", &["prod-2"], 13), ("C", &["beta-1"], 15), ("D", &[], 15)];
    assert_eq!(due(&policy, images), taken(&[("A", 1)]));
}

#[test]
fn filtering_on_image_count() {
    let policy = policy(&[
        json!({ "tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 1 }),
    ]);
    let images: &[(&str, &[&str], i64)] =
        &[("A", &[], 3), ("B", &[], 2), ("C", &[], 1), ("D", &["v1"], 9)];
    assert_eq!(due(&policy, images), taken(&[("A", 1), ("B", 1)]));
}

const THREE: &[(&str, &[&str], i64)] =
    &[("A", &["beta-1", "prod-1"], 10), ("B", &["beta-2", "prod-2"], 9), ("C", &["beta-3"], 8)];

fn keep_one(prefixes: &[&str]) -> serde_json::Value {
    json!({
        "tagStatus": "tagged", "tagPrefixList": prefixes,
        "countType": "imageCountMoreThan", "countNumber": 1,
    })
}

#[test]
fn multiple_rules_example_a() {
    let policy = policy(&[keep_one(&["prod"]), keep_one(&["beta"])]);
    assert_eq!(due(&policy, THREE), taken(&[("A", 1)]));
}

#[test]
fn multiple_rules_example_b() {
    let policy = policy(&[keep_one(&["beta"]), keep_one(&["prod"])]);
    assert_eq!(due(&policy, THREE), taken(&[("A", 1), ("B", 1)]));
}

#[test]
fn priority_counts_and_not_the_place_in_the_text() {
    let text = json!({ "rules": [
        { "rulePriority": 20, "selection": keep_one(&["beta"]), "action": { "type": "expire" } },
        { "rulePriority": 10, "selection": keep_one(&["prod"]), "action": { "type": "expire" } },
    ]});
    let policy: Policy = serde_json::from_value(text).unwrap();
    assert_eq!(due(&policy, THREE), taken(&[("A", 10)]));
}

#[test]
fn multiple_tags_in_a_single_rule_example_a() {
    let policy = policy(&[json!({
        "tagStatus": "tagged", "tagPrefixList": ["alpha", "beta"],
        "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 5,
    })]);
    let images: &[(&str, &[&str], i64)] = &[
        ("A", &["alpha-1"], 12),
        ("B", &["beta-1"], 11),
        ("C", &["alpha-2", "beta-2"], 10),
        ("D", &["alpha-3"], 4),
        ("E", &["beta-3"], 3),
        ("F", &["alpha-4", "beta-4"], 2),
    ];
    assert_eq!(due(&policy, images), taken(&[("C", 1)]));
}

#[test]
fn multiple_tags_in_a_single_rule_example_b() {
    let images: &[(&str, &[&str], i64)] = &[
        ("A", &["alpha-1", "beta-1", "gamma-1"], 10),
        ("B", &["alpha-2", "beta-2"], 9),
        ("C", &["alpha-3", "beta-3", "gamma-2"], 8),
    ];
    let rule = policy(&[keep_one(&["alpha", "beta"])]);
    assert_eq!(due(&rule, images), taken(&[("A", 1), ("B", 1)]));
    let mut patterns = keep_one(&[]);
    patterns["tagPatternList"] = json!(["alpha*", "beta*"]);
    assert_eq!(due(&policy(&[patterns]), images), taken(&[("A", 1), ("B", 1)]));
}

#[test]
fn any_comes_last_and_takes_what_no_rule_before_it_matched() {
    let mut keep = keep_one(&["prod"]);
    keep["countNumber"] = json!(100);
    let any = json!({ "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1 });
    let images: &[(&str, &[&str], i64)] =
        &[("A", &["prod-1"], 4), ("B", &["beta-1"], 3), ("C", &[], 2), ("D", &["beta-2"], 1)];
    assert_eq!(due(&policy(&[keep, any]), images), taken(&[("B", 2), ("C", 2)]));
}

#[test]
fn what_is_not_due_has_its_time_or_its_count() {
    let images = [image(&("A", &["v1"], 10)), image(&("B", &["v2"], 2))];
    let rule = |selection| policy(&[selection]);
    let age = rule(json!({
        "tagStatus": "any", "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 14,
    }));
    let expected = Expiry::At { at: days_ago(-4) };
    assert_eq!(age.expiry(&digest("A"), &images, now()).unwrap().1, expected);
    let count = rule(json!({
        "tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 10,
    }));
    let found = |name| count.expiry(&digest(name), &images, now()).unwrap().1;
    assert_eq!(found("A"), Expiry::AfterPushes { count: 9 });
    assert_eq!(found("B"), Expiry::AfterPushes { count: 10 });
    assert_eq!(count.expiry(&digest("C"), &images, now()), None, "not in the repository");
}

#[test]
fn a_pull_keeps_an_image_where_the_rule_counts_pulls() {
    let rule = policy(&[json!({
        "tagStatus": "any", "countType": "sinceImagePulled", "countUnit": "days", "countNumber": 7,
    })]);
    let never = image(&("A", &["v1"], 10));
    let pulled = Image { pulled_at: Some(days_ago(1)), ..image(&("B", &["v2"], 10)) };
    let images = [never, pulled];
    let found = |name| rule.expiry(&digest(name), &images, now()).unwrap().1;
    assert_eq!(found("A"), Expiry::Due, "its push counts instead");
    assert_eq!(found("B"), Expiry::At { at: days_ago(-6) });
}

#[test]
fn archiving_is_no_deletion_and_unknown_counts_are_said_to_be_unknown() {
    let text = json!({ "rules": [{
        "rulePriority": 1,
        "selection": { "tagStatus": "any", "storageClass": "standard",
            "countType": "sinceImagePushed", "countUnit": "days", "countNumber": 1 },
        "action": { "type": "transition", "targetStorageClass": "archive" },
    }]});
    let archiving: Policy = serde_json::from_value(text).unwrap();
    let images = [image(&("A", &["v1"], 2))];
    let (rule, expiry) = archiving.expiry(&digest("A"), &images, now()).unwrap();
    assert_eq!((rule.verb(), expiry), ("archive", Expiry::Due));
    let unknown =
        policy(&[json!({ "tagStatus": "any", "countType": "sinceNewMoon", "countNumber": 1 })]);
    assert_eq!(unknown.expiry(&digest("A"), &images, now()).unwrap().1, Expiry::Unknown);
    let archived = [Image { archived: true, ..images[0].clone() }];
    assert_eq!(archiving.expiry(&digest("A"), &archived, now()), None);
}
