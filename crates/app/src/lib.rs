#![doc = include_str!("../README.md")]

pub mod announce;
pub mod apply_target;
pub mod close_release;
pub mod judge_canary;
pub mod notify;
pub mod on_alarm;
pub mod order;
pub mod ports;
pub mod prepare_canary;
pub mod promote_canary;
pub mod restore_traffic;
pub mod shift_weight;
pub mod step;
pub mod view;
