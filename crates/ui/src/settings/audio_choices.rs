//! The settings of the audio system, which the program's audio page edits.

use super::audio_values::{InputChannels, PeriodChoice, RateChoice};
use super::schema::GivenSettings;
use super::values::BackendChoice;

/// What the user asks of the audio system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AudioChoices {
    /// Audio system.
    pub backend: BackendChoice,
    /// Name of the input device; empty for the system's default. Not for JACK.
    pub input: String,
    /// Channels of the input device.
    pub channels: InputChannels,
    /// Name of the output device; empty for the system's default. Not for JACK.
    pub output: String,
    /// Sample rate of the devices. Not for JACK.
    pub rate: RateChoice,
    /// Period of the devices. Not for JACK.
    pub period: PeriodChoice,
}

impl AudioChoices {
    /// The choices that `given` makes, completed by the defaults.
    pub fn from_given(given: &GivenSettings) -> AudioChoices {
        AudioChoices {
            backend: given.backend.unwrap_or_default(),
            input: given.input.clone().unwrap_or_default(),
            channels: given.input_channels.unwrap_or_default(),
            output: given.output.clone().unwrap_or_default(),
            rate: given.rate.unwrap_or_default(),
            period: given.period.unwrap_or_default(),
        }
    }

    /// The settings that give these choices.
    pub fn to_given(&self) -> GivenSettings {
        GivenSettings {
            backend: Some(self.backend),
            input: Some(self.input.clone()),
            input_channels: Some(self.channels),
            output: Some(self.output.clone()),
            rate: Some(self.rate),
            period: Some(self.period),
            ..GivenSettings::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn audio_choices_round_trip() {
        let choices = AudioChoices {
            backend: BackendChoice::Cpal,
            input: "plughw:CARD=2".to_owned(),
            channels: InputChannels::single(2),
            output: "default".to_owned(),
            rate: RateChoice::Hz(44_100),
            period: PeriodChoice::Frames(64),
        };
        assert_eq!(AudioChoices::from_given(&choices.to_given()), choices);
        assert_eq!(AudioChoices::from_given(&GivenSettings::default()), AudioChoices::default());
        let json = serde_json::to_string(&AudioChoices::default().to_given()).expect("JSON");
        assert_eq!(json, "{}", "defaults are not stored");
    }
}
