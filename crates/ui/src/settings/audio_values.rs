//! The values of the settings of the audio system: channels, sample rate and period.

use super::values::SettingValue;
use std::ops::RangeInclusive;

/// The channels of the input device that become the musician's two channels, counted from 1. Two equal ones: one channel
/// goes to both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InputChannels {
    /// Becomes the left channel.
    pub left: u8,
    /// Becomes the right channel.
    pub right: u8,
}

impl InputChannels {
    /// The numbers that a channel can have.
    const RANGE: RangeInclusive<u8> = 1..=64;

    /// One channel for both sides.
    pub const fn single(channel: u8) -> InputChannels {
        InputChannels { left: channel, right: channel }
    }
}

impl Default for InputChannels {
    fn default() -> InputChannels {
        InputChannels { left: 1, right: 2 }
    }
}

impl SettingValue for InputChannels {
    const EXPECTED: &'static str = "one channel, or two with a comma between them, from 1 to 64";

    fn parse(text: &str) -> Option<InputChannels> {
        let channel = |text: &str| text.trim().parse().ok().filter(|channel| InputChannels::RANGE.contains(channel));
        match text.split_once(',') {
            Some((left, right)) => Some(InputChannels { left: channel(left)?, right: channel(right)? }),
            None => channel(text).map(InputChannels::single),
        }
    }

    fn text(&self) -> String {
        if self.left == self.right { self.left.to_string() } else { format!("{},{}", self.left, self.right) }
    }
}

/// The sample rate to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RateChoice {
    /// 48000 Hz where the device supports it, else the nearest that it supports.
    #[default]
    Auto,
    /// This rate in Hz.
    Hz(u32),
}

impl SettingValue for RateChoice {
    const EXPECTED: &'static str = "auto, or hertz from 8000 to 192000";

    fn parse(text: &str) -> Option<RateChoice> {
        if text == "auto" {
            return Some(RateChoice::Auto);
        }
        text.parse().ok().filter(|hz| (8_000..=192_000).contains(hz)).map(RateChoice::Hz)
    }

    fn text(&self) -> String {
        match self {
            RateChoice::Auto => "auto".to_owned(),
            RateChoice::Hz(hz) => hz.to_string(),
        }
    }
}

/// The period to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PeriodChoice {
    /// The smallest with which the device opens, from 64 frames on.
    #[default]
    Auto,
    /// This many frames.
    Frames(u32),
}

impl SettingValue for PeriodChoice {
    const EXPECTED: &'static str = "auto, or a whole number of frames from 16 to 4096";

    fn parse(text: &str) -> Option<PeriodChoice> {
        if text == "auto" {
            return Some(PeriodChoice::Auto);
        }
        text.parse().ok().filter(|frames| (16..=4096).contains(frames)).map(PeriodChoice::Frames)
    }

    fn text(&self) -> String {
        match self {
            PeriodChoice::Auto => "auto".to_owned(),
            PeriodChoice::Frames(frames) => frames.to_string(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_channels_have_one_text() {
        for (text, channels) in [
            ("2", InputChannels::single(2)),
            ("1,2", InputChannels::default()),
            ("3, 4", InputChannels { left: 3, right: 4 }),
            ("64", InputChannels::single(64)),
        ] {
            assert_eq!(InputChannels::parse(text), Some(channels), "{text}");
            assert_eq!(InputChannels::parse(&channels.text()), Some(channels), "{text}");
        }
        for text in ["", "0", "65", "1,", "1,2,3", "left"] {
            assert_eq!(InputChannels::parse(text), None, "{text}");
        }
    }

    #[test]
    fn rates_and_periods_have_limits() {
        assert_eq!(RateChoice::parse("48000"), Some(RateChoice::Hz(48_000)));
        assert_eq!(PeriodChoice::parse("64"), Some(PeriodChoice::Frames(64)));
        assert!(["7999", "192001", "48 kHz", "-1"].iter().all(|text| RateChoice::parse(text).is_none()));
        assert!(["15", "4097", "0", "64.5"].iter().all(|text| PeriodChoice::parse(text).is_none()));
    }
}
