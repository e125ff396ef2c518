//! Replaces the crate `portable-atomic` by loom's atomics, under the names that `ringbuf` imports.

pub use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
