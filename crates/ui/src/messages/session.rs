//! What the client reports: conditions and notices.

use super::de_errors;
use super::en::MessageKey;
use super::language::Language;
use crate::settings::InviteError;
use rtjam_client::{Condition, ConnectionError, RoundedStalls, StatusNotice};
use rtjam_protocol::link::{DEFAULT_PORT, Host};
use std::fmt::Display;

/// What to tell the musician about a condition.
pub fn condition(condition: &Condition, language: Language) -> String {
    let text = |key: MessageKey| language.text(key).to_owned();
    let fill = |key: MessageKey, values: &[(&str, &dyn Display)]| language.fill(key, values);
    match condition {
        Condition::Alone(link) => fill(MessageKey::Alone, &[("link", link)]),
        Condition::Listening { empty: false } => text(MessageKey::Listening),
        Condition::Listening { empty: true } => text(MessageKey::ListeningEmpty),
        Condition::MutedByLoopGuard => text(MessageKey::MutedByLoopGuard),
        Condition::UdpBlocked { port } => fill(MessageKey::UdpBlocked, &[("port", port)]),
        Condition::NetworkInterrupted => text(MessageKey::NetworkInterrupted),
        Condition::SmallDatagrams(limit) => fill(MessageKey::SmallDatagrams, &[("limit", limit)]),
        Condition::OverRate => text(MessageKey::OverRate),
        Condition::Rejoining => text(MessageKey::Rejoining),
        Condition::ServerStopping => text(MessageKey::ServerStopping),
        Condition::Refused(refused) => match language {
            Language::English => refused.to_string(),
            Language::German => de_errors::refused(refused),
        },
        Condition::NoKey => text(MessageKey::LinkIncomplete),
        Condition::Unreachable { host, port, error } => unreachable(host, *port, error, language),
        Condition::LegacyLink => text(MessageKey::LegacyLink),
        Condition::LegacyAlone(server) => {
            format!(
                "{} {}",
                fill(MessageKey::LegacyAlone, &[("server", server)]),
                language.text(MessageKey::LegacyLink)
            )
        }
        Condition::LegacyNotFound(server) => fill(MessageKey::NameNotFound, &[("host", &server.host)]),
        Condition::LegacySilent(server) => {
            fill(MessageKey::LegacySilent, &[("host", &server.host), ("port", &server.port)])
        }
        Condition::LegacyLost(server) => {
            fill(MessageKey::LegacyLost, &[("host", &server.host), ("port", &server.port)])
        }
        Condition::NoIdentity(error) => match language {
            Language::English => error.to_string(),
            Language::German => de_errors::identity(error),
        },
        Condition::NoThreads(reason) => fill(MessageKey::NoThreads, &[("reason", reason)]),
    }
}

fn unreachable(host: &Host, port: u16, error: &ConnectionError, language: Language) -> String {
    let host = host.to_string();
    let server = if port == DEFAULT_PORT { host.clone() } else { format!("{host}:{port}") };
    let fill = |key: MessageKey, values: &[(&str, &dyn Display)]| language.fill(key, values);
    match error {
        ConnectionError::NameNotFound => fill(MessageKey::NameNotFound, &[("host", &host)]),
        ConnectionError::NothingListens => fill(MessageKey::NothingListens, &[("server", &server)]),
        ConnectionError::NoNetwork => fill(MessageKey::NoNetwork, &[("server", &server)]),
        ConnectionError::NoInterface => {
            let example = format!("{}%25eth0]", host.trim_end_matches(']'));
            fill(MessageKey::NoInterface, &[("host", &host), ("example", &example)])
        }
        ConnectionError::NoAnswer => fill(MessageKey::NoAnswer, &[("server", &server), ("port", &port)]),
        ConnectionError::NotRtjam => fill(MessageKey::NotRtjam, &[("server", &server)]),
        ConnectionError::WrongServer => fill(MessageKey::WrongServer, &[("server", &server)]),
        ConnectionError::Certificate(reason) => fill(MessageKey::Certificate, &[("host", &host), ("reason", reason)]),
        ConnectionError::Closed => fill(MessageKey::ServerClosed, &[("server", &server)]),
        ConnectionError::System(reason) => fill(MessageKey::NoConnection, &[("reason", reason)]),
    }
}

/// What to tell the musician about a notice.
pub fn notice(notice: &StatusNotice, language: Language) -> String {
    let fill = |key: MessageKey, values: &[(&str, &dyn Display)]| language.fill(key, values);
    match notice {
        StatusNotice::NoRealtimePriority => language.text(MessageKey::NoRealtimePriority).to_owned(),
        StatusNotice::SlotsNotSaved(error) => fill(MessageKey::SlotsNotSaved, &[("reason", error)]),
        StatusNotice::NoSocket(reason) => fill(MessageKey::NoSocket, &[("reason", reason)]),
        StatusNotice::TraceStopped(reason) => fill(MessageKey::TraceStopped, &[("reason", reason)]),
        StatusNotice::LegacyMusicians(names) => {
            let key = if names.len() == 1 { MessageKey::LegacyMusician } else { MessageKey::LegacyMusicians };
            fill(key, &[("names", &names.join(", "))])
        }
        StatusNotice::Engine(notice) => match language {
            Language::English => notice.to_string(),
            Language::German => de_errors::engine_notice(*notice).to_owned(),
        },
        StatusNotice::Stalling(RoundedStalls { ms, every_s }) => {
            fill(MessageKey::Stalling, &[("ms", ms), ("often", &how_often(*every_s, language))])
        }
        StatusNotice::MusicianStalling { name, stalls: RoundedStalls { ms, every_s } } => {
            fill(MessageKey::MusicianStalling, &[("name", name), ("ms", ms), ("often", &how_often(*every_s, language))])
        }
    }
}

/// What to tell the musician when a text does not lead to a room.
pub fn invite_error(error: &InviteError, language: Language) -> String {
    match (error, language) {
        (InviteError::NotALink(error), Language::English) => error.to_string(),
        (InviteError::NotALink(error), Language::German) => de_errors::bad_link(*error).to_owned(),
        (InviteError::NoKey, _) => language.text(MessageKey::InviteWithoutKey).to_owned(),
    }
}

fn how_often(every_s: f32, language: Language) -> String {
    match every_s {
        s if s < 1.0 => language.text(MessageKey::SeveralTimesASecond).to_owned(),
        1.0 => language.text(MessageKey::EverySecond).to_owned(),
        s => language.fill(MessageKey::EverySeconds, &[("seconds", &s)]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtjam_client::SlotFileError;
    use rtjam_protocol::control::{Refusal, Refused};
    use rtjam_protocol::link::{InviteLink, Link};

    fn english(condition: &Condition) -> String {
        super::condition(condition, Language::English)
    }

    fn unreachable_by(error: ConnectionError) -> Condition {
        Condition::Unreachable { host: Host::Name("jam.example.org".into()), port: 7000, error }
    }

    /// Each connection error says what to do, and names the server where that helps.
    #[test]
    fn connection_errors_say_what_to_do() {
        for (error, part) in [
            (
                ConnectionError::NameNotFound,
                "The server jam.example.org was not found. Check the link and your network.",
            ),
            (ConnectionError::NothingListens, "jam.example.org:7000"),
            (ConnectionError::NoNetwork, "Check your network"),
            (ConnectionError::NoInterface, "Name the interface"),
            (ConnectionError::NoAnswer, "TCP port 7000"),
            (ConnectionError::NotRtjam, "is not an RTJam server"),
            (ConnectionError::WrongServer, "is not the server that the invitation was made for"),
            (ConnectionError::Certificate("expired".into()), "(expired)"),
            (ConnectionError::Closed, "closed the connection"),
            (ConnectionError::System("too many open files".into()), "RTJam could not open a connection (too many"),
        ] {
            let told = english(&unreachable_by(error));
            assert!(told.contains(part), "{told}");
        }
        let scoped = Host::parse("[fe80::1]").expect("a host");
        let told = english(&Condition::Unreachable { host: scoped, port: 1, error: ConnectionError::NoInterface });
        assert!(told.contains("[fe80::1%25eth0]"), "{told}");
    }

    /// Conditions carry their port, link and limits into the text.
    #[test]
    fn conditions_show_their_data() {
        let link: InviteLink = "rtjam://jam.example.org/lobby#AQEHBwcHBwcHBwcHBwcHBwcH".parse().expect("a link");
        assert!(english(&Condition::Alone(link.clone())).ends_with(&link.to_string()));
        let blocked = english(&Condition::UdpBlocked { port: 7001 });
        assert!(blocked.contains("open UDP 7001 on the server, or ask your network administrator"), "{blocked}");
        assert!(english(&Condition::SmallDatagrams(800)).contains("800 bytes"));
        let Ok(Link::Legacy(server)) = "classic://band.example.org:7000".parse() else { panic!("not a legacy link") };
        let alone = english(&Condition::LegacyAlone(server.clone()));
        assert!(alone.contains("classic://band.example.org:7000") && alone.contains("neither private"), "{alone}");
        assert!(english(&Condition::LegacySilent(server)).contains("band.example.org, UDP port 7000"));
    }

    /// A refusal says when RTJam tries again, in both languages.
    #[test]
    fn refusals_say_when() {
        let often = Condition::Refused(Refused::after(Refusal::TooManyJoins, 12));
        assert!(english(&often).contains("again in 12 s"));
        assert!(condition(&often, Language::German).contains("in 12 s erneut"));
        let full = Refused::new(Refusal::RoomFull);
        assert_eq!(english(&Condition::Refused(full.clone())), full.to_string());
        assert!(condition(&Condition::Refused(full), Language::German).starts_with("Der Raum ist voll. RTJam tritt"));
    }

    /// Stalls are told in round figures, with what to do.
    #[test]
    fn stalls_are_told_in_round_figures() {
        let told = |ms, every_s| notice(&StatusNotice::Stalling(RoundedStalls { ms, every_s }), Language::English);
        assert!(told(4.0, 1.0).starts_with("Your computer stops audio for about 4 ms every second, "));
        assert!(told(10.0, 0.1).contains("about 10 ms several times a second"), "{}", told(10.0, 0.1));
        assert!(told(30.0, 5.0).contains("about 30 ms every 5 seconds"));
        assert!(told(4.0, 1.0).contains("performance power profile"));
        let ann =
            StatusNotice::MusicianStalling { name: "Ann".into(), stalls: RoundedStalls { ms: 4.0, every_s: 1.0 } };
        let told = [Language::English, Language::German].map(|language| notice(&ann, language));
        assert!(told[0].starts_with("Ann's computer stops audio for about 4 ms every second, "), "{}", told[0]);
        assert!(told[0].contains("Ask Ann to choose the performance power profile"), "{}", told[0]);
        assert!(told[1].starts_with("Der Computer von Ann hält den Ton jede Sekunde für etwa 4 ms an"), "{}", told[1]);
    }

    /// One legacy musician and several are told in grammar that fits.
    #[test]
    fn notices_name_musicians_and_files() {
        let names = |names: &[&str]| StatusNotice::LegacyMusicians(names.iter().map(|n| (*n).to_owned()).collect());
        assert!(notice(&names(&["Ann"]), Language::English).starts_with("Ann uses legacy rtjam packets"));
        assert!(notice(&names(&["Ann", "Bob"]), Language::English).starts_with("Ann, Bob use legacy rtjam packets"));
        let error = SlotFileError { path: "/x/slots.json".into(), reason: "no space".into() };
        let told = notice(&StatusNotice::SlotsNotSaved(error), Language::German);
        assert!(told.contains("/x/slots.json: no space"), "{told}");
    }
}
