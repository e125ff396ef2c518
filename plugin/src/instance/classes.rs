//! The two plugins of the library, as every format describes them.

use rtjam_ui::editor_model::Kind;

/// Who hosts say has made the plugins.
pub const VENDOR: &str = "RTJam";

/// A plugin of the library.
pub struct Class {
    /// What its instances are.
    pub kind: Kind,
    /// Name that hosts show.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub description: &'static str,
}

/// All plugins, in the order that hosts list.
pub const CLASSES: [Class; 2] = [
    Class { kind: Kind::Plugin, name: "RTJam", description: "Play music together over the internet" },
    Class {
        kind: Kind::Multi,
        name: "RTJam Multi",
        description: "Play music together over the internet, with an output for each musician",
    },
];

/// Name of an input or output: index 0 is the main one, the others are the slots' outputs.
pub fn port_name(index: usize, is_input: bool) -> String {
    match (index, is_input) {
        (0, true) => "Input".to_owned(),
        (0, false) => "Output".to_owned(),
        (slot, _) => format!("Slot {slot}"),
    }
}
