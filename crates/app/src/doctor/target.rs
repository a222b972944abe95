//! Checks of what a target needs for its next release: alias, guards, way back, nothing in the way.

use perch_core::names::FunctionName;
use perch_core::target::{AlarmAtStart, Lambda};

use super::{Finding, TargetFacts};
use crate::ports::{CodeState, ImageState, Route};

pub(super) fn check(facts: &TargetFacts) -> Vec<Finding> {
    let mut found = Vec::new();
    if let Some(lambda) = &facts.target.service.lambda {
        found.push(alias(facts, lambda));
        found.extend(drift(facts));
        found.push(provisioned(facts, lambda));
        found.push(way_back(facts, &lambda.function));
    }
    found.extend(guards(facts));
    found.extend(stop(facts));
    found
}

fn alias(facts: &TargetFacts, lambda: &Lambda) -> Finding {
    const CHECK: &str = "alias";
    let state = match &facts.alias {
        Ok(Some(state)) => state,
        Ok(None) => {
            let text = format!(
                "function {} or its alias {} does not exist: every release is rejected",
                lambda.function, lambda.alias
            );
            return Finding::problem(facts, CHECK, text)
                .command(format!("aws lambda publish-version --function-name {}", lambda.function))
                .command(format!(
                    "aws lambda create-alias --function-name {} --name {} --function-version N",
                    lambda.function, lambda.alias
                ));
        }
        Err(why) => return Finding::unseen(facts, CHECK, why),
    };
    let sends = format!("{} of {} sends {}", lambda.alias, lambda.function, state.route);
    let active = facts.active.as_ref().ok().and_then(Option::as_ref);
    match (active.and_then(|release| release.ledger.as_ref()), &state.route.split) {
        (Some(ledger), _) if ledger.alias().is_some() && !state.route.is_within(ledger) => {
            let text = format!(
                "{sends}, which the release in flight did not set. Perch leaves it as it is, and the \
                 release ends Superseded with its next step"
            );
            Finding::warning(facts, CHECK, text)
        }
        (Some(_), _) | (None, None) => Finding::ok(facts, CHECK, sends),
        (None, Some(_)) => {
            let text = format!(
                "{sends}, and no release runs: a split is never taken as the state to come back to, \
                 so every release is rejected until it ends"
            );
            Finding::problem(facts, CHECK, text).command(all_on(lambda, &state.route))
        }
    }
}

fn all_on(lambda: &Lambda, route: &Route) -> String {
    format!(
        "aws lambda update-alias --function-name {} --name {} --function-version {} \
         --routing-config '{{\"AdditionalVersionWeights\":{{}}}}'",
        lambda.function, lambda.alias, route.primary
    )
}

/// Only between releases: while one runs, the alias is the release's.
fn drift(facts: &TargetFacts) -> Option<Finding> {
    let head = facts.standing.as_ref().ok()?.head.as_ref()?;
    let route = &facts.alias.as_ref().ok()?.as_ref()?.route;
    let serving = head.serving.as_ref().filter(|_| head.active.is_none())?;
    if *route == Route::all_on(&serving.version) {
        return Some(Finding::ok(
            facts,
            "drift",
            format!("none: version {}, {}, serves", serving.version, serving.artifact),
        ));
    }
    let text = format!(
        "the alias sends {route}, but release {} promoted version {}. If that is meant, do nothing: \
         the next release starts from what serves then",
        serving.release, serving.version
    );
    let back =
        format!("perch rollback {} --to {} --reason TEXT", facts.target.name, serving.version);
    // A release starts from one version: what splits the alias has to end first.
    let finding = Finding::warning(facts, "drift", text);
    Some(if route.split.is_some() { finding } else { finding.command(back) })
}

fn provisioned(facts: &TargetFacts, lambda: &Lambda) -> Finding {
    const CHECK: &str = "concurrency";
    match &facts.provisioned {
        Ok(false) => Finding::ok(facts, CHECK, "none is provisioned for the alias"),
        Ok(true) => {
            let text = format!(
                "alias {} has provisioned concurrency, and Lambda does not let such an alias split \
                 traffic: every release is rejected",
                lambda.alias
            );
            Finding::problem(facts, CHECK, text).command(format!(
                "aws lambda delete-provisioned-concurrency-config --function-name {} --qualifier {}",
                lambda.function, lambda.alias
            ))
        }
        Err(why) => Finding::unseen(facts, CHECK, why),
    }
}

fn way_back(facts: &TargetFacts, function: &FunctionName) -> Finding {
    const CHECK: &str = "way back";
    let found = match &facts.way_back {
        Ok(Some(found)) => found,
        Ok(None) => return Finding::ok(facts, CHECK, "nothing serves yet"),
        Err(why) => return Finding::unseen(facts, CHECK, why),
    };
    let version = &found.version;
    let Some(state) = &found.state else {
        let text = format!(
            "version {version} of {function} does not exist any more: there is nothing to go back \
             to, and every release is rejected"
        );
        return Finding::problem(facts, CHECK, text)
            .command(format!("aws lambda list-versions-by-function --function-name {function}"))
            .command(go_to(facts, "VERSION"));
    };
    let image = state.image.as_deref().unwrap_or_default();
    match (&state.state, found.image) {
        (_, Some(ImageState::Gone)) => {
            let text = format!(
                "the image of version {version}, {image}, is not in the registry any more: Lambda \
                 can't start it anew, and every release is rejected. Push it again, or go to a \
                 version whose image exists"
            );
            Finding::problem(facts, CHECK, text).command(go_to(facts, "VERSION"))
        }
        (CodeState::Failed { reason }, _) => {
            let text = format!("version {version} of {function} can't start: {reason}");
            Finding::problem(facts, CHECK, text).command(go_to(facts, "VERSION"))
        }
        (_, Some(ImageState::Unknown)) => {
            let text = format!(
                "version {version} exists; its image, {image}, is in a registry that can't be looked \
                 into from here"
            );
            Finding::ok(facts, CHECK, text)
        }
        (_, Some(ImageState::Present)) => {
            Finding::ok(facts, CHECK, format!("version {version} and its image exist"))
        }
        (_, None) => Finding::ok(facts, CHECK, format!("version {version} exists")),
    }
}

fn go_to(facts: &TargetFacts, version: &str) -> String {
    format!("perch rollback {} --to {version} --reason TEXT", facts.target.name)
}

fn guards(facts: &TargetFacts) -> Vec<Finding> {
    const CHECK: &str = "guards";
    let target = &facts.target;
    let guards = target.all_guards();
    if guards.is_empty() {
        return vec![Finding::ok(facts, CHECK, "none: only the judge watches releases")];
    }
    let states = match &facts.guards {
        Ok(states) => states,
        Err(why) => return vec![Finding::unseen(facts, CHECK, why)],
    };
    let missing = states.missing.iter().map(|alarm| {
        let text = format!(
            "{alarm} does not exist: every release is rejected. Create the alarm, or take it out of \
             `guards` and apply the target file"
        );
        Finding::problem(facts, CHECK, text).command("perch apply -f FILE")
    });
    let in_alarm = states.in_alarm.iter().map(|alarm| {
        let meaning = match target.alarm_at_start {
            AlarmAtStart::Block => "the next release is rejected (alarmAtStart: block)",
            AlarmAtStart::IgnoreUntilOk => {
                "it does not protect the next release until it was OK (alarmAtStart: ignore-until-ok)"
            }
        };
        let finding = Finding::warning(facts, CHECK, format!("{alarm} is in ALARM: {meaning}"))
            .command(format!("aws cloudwatch describe-alarms --alarm-names '{alarm}'"));
        match target.alarm_at_start {
            AlarmAtStart::Block => finding.command(format!(
                "perch release start {} --artifact ARTIFACT --override-alarm '{alarm}' --reason TEXT",
                target.name
            )),
            AlarmAtStart::IgnoreUntilOk => finding,
        }
    });
    let mut found: Vec<Finding> = missing.chain(in_alarm).collect();
    if found.is_empty() {
        let names: Vec<&str> = guards.iter().map(|guard| guard.as_str()).collect();
        found.push(Finding::ok(facts, CHECK, format!("not in ALARM: {}", names.join(", "))));
    }
    found
}

/// The target's own stop; that of all is the installation's.
fn stop(facts: &TargetFacts) -> Option<Finding> {
    let standing = match &facts.standing {
        Ok(standing) => standing,
        Err(why) => return Some(Finding::unseen(facts, "stop", why)),
    };
    let stop = standing.head.as_ref()?.stopped.as_ref()?;
    let text = format!("{stop}. Nothing starts and nothing goes up");
    let resume = format!("perch resume {} --reason TEXT", facts.target.name);
    Some(Finding::warning(facts, "stop", text).command(resume))
}
