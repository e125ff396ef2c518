//! The backends and devices of this computer, with their names: for `--list-devices` and for the audio page.

use super::jack::Jack;
use cpal::Device;
use cpal::traits::{DeviceTrait, HostTrait};
#[cfg(feature = "window")]
use rtjam_ui::audio::AudioDevice;
use std::fmt::Write;

/// Parts of the names of Bluetooth devices, in lower case.
const BLUETOOTH_NAMES: [&str; 9] =
    ["bluetooth", "bluez", "bluealsa", "airpods", "hands-free", "handsfree", "a2dp", "hfp", "galaxy buds"];

/// The list as text.
pub(crate) fn devices() -> String {
    let mut list = String::new();
    let jack = match Jack::probe() {
        Some((rate, block)) => format!("server running ({rate} Hz, {block} frames)"),
        None => "no server running".to_owned(),
    };
    let _ = writeln!(list, "--backend jack   {jack}");
    let host = cpal::default_host();
    let _ = writeln!(list, "--backend cpal   {}", host.id());
    super::cpal::quietly(|| {
        section(&mut list, "output", host.devices(), host.default_output_device(), DeviceTrait::supports_output);
        section(&mut list, "input", host.devices(), host.default_input_device(), DeviceTrait::supports_input);
    });
    let _ = writeln!(list, "--backend dummy  a silent clock; always available");
    list
}

/// Name of the system's own audio.
#[cfg(feature = "window")]
pub(crate) fn system_name() -> String {
    cpal::default_host().id().to_string()
}

/// The devices to choose from. Takes up to a second with some drivers. Opens none, so it disturbs no stream.
#[cfg(feature = "window")]
pub(crate) fn offered() -> Vec<AudioDevice> {
    let host = cpal::default_host();
    let devices = super::cpal::quietly(|| host.devices().into_iter().flatten().filter_map(offer).collect::<Vec<_>>());
    let mut offered: Vec<AudioDevice> = Vec::with_capacity(devices.len());
    for device in devices {
        // ALSA lists a card by its name, then by its number.
        if !offered.iter().any(|known| known.name == device.name && known.is_input == device.is_input) {
            offered.push(device);
        }
    }
    offered
}

/// The device, unless it is one of ALSA's many other views of the same hardware, which convert nothing or need a certain
/// number of channels.
#[cfg(feature = "window")]
fn offer(device: Device) -> Option<AudioDevice> {
    let id = device.id().ok()?;
    let is_alsa = id.host().to_string().eq_ignore_ascii_case("alsa");
    let id = id.id().to_owned();
    let is_useful = matches!(id.as_str(), "default" | "pipewire" | "pulse" | "bluealsa") || id.starts_with("plughw:");
    let (is_input, is_output) = (device.supports_input(), device.supports_output());
    let name = device.to_string().lines().next().unwrap_or_default().to_owned();
    (is_useful || !is_alsa).then_some(AudioDevice { id, name, is_input, is_output })
}

fn section(
    list: &mut String,
    side: &str,
    devices: Result<cpal::Devices, cpal::Error>,
    default: Option<Device>,
    supports: impl Fn(&Device) -> bool,
) {
    let default = default.and_then(|device| device.id().ok());
    let devices: Vec<Device> = devices.into_iter().flatten().filter(supports).collect();
    if devices.is_empty() {
        let _ = writeln!(list, "  --{side:<7} no device");
    }
    for device in devices {
        let Ok(id) = device.id() else { continue };
        let mark = if default.as_ref() == Some(&id) { "  (default)" } else { "" };
        let _ = writeln!(list, "  --{side:<7} \"{}\"  {}{mark}", id.id(), one_line(&device.to_string()));
    }
}

fn one_line(text: &str) -> String {
    text.lines().collect::<Vec<_>>().join(", ")
}

/// Whether a device with this name is probably a Bluetooth device. Bluetooth adds 100 ms and more, so nobody can play over
/// it.
pub(crate) fn is_bluetooth(name: &str) -> bool {
    let name = name.to_lowercase();
    BLUETOOTH_NAMES.iter().any(|part| name.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bluetooth_names_are_known() {
        for name in [
            "Anna's AirPods Pro",
            "Headset (WH-1000XM4 Hands-Free AG Audio)",
            "bluez_output.AC_12_2F.1",
            "bluealsa:DEV=00:11,PROFILE=a2dp",
            "Bluetooth headphones",
        ] {
            assert!(is_bluetooth(name), "{name}");
        }
        for name in ["Scarlett 2i2 USB", "plughw:CARD=PCH,DEV=0", "Blue Yeti", "Built-in Audio", ""] {
            assert!(!is_bluetooth(name), "{name}");
        }
    }
}
