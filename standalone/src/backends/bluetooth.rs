//! Which devices are Bluetooth devices, by their names. Bluetooth adds 100 ms and more, so nobody can play over it.

/// Parts of names, in lower case.
const NAMES: [&str; 9] =
    ["bluetooth", "bluez", "bluealsa", "airpods", "hands-free", "handsfree", "a2dp", "hfp", "galaxy buds"];

/// Whether a device with this name is probably a Bluetooth device.
pub(crate) fn is_bluetooth(name: &str) -> bool {
    let name = name.to_lowercase();
    NAMES.iter().any(|part| name.contains(part))
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
