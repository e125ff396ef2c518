//! Soak tests, run by `cargo xtask soak NAME`. Each is a function of its length; a test runs a short version.

pub mod memory;
pub mod server;
