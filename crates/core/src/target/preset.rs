//! The named rollouts, with CodeDeploy's names and timing.
//!
//! AWS CodeDeploy User Guide, "Working with deployment configurations", predefined deployment
//! configurations for an AWS Lambda and for an Amazon ECS compute platform.

use serde::{Deserialize, Serialize};

use super::rollout::Step;
use crate::span::Span;
use crate::weight::Weight;

/// A named rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Preset {
    /// All traffic at once, then the watch.
    #[serde(alias = "CodeDeployDefault.LambdaAllAtOnce")]
    LambdaAllAtOnce,
    /// 10 % for 5 minutes, then the rest.
    #[serde(alias = "CodeDeployDefault.LambdaCanary10Percent5Minutes")]
    LambdaCanary10Percent5Minutes,
    /// 10 % for 10 minutes, then the rest.
    #[serde(alias = "CodeDeployDefault.LambdaCanary10Percent10Minutes")]
    LambdaCanary10Percent10Minutes,
    /// 10 % for 15 minutes, then the rest.
    #[serde(alias = "CodeDeployDefault.LambdaCanary10Percent15Minutes")]
    LambdaCanary10Percent15Minutes,
    /// 10 % for 30 minutes, then the rest.
    #[serde(alias = "CodeDeployDefault.LambdaCanary10Percent30Minutes")]
    LambdaCanary10Percent30Minutes,
    /// 10 % more every minute.
    #[serde(alias = "CodeDeployDefault.LambdaLinear10PercentEvery1Minute")]
    LambdaLinear10PercentEvery1Minute,
    /// 10 % more every 2 minutes.
    #[serde(alias = "CodeDeployDefault.LambdaLinear10PercentEvery2Minutes")]
    LambdaLinear10PercentEvery2Minutes,
    /// 10 % more every 3 minutes.
    #[serde(alias = "CodeDeployDefault.LambdaLinear10PercentEvery3Minutes")]
    LambdaLinear10PercentEvery3Minutes,
    /// 10 % more every 10 minutes.
    #[serde(alias = "CodeDeployDefault.LambdaLinear10PercentEvery10Minutes")]
    LambdaLinear10PercentEvery10Minutes,
    /// All traffic at once, then the watch.
    #[serde(rename = "ECSAllAtOnce", alias = "CodeDeployDefault.ECSAllAtOnce")]
    EcsAllAtOnce,
    /// 10 % for 5 minutes, then the rest.
    #[serde(
        rename = "ECSCanary10Percent5Minutes",
        alias = "CodeDeployDefault.ECSCanary10Percent5Minutes"
    )]
    EcsCanary10Percent5Minutes,
    /// 10 % for 15 minutes, then the rest.
    #[serde(
        rename = "ECSCanary10Percent15Minutes",
        alias = "CodeDeployDefault.ECSCanary10Percent15Minutes"
    )]
    EcsCanary10Percent15Minutes,
    /// 10 % more every minute.
    #[serde(
        rename = "ECSLinear10PercentEvery1Minutes",
        alias = "CodeDeployDefault.ECSLinear10PercentEvery1Minutes"
    )]
    EcsLinear10PercentEvery1Minutes,
    /// 10 % more every 3 minutes.
    #[serde(
        rename = "ECSLinear10PercentEvery3Minutes",
        alias = "CodeDeployDefault.ECSLinear10PercentEvery3Minutes"
    )]
    EcsLinear10PercentEvery3Minutes,
}

impl Preset {
    /// The steps before full traffic; the step to 100 % is the promotion.
    pub fn steps(self) -> Vec<Step> {
        match self {
            Preset::LambdaAllAtOnce | Preset::EcsAllAtOnce => Vec::new(),
            Preset::LambdaCanary10Percent5Minutes | Preset::EcsCanary10Percent5Minutes => {
                every(1, 5)
            }
            Preset::LambdaCanary10Percent10Minutes => every(1, 10),
            Preset::LambdaCanary10Percent15Minutes | Preset::EcsCanary10Percent15Minutes => {
                every(1, 15)
            }
            Preset::LambdaCanary10Percent30Minutes => every(1, 30),
            Preset::LambdaLinear10PercentEvery1Minute | Preset::EcsLinear10PercentEvery1Minutes => {
                every(9, 1)
            }
            Preset::LambdaLinear10PercentEvery2Minutes => every(9, 2),
            Preset::LambdaLinear10PercentEvery3Minutes
            | Preset::EcsLinear10PercentEvery3Minutes => every(9, 3),
            Preset::LambdaLinear10PercentEvery10Minutes => every(9, 10),
        }
    }
}

/// `count` steps of 10 % more each, `minutes` apart.
fn every(count: u8, minutes: u64) -> Vec<Step> {
    (1..=count)
        .filter_map(|i| Weight::new(10 * i).ok())
        .map(|weight| Step { weight, bake: Span::minutes(minutes) })
        .collect()
}
