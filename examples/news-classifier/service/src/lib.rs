//! A headline classifier: what its Lambda function and its model servers have in common.
//!
//! `classifier` decides, `input` says what a request has to be, `emf` publishes metrics.

pub mod classifier;
pub mod emf;
pub mod input;
