#![doc = include_str!("../README.md")]

pub mod announce;
pub mod apply_target;
pub mod artifact_name;
pub mod close_release;
pub mod dead_letters;
pub mod doctor;
pub mod explain;
mod fix_basis;
pub mod judge_canary;
mod move_alias;
pub mod notify;
pub mod on_alarm;
pub mod order;
pub mod ports;
pub mod prepare_canary;
pub mod promote_canary;
pub mod reconcile;
pub mod reload;
pub mod restore_traffic;
pub mod served;
pub mod shift_weight;
mod start_release;
pub mod step;
pub mod stuck;
mod take_ledger;
pub mod view;
