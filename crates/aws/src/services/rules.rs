//! How the rules of a listener split traffic between two target groups.

use aws_sdk_elasticloadbalancingv2::Client;
use aws_sdk_elasticloadbalancingv2::types::{Action, ActionTypeEnum, Rule};
use perch_app::ports::PortError;
use perch_core::weight::Weight;

use crate::error::port_error;

/// The rules of a listener, with its default action as the last one; in a few pages at most.
pub(super) async fn of_listener(client: &Client, listener: &str) -> Result<Vec<Rule>, PortError> {
    let mut rules = client.describe_rules().listener_arn(listener).into_paginator().items().send();
    let mut found = Vec::new();
    while let Some(rule) = rules.next().await {
        found.push(rule.map_err(|e| port_error(format!("listener {listener}"), e))?);
    }
    Ok(found)
}

/// One rule.
pub(super) async fn one(client: &Client, rule: &str) -> Result<Vec<Rule>, PortError> {
    let found = client.describe_rules().rule_arns(rule).send().await;
    let found = found.map_err(|e| port_error(format!("listener rule {rule}"), e))?;
    Ok(found.rules.unwrap_or_default())
}

/// The target groups of a rule that answers by sending on, and their weights.
fn weights(rule: &Rule) -> Vec<(&str, f64)> {
    let sends_on = |action: &&Action| action.r#type() == Some(&ActionTypeEnum::Forward);
    let Some(action) = rule.actions().iter().rev().find(sends_on) else { return Vec::new() };
    let tuples = action.forward_config().map(|config| config.target_groups()).unwrap_or_default();
    if tuples.is_empty() {
        return action.target_group_arn().map(|group| (group, 1.0)).into_iter().collect();
    }
    let weight = |weight: Option<i32>| f64::from(weight.unwrap_or(1));
    tuples
        .iter()
        .filter_map(|tuple| Some((tuple.target_group_arn()?, weight(tuple.weight()))))
        .collect()
}

/// The groups with traffic by those of the rules that name one of `pair`, the most first; nothing where no
/// rule does. Rules that are changed one after the other count equally.
pub(super) fn shares(rules: &[Rule], pair: &[String; 2]) -> Option<Vec<(String, Weight)>> {
    let mut sums: Vec<(String, f64)> = Vec::new();
    let mut count = 0.0;
    for weights in rules.iter().map(weights) {
        if !weights.iter().any(|(group, _)| pair.iter().any(|of| of == group)) {
            continue;
        }
        count += 1.0;
        let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
        for (group, weight) in weights.into_iter().filter(|(_, weight)| *weight > 0.0) {
            match sums.iter_mut().find(|(known, _)| known == group) {
                Some((_, sum)) => *sum += weight / total,
                None => sums.push((group.to_owned(), weight / total)),
            }
        }
    }
    sums.sort_by(|one, other| other.1.total_cmp(&one.1));
    let shares = sums.into_iter().map(|(group, sum)| (group, share(100.0 * sum / count)));
    (count > 0.0).then(|| shares.collect())
}

/// In whole percent; what is not all or nothing does not become it by rounding.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "from 0 to 100")]
fn share(percent: f64) -> Weight {
    let is_whole = !(1e-9..=100.0 - 1e-9).contains(&percent);
    let rounded = if is_whole { percent.round() } else { percent.round().clamp(1.0, 99.0) };
    Weight::new(rounded.clamp(0.0, 100.0) as u8).unwrap_or(Weight::FULL)
}

#[cfg(test)]
mod tests {
    use aws_sdk_elasticloadbalancingv2::types::{ForwardActionConfig, TargetGroupTuple};

    use super::*;

    fn rule(groups: &[(&str, i32)]) -> Rule {
        let tuple = |(group, weight): &(&str, i32)| {
            TargetGroupTuple::builder().target_group_arn(*group).weight(*weight).build()
        };
        let tuples = groups.iter().map(tuple).collect();
        let config = ForwardActionConfig::builder().set_target_groups(Some(tuples)).build();
        let action = Action::builder().r#type(ActionTypeEnum::Forward).forward_config(config);
        Rule::builder().actions(action.build()).build()
    }

    fn percent(rules: &[Rule]) -> Option<Vec<(String, u8)>> {
        let pair = ["blue".to_owned(), "green".to_owned()];
        let shares = shares(rules, &pair)?;
        Some(shares.into_iter().map(|(group, weight)| (group, weight.percent())).collect())
    }

    fn expect(expected: &[(&str, u8)]) -> Option<Vec<(String, u8)>> {
        Some(expected.iter().map(|(group, weight)| ((*group).to_owned(), *weight)).collect())
    }

    #[test]
    fn weights_are_percent_of_their_sum() {
        for (weights, expected) in [
            (&[("blue", 90), ("green", 10)][..], &[("blue", 90), ("green", 10)][..]),
            (&[("blue", 0), ("green", 1)], &[("green", 100)]),
            (&[("green", 3), ("blue", 1)], &[("green", 75), ("blue", 25)]),
            (&[("blue", 0), ("green", 0)], &[]),
            (&[("blue", 50), ("else", 50)], &[("blue", 50), ("else", 50)]),
        ] {
            assert_eq!(percent(&[rule(weights)]), expect(expected), "{weights:?}");
        }
        let alone = Action::builder().r#type(ActionTypeEnum::Forward).target_group_arn("blue");
        let alone = Rule::builder().actions(alone.build()).build();
        assert_eq!(percent(&[alone]), expect(&[("blue", 100)]));
    }

    #[test]
    fn a_little_traffic_is_never_none_and_never_all() {
        let little = rule(&[("blue", 998), ("green", 2)]);
        assert_eq!(percent(&[little]), expect(&[("blue", 99), ("green", 1)]));
        // The default action was not changed yet.
        let rules = [rule(&[("green", 100)]), rule(&[("blue", 100)]), rule(&[("else", 1)])];
        assert_eq!(percent(&rules), expect(&[("green", 50), ("blue", 50)]));
    }

    #[test]
    fn rules_that_go_elsewhere_say_nothing() {
        assert_eq!(percent(&[rule(&[("else", 1)]), Rule::builder().build()]), None);
    }
}
