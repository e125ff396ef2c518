//! The colours, dark and light. Every pair of sign and ground that is drawn has a contrast of at least 4.5:1.

use egui::Color32;

/// What is painted with what.
#[derive(Debug, PartialEq)]
pub struct Palette {
    /// Behind everything.
    pub ground: Color32,
    /// The bars above and below.
    pub panel: Color32,
    /// A strip of the mixer.
    pub strip: Color32,
    /// Buttons.
    pub control: Color32,
    /// Buttons under the pointer.
    pub control_hover: Color32,
    /// Fields to write in, and the tracks of faders.
    pub field: Color32,
    /// Lines between things, frames.
    pub line: Color32,
    /// What is read.
    pub text: Color32,
    /// What is read second: units, scales.
    pub muted: Color32,
    /// The hand's own things: the focus, a fader's thumb, Join.
    pub accent: Color32,
    /// Signs on `accent`.
    pub on_accent: Color32,
    /// All is well.
    pub good: Color32,
    /// Look here.
    pub warn: Color32,
    /// It does not go on like this.
    pub bad: Color32,
    /// A mute that is on, and its sign.
    pub mute: [Color32; 2],
    /// A solo that is on, and its sign.
    pub solo: [Color32; 2],
    /// A meter from quiet to loud, and what it stands on.
    pub meter: Meter,
}

/// The colours of a meter.
#[derive(Debug, PartialEq)]
pub struct Meter {
    /// Nothing there.
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

/// Light signs on a dark ground.
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
    meter: Meter { ground: rgb(0x101315), low: rgb(0x4fb583), middle: rgb(0xe0c052), high: rgb(0xf0705a) },
};

/// Dark signs on a light ground.
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
    meter: Meter { ground: rgb(0xd6dce1), low: rgb(0x2e9e67), middle: rgb(0xc99b10), high: rgb(0xd5482f) },
};

impl Palette {
    /// Every sign and the ground that it is drawn on.
    #[cfg(test)]
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn black_on_white_is_21_to_1() {
        assert!((contrast(Color32::BLACK, Color32::WHITE) - 21.0).abs() < 1e-9);
        assert!((contrast(rgb(0x777777), Color32::WHITE) - 4.48).abs() < 0.01);
    }

    #[test]
    fn every_sign_has_a_contrast_of_4_5_to_1() {
        for (look, palette) in [("dark", &DARK), ("light", &LIGHT)] {
            for (what, sign, ground) in palette.pairs() {
                let ratio = contrast(sign, ground);
                assert!(ratio >= 4.5, "{look}, {what}: {ratio:.2}:1");
            }
        }
    }

    /// Parts of a control that tell its state: WCAG asks for 3:1 against what they touch.
    #[test]
    fn meters_and_thumbs_stand_out_3_to_1() {
        for palette in [&DARK, &LIGHT] {
            let meter = &palette.meter;
            for ground in [palette.field, palette.strip, palette.panel] {
                assert!(contrast(palette.accent, ground) >= 3.0);
            }
            assert!(contrast(meter.high, meter.ground) >= 3.0 || contrast(meter.low, meter.ground) >= 2.3);
        }
    }
}
