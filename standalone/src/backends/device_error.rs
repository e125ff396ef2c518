//! Why a device cannot be used.

use cpal::{Device, ErrorKind};
use std::fmt;

/// How a device is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Direction {
    Input,
    Output,
}

/// Why there is no stream.
#[derive(Debug)]
pub(crate) enum DeviceError {
    /// The system does not list its devices.
    NoList(cpal::Error),
    NoDevice(Direction),
    /// No device has this name.
    Unknown(String),
    Unusable {
        device: String,
        why: cpal::Error,
    },
    /// The device does not support this sample rate in Hz, or with `None` any of those that RTJam tries.
    NoRate {
        device: String,
        rate: Option<u32>,
    },
    /// The device does not support this period in frames, or with `None` any of those that RTJam tries.
    NoPeriod {
        device: String,
        period: Option<u32>,
    },
    /// The device has fewer channels than the one that was chosen.
    NoChannel {
        device: String,
        channel: u8,
        channels: u16,
    },
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ANOTHER: &str = "Choose another: `rtjam --list-devices`.";
        match self {
            DeviceError::NoList(why) => write!(f, "The system cannot list its audio devices: {why}."),
            DeviceError::NoDevice(Direction::Input) => f.write_str("There is no audio input device. Plug one in."),
            DeviceError::NoDevice(Direction::Output) => f.write_str("There is no audio output device. Plug one in."),
            DeviceError::Unknown(name) => {
                write!(f, "There is no audio device \"{name}\". `rtjam --list-devices` lists all devices.")
            }
            DeviceError::Unusable { device, why } => {
                let hint = match why.kind() {
                    ErrorKind::DeviceBusy => {
                        "Close the program that uses it, or choose another with --output and --input."
                    }
                    ErrorKind::PermissionDenied => "Allow this program (or your user) to use audio devices.",
                    ErrorKind::DeviceNotAvailable => "Plug it in, or choose another: `rtjam --list-devices`.",
                    _ => ANOTHER,
                };
                let why = why.to_string();
                write!(f, "RTJam cannot use the audio device \"{device}\": {}. {hint}", why.trim_end_matches('.'))
            }
            DeviceError::NoRate { device, rate: Some(rate) } => {
                write!(f, "The audio device \"{device}\" does not support {rate} Hz. {ANOTHER}")
            }
            DeviceError::NoRate { device, rate: None } => {
                write!(f, "The audio device \"{device}\" supports no sample rate that RTJam supports. {ANOTHER}")
            }
            DeviceError::NoPeriod { device, period: Some(period) } => {
                write!(
                    f,
                    "The audio device \"{device}\" does not support a period of {period} frames. Use --period auto."
                )
            }
            DeviceError::NoPeriod { device, period: None } => {
                write!(f, "The audio device \"{device}\" supports no period that RTJam supports. {ANOTHER}")
            }
            DeviceError::NoChannel { device, channel, channels } => write!(
                f,
                "The audio device \"{device}\" has no input {channel}, only {channels}. Choose others with --input-channels."
            ),
        }
    }
}

impl std::error::Error for DeviceError {}

pub(super) fn unusable(device: &Device, why: cpal::Error) -> DeviceError {
    DeviceError::Unusable { device: device.to_string(), why }
}
