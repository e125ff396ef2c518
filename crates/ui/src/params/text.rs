//! Names of parameters, and their values as text.

use super::{Channel, OFF_DB, Param};

impl Param {
    /// The name, "Slot 3 left gain" for example.
    pub fn name(self) -> String {
        let of = |slot: super::Slot, channel: Channel, what: &str| {
            let side = if channel == Channel::Left { "left" } else { "right" };
            format!("Slot {} {side} {what}", slot.number())
        };
        match self {
            Param::Monitor => "Monitor".to_owned(),
            Param::Room => "Room level".to_owned(),
            Param::SendMute => "Send mute".to_owned(),
            Param::Bypass => "Bypass".to_owned(),
            Param::Gain(slot, channel) => of(slot, channel, "gain"),
            Param::Pan(slot, channel) => of(slot, channel, "pan"),
            Param::Mute(slot, channel) => of(slot, channel, "mute"),
            Param::Solo(slot, channel) => of(slot, channel, "solo"),
            Param::MainMix(slot) => format!("Slot {} main mix", slot.number()),
        }
    }

    /// The group in which a host may list the parameter: "" or "Slot 3".
    pub fn group(self) -> String {
        self.slot().map_or(String::new(), |slot| format!("Slot {}", slot.number()))
    }

    /// A value as text with its unit: "−6.0 dB", "off", "L 30", "centre", "auto", "muted".
    pub fn text(self, value: f64) -> String {
        let value = self.tidy(value);
        if self.is_switch() {
            return self.switch_texts()[usize::from(value > 0.5)].to_owned();
        }
        match self {
            Param::Pan(..) => pan(value),
            _ if value <= OFF_DB => "off".to_owned(),
            _ => {
                // The lowest value in decibels is a tenth above "off", so that the text reads as the same value.
                let tenths = (value * 10.0).round().max(OFF_DB * 10.0 + 1.0) / 10.0;
                format!("{}{:.1} dB", if tenths < 0.0 { "−" } else { "" }, tenths.abs())
            }
        }
    }

    /// Parses the texts of [`Param::text`] and what users type: "-6", "−6 dB", "l30", "on". `None` for an invalid text.
    pub fn parse(self, text: &str) -> Option<f64> {
        let text = text.trim().replace('−', "-").to_lowercase();
        let value = if self.is_switch() {
            self.parse_switch(&text)?
        } else if matches!(self, Param::Pan(..)) {
            parse_pan(&text)?
        } else if text == "off" || text == "-inf" {
            OFF_DB
        } else {
            number(text.strip_suffix("db").unwrap_or(&text))?
        };
        (!value.is_nan()).then(|| self.tidy(value))
    }

    fn parse_switch(self, text: &str) -> Option<f64> {
        let [off, on] = self.switch_texts();
        match text {
            "on" | "yes" | "true" => Some(1.0),
            "no" | "false" => Some(0.0),
            _ if text == on => Some(1.0),
            _ if text == off || text == "off" => Some(0.0),
            _ => number(text),
        }
    }

    /// The texts of a switch's two values.
    fn switch_texts(self) -> [&'static str; 2] {
        match self {
            Param::SendMute | Param::Mute(..) => ["open", "muted"],
            Param::Bypass => ["active", "bypassed"],
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
    let percent = |text: &str| number(text.trim_end_matches('%')).filter(|p| (0.0..=100.0).contains(p));
    match text {
        "auto" => Some(Param::PAN_AUTO),
        "centre" | "center" | "c" => Some(0.0),
        "l" => Some(-1.0),
        "r" => Some(1.0),
        _ => match text.split_at_checked(1)? {
            ("l", left) => Some(-percent(left)? / 100.0),
            ("r", right) => Some(percent(right)? / 100.0),
            _ => number(text),
        },
    }
}

/// A number with a decimal point or a decimal comma.
fn number(text: &str) -> Option<f64> {
    text.trim().replace(',', ".").parse().ok()
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::Slot;
    use super::*;
    use proptest::prelude::*;

    fn pan_of_slot_3() -> Param {
        Param::Pan(Slot::new(2).expect("one of twelve"), Channel::Left)
    }

    #[test]
    fn texts_have_units() {
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

    /// The text of a value reads as that value, with either minus sign.
    fn round_trips(param: Param, value: f64) -> Result<(), TestCaseError> {
        let text = param.text(value);
        let Some(read) = param.parse(&text) else {
            return Err(TestCaseError::fail(format!("{param:?} cannot read {text:?}")));
        };
        prop_assert_eq!(&param.text(read), &text, "{:?} at {}", param, value);
        prop_assert_eq!(param.parse(&text.replace('−', "-")), Some(read));
        let step = if matches!(param, Param::Pan(..)) { 0.005 } else { 0.1 };
        let tidy = param.tidy(value);
        prop_assert!((read - tidy).abs() <= step + 1e-9, "{:?} at {}: {} is read as {}", param, tidy, text, read);
        Ok(())
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn texts_round_trip(index in 0..Param::all().count(), share in 0.0..=1.0_f64) {
            let param = Param::all().nth(index).expect("within the count");
            let (least, most) = param.range().into_inner();
            round_trips(param, least + (most - least) * share)?;
        }

        /// Values near the ends of the range and near the centre.
        #[test]
        fn texts_round_trip_near_borders(index in 0..Param::all().count(), offset in -0.2..0.2_f64) {
            let param = Param::all().nth(index).expect("within the count");
            for border in [*param.range().start(), *param.range().end(), 0.0, -1.0] {
                round_trips(param, border + offset)?;
            }
        }
    }

    #[test]
    fn lowest_decibels_are_not_off() {
        assert_eq!(Param::Monitor.text(-59.99), "−59.9 dB");
        for text in ["−60.0 dB", "-60.0 dB", "-60", "-60,0 dB", "off"] {
            assert_eq!(Param::Monitor.parse(text), Some(-60.0), "{text}");
        }
        assert_eq!(Param::Bypass.parse("bypassed"), Some(1.0));
    }

    #[test]
    fn typed_texts_are_parsed() {
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
