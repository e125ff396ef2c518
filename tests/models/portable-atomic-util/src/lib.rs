//! The `Arc` that `ringbuf` imports from the crate `portable-atomic-util`: the standard one, which loom does not follow.

pub use std::sync::Arc;
