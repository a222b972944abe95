//! How traffic moves: a named preset, or a list of steps.

use serde::{Deserialize, Serialize};

use super::preset::Preset;
use crate::span::Span;
use crate::weight::Weight;

/// One weight and one bake.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Step {
    /// The canary's share of traffic, 1% to 99%. 100% is the promotion and is not written.
    pub weight: Weight,
    /// How long the canary is watched at this weight.
    pub bake: Span,
}

/// How traffic moves to a new artifact: `preset` or `steps`, exactly one of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum Rollout {
    /// A preset with CodeDeploy's name and timing.
    Preset(Preset),
    /// Own steps with rising weights; the promotion to 100 % follows the last.
    Steps(Vec<Step>),
}

impl Rollout {
    /// The steps before full traffic, in order.
    pub fn steps(&self) -> Vec<Step> {
        match self {
            Rollout::Preset(preset) => preset.steps(),
            Rollout::Steps(steps) => steps.clone(),
        }
    }
}

/// The form of a rollout in a target file.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename = "Rollout"))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    /// A named rollout with CodeDeploy's timing. Instead of `steps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    preset: Option<Preset>,
    /// Own steps with rising weights. Instead of `preset`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<Step>>,
}

/// A rollout that can't be carried out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRollout {
    /// Neither or both forms.
    #[error("rollout: give either `preset` or `steps`, exactly one of them")]
    NotOneForm,
    /// No steps at all.
    #[error("rollout.steps is empty: give at least one step, or `preset: LambdaAllAtOnce`")]
    NoSteps,
    /// A weight of 0 or 100.
    #[error(
        "rollout.steps[{index}].weight is {weight}: use 1% to 99%; 100% is the promotion after the last step"
    )]
    OutOfRange {
        /// The step's place, from 0.
        index: usize,
        /// Its weight.
        weight: Weight,
    },
    /// A weight that is not above the one before.
    #[error(
        "rollout.steps[{index}].weight is {weight}, not above the {before} before it: weights must rise"
    )]
    NotRising {
        /// The step's place, from 0.
        index: usize,
        /// Its weight.
        weight: Weight,
        /// The weight of the step before.
        before: Weight,
    },
}

impl TryFrom<Written> for Rollout {
    type Error = InvalidRollout;
    fn try_from(written: Written) -> Result<Self, InvalidRollout> {
        let steps = match (written.preset, written.steps) {
            (Some(preset), None) => return Ok(Rollout::Preset(preset)),
            (None, Some(steps)) => steps,
            (None, None) | (Some(_), Some(_)) => return Err(InvalidRollout::NotOneForm),
        };
        if steps.is_empty() {
            return Err(InvalidRollout::NoSteps);
        }
        let mut before = Weight::ZERO;
        for (index, Step { weight, .. }) in steps.iter().copied().enumerate() {
            if weight == Weight::ZERO || weight == Weight::FULL {
                return Err(InvalidRollout::OutOfRange { index, weight });
            }
            if weight <= before {
                return Err(InvalidRollout::NotRising { index, weight, before });
            }
            before = weight;
        }
        Ok(Rollout::Steps(steps))
    }
}

impl From<Rollout> for Written {
    fn from(rollout: Rollout) -> Written {
        match rollout {
            Rollout::Preset(preset) => Written { preset: Some(preset), steps: None },
            Rollout::Steps(steps) => Written { preset: None, steps: Some(steps) },
        }
    }
}

#[cfg(feature = "schema")]
impl schemars::JsonSchema for Rollout {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Rollout".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut schema = Written::json_schema(generator);
        schema.insert(
            "oneOf".into(),
            serde_json::json!([{ "required": ["preset"] }, { "required": ["steps"] }]),
        );
        schema
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Result<Rollout, String> {
        serde_json::from_str(json).map_err(|e| e.to_string())
    }

    #[test]
    fn rollouts_that_cannot_be_carried_out_are_refused_with_the_field() {
        for (json, message) in [
            ("{}", "exactly one"),
            (r#"{"preset":"LambdaAllAtOnce","steps":[]}"#, "exactly one"),
            (r#"{"steps":[]}"#, "at least one step"),
            (r#"{"steps":[{"weight":"0%","bake":"1m"}]}"#, "steps[0].weight is 0%"),
            (r#"{"steps":[{"weight":100,"bake":"1m"}]}"#, "promotion after the last step"),
            (
                r#"{"steps":[{"weight":20,"bake":"1m"},{"weight":10,"bake":"1m"}]}"#,
                "steps[1].weight is 10%, not above the 20% before it",
            ),
            (r#"{"steps":[{"weight":20}]}"#, "missing field `bake`"),
        ] {
            let error = read(json).unwrap_err();
            assert!(error.contains(message), "{json}: {error}");
        }
    }

    #[test]
    fn presets_are_read_with_and_without_the_prefix() {
        let bare = read(r#"{"preset":"LambdaCanary10Percent5Minutes"}"#).unwrap();
        let full = read(r#"{"preset":"CodeDeployDefault.LambdaCanary10Percent5Minutes"}"#).unwrap();
        assert_eq!(bare, full);
        assert_eq!(bare.steps()[0].bake, Span::minutes(5));
    }
}
