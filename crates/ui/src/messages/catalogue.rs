//! The keys of all texts, and how placeholders are filled in.
//!
//! A catalogue is a `match` over [`Key`], so a language without a text for some key does not compile. The tests below
//! find keys that no code uses and placeholders that differ between languages.

use std::fmt::{Display, Write};

macro_rules! keys {
    ($($key:ident),* $(,)?) => {
        /// A text in the user interface.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Key { $($key),* }

        #[cfg(test)]
        impl Key {
            const ALL: &[Key] = &[$(Key::$key),*];
        }
    };
}

keys! {
    Alone, AloneCopy, Listening, ListeningEmpty, MutedByLoopGuard, UdpBlocked, NetworkInterrupted, SmallDatagrams,
    OverRate, Rejoining, ServerStopping, LinkIncomplete, NameNotFound, NothingListens, NoNetwork, NoInterface, NoAnswer,
    NotRtjam, WrongServer, Certificate, ServerClosed, NoConnection, LegacyLink, LegacyAlone, LegacySilent,
    LegacyLost, NoThreads, NoRealtimePriority, SlotsNotSaved, NoSocket, TraceStopped, LegacyMusician,
    LegacyMusicians, Stalling, MusicianStalling, SeveralTimesASecond, EverySecond, EverySeconds, ResumeInTerminal, HostOffline,
    HostPaused, HostBypassed, CameBackMuted, HostRunsAhead, OutputsNotConnected, Failed, FailedWithLog,
    AlreadyInRoom, NoHomeFolder, WindowBadParent, WindowNotOpened, WindowFailed, DelayNone, DelayTotal,
    DelayPacket, DelayMix, DelayNetwork, DelayBuffer, InRoom, InRoomNamed, Joining, JoiningNamed, PasteLink,
    ClipboardHasNoValue, CopyLink, ResumeSending, RestartEngine, JoinAnyway, Undo, Redo, Dismiss, MoreMessages,
    Paste, PasteHint, Join, JoinHint, Leave, LeaveHint, LinkHint, NameHint, NameTooltip, Rooms, RoomsHint, NoRooms,
    WelcomeTitle, WelcomeText, UseName, UseNameHint, WelcomeFoot, You, Muted, Sending, Offline, Mute, MuteOn,
    MuteHint, UnmuteHint, Monitor, Stereo, StereoHint, DualMono, DualMonoHint, NobodyElse, StripsAppearHere,
    NotHeard, NotHeardHint, AlwaysHear, NoSlot, BothChannels, ChannelNumber, MuteOf, SoloOf, LinkChannels,
    SplitChannels, ChannelsLinked, ListAnd, ChangedGain, ChangedMute, ChangedSolo, ChangedPan, MainHint, Main, Aux,
    Slot, HeardAfter, NothingMissing, PacketsMissing, Missing, MissingShort, Room, Limiter, LimiterActive,
    LimiterIdle, LimiterHint, Others, OthersHint, OthersDefault, OthersSeparate, OthersOneMix, OneMix, OneMixDelay,
    Format, Bit16, Bit24, Float32, Packet, Frames, Playout, AutoTight, AutoSafe, Options, LightWindow,
    KeepInvitation, RejoinProject, TrackAdvice, TypeValue, ResetTo, CopyValue, NotAValue, NameAndValue, Off, On, Open, Auto,
    Centre, PanLeft, PanRight, RoomLevel, SlotGainLeft, SlotGainRight, Pan,
}

/// Replaces each `{name}` by its value. Values are taken as they are, even if they contain braces.
pub(super) fn fill(template: &str, values: &[(&str, &dyn Display)]) -> String {
    let mut filled = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, after)) = after.split_once('}') else { break };
        if let Some((_, value)) = values.iter().find(|(known, _)| *known == name) {
            let _ = write!(filled, "{value}");
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::messages::language::Language;
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).map(|part| part.split_once('}').expect("a closing brace").0).collect()
    }

    /// All Rust sources below `folder` except the catalogues.
    fn sources(folder: &Path) -> String {
        let mut all = String::new();
        for entry in fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            let name = entry.file_name();
            if path.is_dir() {
                all.push_str(&sources(&path));
            } else if !["catalogue.rs", "en.rs", "de.rs"].iter().any(|catalogue| name == *catalogue) {
                all.push_str(&fs::read_to_string(&path).expect("a file"));
            }
        }
        all
    }

    /// Every language uses the same placeholders in each text.
    #[test]
    fn placeholders_agree_between_languages() {
        for key in Key::ALL {
            let [english, others @ ..] = Language::ALL.map(|language| placeholders(language.text(*key)));
            assert!(others.iter().all(|other| *other == english), "{key:?}");
        }
    }

    /// Every key has a text in every language, and some code uses it.
    #[test]
    fn no_key_is_unused_or_empty() {
        let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
        let used: BTreeSet<&str> = sources
            .split("Key::")
            .skip(1)
            .map(|rest| rest.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default())
            .collect();
        for key in Key::ALL {
            assert!(used.contains(format!("{key:?}").as_str()), "{key:?} is unused");
            assert!(Language::ALL.iter().all(|language| !language.text(*key).is_empty()), "{key:?} has no text");
        }
    }

    /// Values are inserted once and never parsed as templates.
    #[test]
    fn values_are_inserted_verbatim() {
        let name = "{ms} {";
        assert_eq!(fill("{name}: {ms} ms", &[("name", &name), ("ms", &3)]), "{ms} {: 3 ms");
    }
}
