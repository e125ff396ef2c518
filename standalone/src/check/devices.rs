//! Checks the sound cards.

use super::system_files::SystemFiles;
use rtjam_check::Finding;

/// A sound card as ALSA lists it.
#[derive(Debug, PartialEq)]
struct Card {
    number: u32,
    /// What `hw:` names.
    id: String,
    driver: String,
    name: String,
}

impl Card {
    fn is_usb(&self) -> bool {
        self.driver == "USB-Audio"
    }
}

/// The ALSA name of the card to play with: of a USB interface, else of any card that records.
pub(super) fn alsa_name(files: &SystemFiles) -> Option<String> {
    let cards = cards(files)?;
    let chosen = cards.iter().find(|card| card.is_usb()).or_else(|| cards.iter().find(|card| records(files, card)))?;
    Some(format!("hw:{}", chosen.id))
}

/// Whether ALSA has any card.
pub(super) fn has_card(files: &SystemFiles) -> bool {
    cards(files).is_some_and(|cards| !cards.is_empty())
}

/// Checks whether there is an audio interface.
pub(super) fn sound_card(files: &SystemFiles) -> Option<Finding> {
    const PART: &str = "audio interface";
    const CONNECT: &str = "Connect a USB audio interface.";
    if !files.is_linux() {
        return None;
    }
    let cards = cards(files).unwrap_or_default();
    let usb: Vec<String> = cards.iter().filter(|card| card.is_usb()).map(describe).collect();
    if !usb.is_empty() {
        return Some(Finding::good(PART, usb.join(", ")));
    }
    let recording: Vec<String> = cards.iter().filter(|card| records(files, card)).map(describe).collect();
    Some(match (recording.is_empty(), cards.is_empty()) {
        (false, _) => Finding::good(PART, format!("{}; no USB interface", recording.join(", "))),
        (true, false) => Finding::warn(PART, "no sound card has an input", CONNECT),
        (true, true) => Finding::warn(PART, "there is no sound card", CONNECT),
    })
}

fn describe(card: &Card) -> String {
    format!("{} (hw:{})", card.name, card.id)
}

/// Checks whether the system may suspend a USB interface.
pub(super) fn power_saving(files: &SystemFiles) -> Option<Finding> {
    const PART: &str = "USB power saving";
    // The device of a card is a link to the interface's folder below that of the USB device.
    let control = |card: &Card| files.read(&format!("sys/class/sound/card{}/device/../power/control", card.number));
    let usb: Vec<(Card, String)> =
        cards(files)?.into_iter().filter(Card::is_usb).filter_map(|card| control(&card).map(|c| (card, c))).collect();
    let suspended: Vec<&str> = usb.iter().filter(|(_, c)| c == "auto").map(|(card, _)| card.name.as_str()).collect();
    if !suspended.is_empty() {
        let advice = "The interface may start late and click. Switch it off until the next start: \
                      echo on | sudo tee /sys/class/sound/card*/device/../power/control";
        return Some(Finding::warn(PART, format!("is on for {}", suspended.join(", ")), advice));
    }
    (!usb.is_empty()).then(|| Finding::good(PART, "is off for the audio interface"))
}

/// The cards in `/proc/asound/cards`. `None`: there is no ALSA.
fn cards(files: &SystemFiles) -> Option<Vec<Card>> {
    Some(files.read("proc/asound/cards")?.lines().filter_map(card).collect())
}

/// A line like ` 1 [USB            ]: USB-Audio - Scarlett 2i2 USB`. Each card has a second line, which is none.
fn card(line: &str) -> Option<Card> {
    let (number, rest) = line.split_once('[')?;
    let (id, rest) = rest.split_once("]: ")?;
    let (driver, name) = rest.split_once(" - ")?;
    Some(Card {
        number: number.trim().parse().ok()?,
        id: id.trim().to_owned(),
        driver: driver.to_owned(),
        name: name.trim().to_owned(),
    })
}

/// Whether a card has an input: a PCM whose name ends in `c`, for capture.
fn records(files: &SystemFiles, card: &Card) -> bool {
    let names = files.names(&format!("proc/asound/card{}", card.number));
    names.iter().any(|name| name.starts_with("pcm") && name.ends_with('c'))
}

#[cfg(test)]
mod tests {
    use super::super::system_files::tests::FakeSystem;
    use super::*;
    use rtjam_check::Verdict;

    const JACK_PLUG: &str =
        " 0 [Headphones     ]: bcm2835_headpho - bcm2835 Headphones\n                      bcm2835 Headphones\n";
    const INTERFACE: &str = " 1 [USB            ]: USB-Audio - Scarlett 2i2 USB\n                      Focusrite Scarlett 2i2 USB at usb-0000:01:00.0-1.3, high speed\n";

    fn system(cards: &str) -> FakeSystem {
        FakeSystem::new().with("proc/version", "Linux").with("proc/asound/cards", cards)
    }

    /// The outputs of a Raspberry Pi alone have no input.
    #[test]
    fn usb_interface_is_found_among_cards() {
        let pi = system(JACK_PLUG).with("proc/asound/card0/pcm0p/info", "");
        assert_eq!(sound_card(&pi.files()).expect("known").seen, "no sound card has an input");
        assert_eq!(alsa_name(&pi.files()), None);
        let both = system(&[JACK_PLUG, INTERFACE].concat());
        let found = sound_card(&both.files()).expect("known");
        assert_eq!((found.verdict, found.seen.as_str()), (Verdict::Good, "Scarlett 2i2 USB (hw:USB)"));
        assert_eq!(alsa_name(&both.files()).as_deref(), Some("hw:USB"));
    }

    #[test]
    fn built_in_card_with_input_suffices() {
        let laptop =
            system(" 0 [PCH            ]: HDA-Intel - HDA Intel PCH\n").with("proc/asound/card0/pcm0c/info", "");
        let found = sound_card(&laptop.files()).expect("known");
        assert!(found.verdict == Verdict::Good && found.seen.contains("no USB interface"), "{found}");
        assert_eq!(alsa_name(&laptop.files()).as_deref(), Some("hw:PCH"));
        let none = FakeSystem::new().with("proc/version", "Linux");
        assert_eq!(sound_card(&none.files()).expect("known").seen, "there is no sound card");
    }

    #[test]
    fn suspending_interface_is_warned_about() {
        let judge = |control: &str| {
            let system = system(INTERFACE).with("sys/class/sound/card1/device/uevent", "");
            let system = system.with("sys/class/sound/card1/power/control", control);
            power_saving(&system.files()).expect("known")
        };
        assert_eq!(judge("on").verdict, Verdict::Good);
        let on = judge("auto");
        assert!(on.verdict == Verdict::Warn && on.seen.contains("Scarlett"), "{on}");
        assert_eq!(power_saving(&system(JACK_PLUG).files()), None);
    }
}
