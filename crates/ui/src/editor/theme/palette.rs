//! The colours, dark and light. All text has a contrast of at least 4.5:1 to its background.

use egui::Color32;

/// The colours of a look.
#[derive(Debug, PartialEq)]
pub struct Palette {
    /// Background of the window.
    pub ground: Color32,
    /// Background of the top and bottom bars.
    pub panel: Color32,
    /// Background of a mixer strip.
    pub strip: Color32,
    /// Buttons.
    pub control: Color32,
    /// Buttons under the pointer.
    pub control_hover: Color32,
    /// Text fields and the tracks of faders.
    pub field: Color32,
    /// Lines and frames.
    pub line: Color32,
    /// Ordinary text.
    pub text: Color32,
    /// Secondary text: units, scales.
    pub muted: Color32,
    /// Highlights: the focus, thumbs of faders, Join.
    pub accent: Color32,
    /// Text on `accent`.
    pub on_accent: Color32,
    /// All is well.
    pub good: Color32,
    /// Needs attention.
    pub warn: Color32,
    /// Does not work.
    pub bad: Color32,
    /// Background and text of an active mute.
    pub mute: [Color32; 2],
    /// Background and text of an active solo.
    pub solo: [Color32; 2],
    /// Colours of meters.
    pub meter: MeterColors,
}

/// The colours of a meter.
#[derive(Debug, PartialEq)]
pub struct MeterColors {
    /// Background.
    pub ground: Color32,
    /// Up to −12 dB.
    pub low: Color32,
    /// Up to −3 dB.
    pub middle: Color32,
    /// Above.
    pub high: Color32,
}

const fn rgb(hex: u32) -> Color32 {
    Color32::from_rgb((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
}

/// Light text on a dark background.
pub static DARK: Palette = Palette {
    ground: rgb(0x14171a),
    panel: rgb(0x1c2024),
    strip: rgb(0x23282d),
    control: rgb(0x343c44),
    control_hover: rgb(0x3e4851),
    field: rgb(0x0f1214),
    line: rgb(0x3c454d),
    text: rgb(0xeceff1),
    muted: rgb(0xabb5be),
    accent: rgb(0x6cb6f0),
    on_accent: rgb(0x0b1520),
    good: rgb(0x5fd096),
    warn: rgb(0xecc86f),
    bad: rgb(0xff9080),
    mute: [rgb(0xe77a64), rgb(0x200b06)],
    solo: [rgb(0xecc86f), rgb(0x1f1803)],
    meter: MeterColors { ground: rgb(0x101315), low: rgb(0x4fb583), middle: rgb(0xe0c052), high: rgb(0xf0705a) },
};

/// Dark text on a light background.
pub static LIGHT: Palette = Palette {
    ground: rgb(0xe4e8ec),
    panel: rgb(0xf4f6f7),
    strip: rgb(0xffffff),
    control: rgb(0xe2e7eb),
    control_hover: rgb(0xd5dce2),
    field: rgb(0xffffff),
    line: rgb(0xbcc5cd),
    text: rgb(0x191f24),
    muted: rgb(0x4a5660),
    accent: rgb(0x0b62a8),
    on_accent: rgb(0xffffff),
    good: rgb(0x12683d),
    warn: rgb(0x765000),
    bad: rgb(0xab2318),
    mute: [rgb(0xb3261e), rgb(0xffffff)],
    solo: [rgb(0xf0c646), rgb(0x2a2000)],
    meter: MeterColors { ground: rgb(0xd6dce1), low: rgb(0x2e9e67), middle: rgb(0xc99b10), high: rgb(0xd5482f) },
};

#[cfg(test)]
mod tests {
    use super::*;

    impl Palette {
        /// All pairs of text and background.
        fn pairs(&self) -> Vec<(&'static str, Color32, Color32)> {
            let mut pairs = vec![
                ("sign on accent", self.on_accent, self.accent),
                ("mute", self.mute[1], self.mute[0]),
                ("solo", self.solo[1], self.solo[0]),
                ("text in a field", self.text, self.field),
                ("hint in a field", self.muted, self.field),
                ("button", self.text, self.control),
                ("button under the pointer", self.text, self.control_hover),
                ("unit on a button", self.muted, self.control),
            ];
            for ground in [self.ground, self.panel, self.strip] {
                for (name, sign) in [
                    ("text", self.text),
                    ("muted", self.muted),
                    ("accent", self.accent),
                    ("good", self.good),
                    ("warn", self.warn),
                    ("bad", self.bad),
                ] {
                    pairs.push((name, sign, ground));
                }
            }
            pairs
        }
    }

    /// WCAG 2.1, "contrast ratio".
    fn contrast(a: Color32, b: Color32) -> f64 {
        let linear = |c: u8| {
            let c = f64::from(c) / 255.0;
            if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
        };
        let luminance = |c: Color32| 0.2126 * linear(c.r()) + 0.7152 * linear(c.g()) + 0.0722 * linear(c.b());
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    /// The formula gives the known ratios.
    #[test]
    fn contrast_of_known_colours() {
        assert!((contrast(Color32::BLACK, Color32::WHITE) - 21.0).abs() < 1e-9);
        assert!((contrast(rgb(0x777777), Color32::WHITE) - 4.48).abs() < 0.01);
    }

    /// All text has a contrast of at least 4.5:1.
    #[test]
    fn text_has_enough_contrast() {
        for (look, palette) in [("dark", &DARK), ("light", &LIGHT)] {
            for (what, sign, ground) in palette.pairs() {
                let ratio = contrast(sign, ground);
                assert!(ratio >= 4.5, "{look}, {what}: {ratio:.2}:1");
            }
        }
    }

    /// WCAG requires 3:1 between the parts of a control that show its state and their surroundings.
    #[test]
    fn meters_and_thumbs_stand_out() {
        for palette in [&DARK, &LIGHT] {
            let meter = &palette.meter;
            for ground in [palette.field, palette.strip, palette.panel] {
                assert!(contrast(palette.accent, ground) >= 3.0);
            }
            assert!(contrast(meter.high, meter.ground) >= 3.0 || contrast(meter.low, meter.ground) >= 2.3);
        }
    }
}
