//! A board with a real engine behind it, for the editor's windows.
//!
//! | module | what lives there |
//! |---|---|
//! | [`stage`] | the board and its scenes |
//! | [`places`] | where the editor's controls lie |

#![allow(clippy::expect_used, reason = "an instrument ends by a panic that says what is missing")]

pub mod places;
pub mod stage;
