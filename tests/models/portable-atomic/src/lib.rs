//! Loom's atomics, under the names that `ringbuf` imports from the crate `portable-atomic`.

pub use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
