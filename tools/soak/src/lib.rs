//! Long runs, by `cargo xtask soak NAME`. Each is a function of its length; a test runs its short form.

pub mod memory;
pub mod server;
