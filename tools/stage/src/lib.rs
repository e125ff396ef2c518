//! An editor model with a real engine, to show the editor's windows without a room.

#![allow(clippy::expect_used, reason = "an instrument may end with a panic that names what is missing")]

pub mod stage;
