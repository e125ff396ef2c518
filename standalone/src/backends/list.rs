//! `--list-devices`: the backends and devices of this computer, with their names.

use super::jack::Jack;
use cpal::Device;
use cpal::traits::{DeviceTrait, HostTrait};
use std::fmt::Write;

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
