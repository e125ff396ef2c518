//! Model checks, by [loom](https://docs.rs/loom), of the state that RTJam's threads share: each test runs every
//! interleaving of its threads, and every value that the memory model lets them read.
//!
//! The tests compile the workspace's own files, which import their atomics from loom under `cfg(loom)`. `ringbuf` imports
//! them from the crate `portable-atomic`, which this package replaces by loom's. Loom cannot model `arc-swap`: each of its
//! operations counts as one step.

/// Number of repetitions in a model: `short` in `cargo xtask test`, `long` in `cargo xtask soak`, which sets
/// `RTJAM_LONG_MODELS`.
pub fn times(short: usize, long: usize) -> usize {
    if std::env::var_os("RTJAM_LONG_MODELS").is_some() { long } else { short }
}
