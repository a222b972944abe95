//! `CloudWatch Alarm State Change` (CloudWatch User Guide, "Alarm events and EventBridge").

use perch_app::on_alarm::Alarm;
use perch_core::names::AlarmName;
use serde::Deserialize;

use super::{Delivered, EventError, detail, id, time};

const KIND: &str = "CloudWatch Alarm State Change";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Detail {
    alarm_name: AlarmName,
    state: State,
}

#[derive(Deserialize)]
struct State {
    value: String,
    #[serde(default)]
    reason: String,
}

/// The alarm that went into ALARM; `None` for another state.
///
/// # Errors
/// [`EventError`] for another kind of event, or one without a documented field.
pub fn alarm_of(event: &Delivered) -> Result<Option<Alarm>, EventError> {
    let Detail { alarm_name, state } = detail(event, KIND)?;
    if state.value != "ALARM" {
        return Ok(None);
    }
    Ok(Some(Alarm { event: id(event), name: alarm_name, reason: state.reason, at: time(event) }))
}
