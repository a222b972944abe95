//! The deployment configuration of a service, for one deployment (ECS API Reference,
//! `DeploymentConfiguration`).

use perch_app::ports::Deploying;
use perch_core::deployment::{Purpose, Schedule};
use serde_json::{Map, Value, json};

/// What a deployment of Perch's may have otherwise than the service, besides the schedule.
const BORROWED: [&str; 3] = ["lifecycleHooks", "alarms", "bakeTimeInMinutes"];

/// The service's configuration with the schedule of this deployment. On the way back there are no hooks, no
/// alarms and no bake: nothing may put the canary back.
pub(super) fn of(current: &Value, deploying: &Deploying<'_>) -> Value {
    let mut made: Map<String, Value> = current.as_object().cloned().unwrap_or_default();
    made.retain(|name, _| !matches!(name.as_str(), "canaryConfiguration" | "linearConfiguration"));
    let strategy = match deploying.schedule {
        Schedule::AllAtOnce => "BLUE_GREEN",
        Schedule::Canary { percent, minutes } => {
            let canary = json!({ "canaryPercent": percent, "canaryBakeTimeInMinutes": minutes });
            made.insert("canaryConfiguration".into(), canary);
            "CANARY"
        }
        Schedule::Linear { percent, minutes } => {
            let linear = json!({ "stepPercent": percent, "stepBakeTimeInMinutes": minutes });
            made.insert("linearConfiguration".into(), linear);
            "LINEAR"
        }
    };
    made.insert("strategy".into(), strategy.into());
    made.entry("bakeTimeInMinutes").or_insert(0.into());
    if let Some(alarms) = deploying.alarms {
        let is_on = !alarms.is_empty();
        let names: Vec<&str> = alarms.iter().map(|alarm| alarm.as_str()).collect();
        let alarms = json!({ "alarmNames": names, "enable": is_on, "rollback": is_on });
        made.insert("alarms".into(), alarms);
    }
    if deploying.purpose == Purpose::WayBack {
        made.insert("lifecycleHooks".into(), json!([]));
        made.insert("bakeTimeInMinutes".into(), 0.into());
    }
    made.into()
}

/// The configuration that leaves the service with its own hooks, alarms and bake; nothing where the
/// deployment took none of them away.
pub(super) fn given_back(current: &Value, made: &Value) -> Option<Value> {
    let mut back = made.clone();
    for name in BORROWED {
        let own = &current[name];
        back[name] = match name {
            _ if !own.is_null() => own.clone(),
            "lifecycleHooks" => json!([]),
            "alarms" => json!({ "alarmNames": [], "enable": false, "rollback": false }),
            _ => made[name].clone(),
        };
    }
    let is_same = |name: &&str| made[*name] == back[*name] || made[*name].is_null();
    (!BORROWED.iter().all(is_same)).then_some(back)
}

/// Whether a configuration is as [`of`] makes it for a way back.
pub(super) fn is_bare(current: &Value) -> bool {
    let is_empty = |field: &Value| field.as_array().is_none_or(Vec::is_empty);
    is_empty(&current["lifecycleHooks"])
        && current["alarms"]["enable"] != true
        && current["bakeTimeInMinutes"] == 0
}
