//! The use cases over the in-memory world, a file for each, and whole releases over the machines.

mod interleaved;
mod whole_release;
