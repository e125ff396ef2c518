//! Errors of backends, as the audio page tells them.

use super::OpenError;
use super::device_error::{DeviceError, Direction};
use super::jack::JackError;
use cpal::ErrorKind;
use rtjam_ui::audio::AudioProblem;

impl OpenError {
    /// The error, for the audio page: its hints name no flags.
    pub(crate) fn problem(&self) -> AudioProblem {
        match self {
            OpenError::Jack(why) => of_jack(why),
            OpenError::Device(why) => of_device(why),
            OpenError::Dummy(_) => AudioProblem::Other(self.to_string()),
        }
    }
}

fn of_jack(error: &JackError) -> AudioProblem {
    match error {
        JackError::NotInstalled => AudioProblem::JackMissing,
        JackError::NoServer(_) => AudioProblem::JackStopped,
        JackError::NoChannel { channel, channels } => {
            AudioProblem::NoChannel { device: "JACK".to_owned(), channel: *channel, channels: *channels }
        }
        JackError::Refused(_) => AudioProblem::Other(error.to_string()),
    }
}

fn of_device(error: &DeviceError) -> AudioProblem {
    match error {
        DeviceError::NoDevice(Direction::Input) => AudioProblem::NoInput,
        DeviceError::NoDevice(Direction::Output) => AudioProblem::NoOutput,
        DeviceError::Unknown(device) => AudioProblem::DeviceMissing(device.clone()),
        DeviceError::NoRate { device, rate } => AudioProblem::NoRate { device: device.clone(), rate: *rate },
        DeviceError::NoPeriod { device, period: Some(_) } => AudioProblem::NoPeriod(device.clone()),
        DeviceError::NoChannel { device, channel, channels } => {
            AudioProblem::NoChannel { device: device.clone(), channel: *channel, channels: *channels }
        }
        DeviceError::Unusable { device, why } => match why.kind() {
            ErrorKind::DeviceBusy => AudioProblem::DeviceBusy(device.clone()),
            ErrorKind::PermissionDenied => AudioProblem::DeviceDenied(device.clone()),
            ErrorKind::DeviceNotAvailable => AudioProblem::DeviceMissing(device.clone()),
            _ => AudioProblem::Other(error.to_string()),
        },
        DeviceError::NoPeriod { period: None, .. } | DeviceError::NoList(_) => AudioProblem::Other(error.to_string()),
    }
}
