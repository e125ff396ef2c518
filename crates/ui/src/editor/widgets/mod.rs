//! The controls. Each is given its rectangle, so it never moves anything else.

mod badge;
mod button;
mod choice;
mod fader;
mod label;
mod meter;
mod pan;
mod value;

pub(in crate::editor) use badge::badge;
pub(in crate::editor) use button::{ButtonLook, button};
pub(in crate::editor) use choice::{choice, menu, titled_choice, with_set};
pub(in crate::editor) use fader::{Way, fader};
pub(in crate::editor) use label::{fitting_label, label, label_lines};
pub(in crate::editor) use meter::{meter, meter_scale};
pub(in crate::editor) use pan::pan;
pub(in crate::editor) use value::{Entry, select_all};
