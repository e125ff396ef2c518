//! Parameters and their values as people read and type them.

use super::{Channel, OFF_DB, Param};

impl Param {
    /// "Slot 3 left gain".
    pub fn name(self) -> String {
        let of = |slot: super::Slot, channel: Channel, what: &str| {
            let side = if channel == Channel::Left { "left" } else { "right" };
            format!("Slot {} {side} {what}", slot.number())
        };
        match self {
            Param::Monitor => "Monitor".to_owned(),
            Param::Room => "Room level".to_owned(),
            Param::SendMute => "Send mute".to_owned(),
            Param::Gain(slot, channel) => of(slot, channel, "gain"),
            Param::Pan(slot, channel) => of(slot, channel, "pan"),
            Param::Mute(slot, channel) => of(slot, channel, "mute"),
            Param::Solo(slot, channel) => of(slot, channel, "solo"),
            Param::MainMix(slot) => format!("Slot {} main mix", slot.number()),
        }
    }

    /// The folder that a host may show it in: "" or "Slot 3".
    pub fn group(self) -> String {
        self.slot().map_or(String::new(), |slot| format!("Slot {}", slot.number()))
    }

    /// A value with its unit: "−6.0 dB", "off", "L 30", "centre", "auto", "muted".
    pub fn text(self, value: f64) -> String {
        let value = self.tidy(value);
        if self.is_switch() {
            return self.words()[usize::from(value > 0.5)].to_owned();
        }
        match self {
            Param::Pan(..) => pan(value),
            _ if value <= OFF_DB => "off".to_owned(),
            _ => {
                let tenths = (value * 10.0).round() / 10.0;
                format!("{}{:.1} dB", if tenths < 0.0 { "−" } else { "" }, tenths.abs())
            }
        }
    }

    /// Reads what [`Param::text`] writes, and what people type: "-6", "−6 dB", "l30", "on". `None`: it is no value.
    pub fn parse(self, text: &str) -> Option<f64> {
        let text = text.trim().replace('−', "-").to_lowercase();
        let value = if self.is_switch() {
            self.parse_switch(&text)?
        } else if matches!(self, Param::Pan(..)) {
            parse_pan(&text)?
        } else if text == "off" || text == "-inf" {
            OFF_DB
        } else {
            text.strip_suffix("db").unwrap_or(&text).trim().parse().ok()?
        };
        (!value.is_nan()).then(|| self.tidy(value))
    }

    fn parse_switch(self, text: &str) -> Option<f64> {
        let [off, on] = self.words();
        match text {
            "on" | "yes" | "true" => Some(1.0),
            "no" | "false" => Some(0.0),
            _ if text == on => Some(1.0),
            _ if text == off || text == "off" => Some(0.0),
            _ => text.parse().ok(),
        }
    }

    /// What a switch's two values are called.
    fn words(self) -> [&'static str; 2] {
        match self {
            Param::SendMute | Param::Mute(..) => ["open", "muted"],
            Param::MainMix(_) => ["own output only", "in the main mix"],
            _ => ["off", "on"],
        }
    }
}

fn pan(value: f64) -> String {
    let percent = (value * 100.0).round();
    match percent {
        _ if value < -1.0 => "auto".to_owned(),
        0.0 => "centre".to_owned(),
        _ if percent < 0.0 => format!("L {}", -percent),
        _ => format!("R {percent}"),
    }
}

fn parse_pan(text: &str) -> Option<f64> {
    let percent = |text: &str| text.trim().parse::<f64>().ok().filter(|p| (0.0..=100.0).contains(p));
    match text {
        "auto" => Some(Param::PAN_AUTO),
        "centre" | "center" | "c" => Some(0.0),
        "l" => Some(-1.0),
        "r" => Some(1.0),
        _ => match text.split_at_checked(1)? {
            ("l", left) => Some(-percent(left)? / 100.0),
            ("r", right) => Some(percent(right)? / 100.0),
            _ => text.parse().ok(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::Slot;
    use super::*;

    fn pan_of_slot_3() -> Param {
        Param::Pan(Slot::new(2).expect("one of twelve"), Channel::Left)
    }

    #[test]
    fn values_are_told_with_their_units() {
        for (param, value, text) in [
            (Param::Monitor, 0.0, "0.0 dB"),
            (Param::Monitor, -6.0, "−6.0 dB"),
            (Param::Room, -0.01, "0.0 dB"),
            (Param::Room, -60.0, "off"),
            (Param::Room, 99.0, "12.0 dB"),
            (Param::SendMute, 1.0, "muted"),
            (Param::SendMute, 0.0, "open"),
            (pan_of_slot_3(), -0.3, "L 30"),
            (pan_of_slot_3(), 0.0, "centre"),
            (pan_of_slot_3(), 1.0, "R 100"),
            (pan_of_slot_3(), Param::PAN_AUTO, "auto"),
        ] {
            assert_eq!(param.text(value), text);
        }
        assert_eq!(pan_of_slot_3().name(), "Slot 3 left pan");
        assert_eq!(pan_of_slot_3().group(), "Slot 3");
    }

    #[test]
    fn what_is_written_can_be_read_again() {
        for param in Param::all() {
            let (least, most) = param.range().into_inner();
            for step in 0..=100 {
                let text = param.text(least + (most - least) * f64::from(step) / 100.0);
                let value = param.parse(&text).unwrap_or_else(|| panic!("{param:?}: {text}"));
                assert_eq!(param.text(value), text);
            }
        }
    }

    #[test]
    fn what_people_type_is_read_and_nonsense_is_not() {
        assert_eq!(Param::Room.parse(" -6 "), Some(-6.0));
        assert_eq!(Param::Room.parse("3.5DB"), Some(3.5));
        assert_eq!(Param::Room.parse("-inf"), Some(-60.0));
        assert_eq!(pan_of_slot_3().parse("r25"), Some(0.25));
        assert_eq!(pan_of_slot_3().parse("-0.5"), Some(-0.5));
        assert_eq!(Param::SendMute.parse("on"), Some(1.0));
        for nonsense in ["", "loud", "NaN", "6 dBm", "é"] {
            assert_eq!(Param::Room.parse(nonsense), None, "{nonsense}");
            assert_eq!(pan_of_slot_3().parse(nonsense), None, "{nonsense}");
        }
    }
}
