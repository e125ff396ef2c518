//! Model checks of what RTJam's threads share, by [loom](https://docs.rs/loom): each test runs in every order in which its
//! threads can meet, with every value that the memory model lets them read.
//!
//! The tests compile the workspace's own files, which take their atomics from loom under `cfg(loom)`. `ringbuf` takes them
//! from the crate `portable-atomic`, in whose place this package has loom's. `arc-swap` cannot be followed: where it
//! occurs, each of its operations counts as one step.

/// How often a model does something: `short` in `cargo xtask test`, `long` in `cargo xtask soak`, which sets
/// `RTJAM_LONG_MODELS`.
pub fn times(short: usize, long: usize) -> usize {
    if std::env::var_os("RTJAM_LONG_MODELS").is_some() { long } else { short }
}
