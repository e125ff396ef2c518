//! What the program's audio page shows of the audio system, and what it asks for. The plugin has none: its host owns the
//! devices.

use crate::settings::AudioChoices;
use std::sync::Arc;

/// The audio system at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AudioState {
    /// What is asked of the audio system.
    pub choices: AudioChoices,
    /// What runs; `None` while nothing does.
    pub running: Option<RunningAudio>,
    /// Why nothing runs.
    pub problem: Option<AudioProblem>,
    /// Name of the system's own audio: "ALSA".
    pub system: String,
    /// The devices of the system's own audio; `None`: not listed yet.
    pub devices: Option<Arc<[AudioDevice]>>,
    /// The test tone plays.
    pub tone: bool,
    /// The page opens by itself: it is the first start, and nothing was chosen.
    pub is_due: bool,
}

/// A running audio backend.
#[derive(Clone, Debug, PartialEq)]
pub struct RunningAudio {
    /// JACK runs: it decides on devices, rate and period.
    pub by_jack: bool,
    /// The devices in use.
    pub devices: DevicesInUse,
    /// The name of a device in use that seems to be a Bluetooth device.
    pub bluetooth: Option<String>,
    /// Sample rate in Hz.
    pub rate: u32,
    /// Period in frames.
    pub period: u32,
    /// The delay of the devices; `None` where the audio system does not report it.
    pub delay: Option<DeviceDelay>,
}

/// The devices that a backend uses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DevicesInUse {
    /// Name of the input; `None`: there is none.
    pub input: Option<String>,
    /// Name of the output.
    pub output: String,
    /// Channels of the input; 0: unknown.
    pub input_channels: u16,
}

/// The delay of audio devices, in ms.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DeviceDelay {
    /// From the microphone into the callback.
    pub input_ms: f32,
    /// From the callback to the loudspeaker.
    pub output_ms: f32,
}

impl DeviceDelay {
    /// From the microphone to the loudspeaker, in ms.
    pub fn total_ms(self) -> f32 {
        self.input_ms + self.output_ms
    }
}

/// A device to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioDevice {
    /// What the settings call it.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// It has inputs.
    pub is_input: bool,
    /// It has outputs.
    pub is_output: bool,
}

/// Why no audio runs. `messages::audio_problem` has the texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioProblem {
    /// JACK is not installed.
    JackMissing,
    /// No JACK server runs.
    JackStopped,
    /// There is no input device.
    NoInput,
    /// There is no output device.
    NoOutput,
    /// The device with this name is not there.
    DeviceMissing(String),
    /// Another program uses the device with this name.
    DeviceBusy(String),
    /// The system does not let the user use the device with this name.
    DeviceDenied(String),
    /// The device does not support the rate.
    NoRate {
        /// Name of the device.
        device: String,
        /// Hz; `None`: it supports no rate that RTJam does.
        rate: Option<u32>,
    },
    /// The device with this name does not support the period.
    NoPeriod(String),
    /// The input has fewer channels than the one that was chosen.
    NoChannel {
        /// Name of the device.
        device: String,
        /// The channel, from 1.
        channel: u8,
        /// How many it has.
        channels: u16,
    },
    /// Something else, in a whole sentence.
    Other(String),
}

/// What the audio page asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AudioAction {
    /// Run the audio system like this, now and from the next start on.
    Choose(AudioChoices),
    /// Start the test tone, or stop it.
    ToggleTone,
    /// List the devices again.
    ListDevices,
    /// The user has finished with the page, so that it does not open by itself again.
    Done,
}
