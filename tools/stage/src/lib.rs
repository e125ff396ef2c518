//! An editor model with a real engine, to show the editor's windows without a room.
//!
//! | module | what lives there |
//! |---|---|
//! | [`stage`] | the model and its simulated musicians |
//! | [`places`] | positions of the editor's controls |

#![allow(clippy::expect_used, reason = "an instrument may end with a panic that names what is missing")]

pub mod places;
pub mod stage;
