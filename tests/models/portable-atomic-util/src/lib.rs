//! Replaces the crate `portable-atomic-util`, from which `ringbuf` imports `Arc`, by the standard `Arc`, which loom does not model.

pub use std::sync::Arc;
