//! What a musician is told, and what to do: one sentence at a time, the most urgent. All texts are here.

use crate::control::Trouble;
use rtjam_engine::StallPattern;
use rtjam_protocol::client::{ClientState, MediaHealth};
use rtjam_protocol::control::{Refusal, Refused};
use rtjam_protocol::datagram::MAX_DATAGRAM;
use rtjam_protocol::link::{DEFAULT_PORT, InviteLink, LegacyServer, Role};

/// All that a sentence can be about.
#[derive(Clone, Debug)]
pub(crate) struct Situation<'a> {
    pub(crate) link: &'a InviteLink,
    pub(crate) state: ClientState,
    pub(crate) health: Option<MediaHealth>,
    /// What went wrong with the last attempt to connect.
    pub(crate) trouble: Option<&'a Trouble>,
    pub(crate) refusal: Option<&'a Refused>,
    pub(crate) going_down: bool,
    /// The server drops part of what is sent here.
    pub(crate) over_rate: bool,
    /// Whether this jam was in the room before.
    pub(crate) was_joined: bool,
    /// The loop guard has muted the send.
    pub(crate) guarded: bool,
    /// The largest datagram that gets through.
    pub(crate) datagram_limit: usize,
    /// The port that media goes to.
    pub(crate) media_port: u16,
    /// Musicians in the room besides this one; `None` before that is known.
    pub(crate) others: Option<usize>,
    /// As what this end is in the room.
    pub(crate) role: Role,
}

impl Situation<'_> {
    /// The most urgent sentence, if there is anything to say.
    pub(crate) fn sentence(&self) -> Option<String> {
        match self.state {
            ClientState::Left => None,
            ClientState::Refused => Some(self.refused()),
            ClientState::Connecting => self.connecting(),
            ClientState::Joined => self.joined(),
        }
    }

    fn refused(&self) -> String {
        match (self.trouble, self.refusal) {
            (_, Some(refusal)) => refusal.to_string(),
            (Some(trouble), None) => self.about(trouble),
            (None, None) => Refusal::Unknown.to_string(),
        }
    }

    fn connecting(&self) -> Option<String> {
        if let Some(refusal) = self.refusal {
            return Some(refusal.to_string());
        }
        if self.health == Some(MediaHealth::Blocked) {
            return Some(self.blocked());
        }
        if self.going_down {
            return Some(GOING_DOWN.to_owned());
        }
        match self.trouble {
            Some(trouble) => Some(self.about(trouble)),
            None => self.was_joined.then(|| "The connection to the room was lost. RTJam is joining again.".to_owned()),
        }
    }

    fn joined(&self) -> Option<String> {
        if self.guarded {
            return Some(GUARDED.to_owned());
        }
        if self.going_down {
            return Some(GOING_DOWN.to_owned());
        }
        match self.health {
            Some(MediaHealth::Blocked) => return Some(self.blocked()),
            Some(MediaHealth::Interrupted) => {
                return Some(
                    "The network is interrupted: nothing comes from the room. RTJam goes on by itself as soon as it can."
                        .to_owned(),
                );
            }
            Some(MediaHealth::Opening | MediaHealth::Flowing) | None => {}
        }
        if self.over_rate {
            return Some(OVER_RATE.to_owned());
        }
        if self.role == Role::Listener {
            let nobody = if self.others == Some(0) { " Nobody plays yet." } else { "" };
            return Some(format!(
                "You listen: this link is for hearing the room, and nothing is sent from here.{nobody}"
            ));
        }
        if self.others == Some(0) {
            return Some(format!("You are alone in the room. Send this link: {}", self.link));
        }
        (self.datagram_limit < MAX_DATAGRAM).then(|| {
            format!(
                "Your network lets only datagrams up to {} bytes through: RTJam sends more and smaller packets. A VPN or \
                 a mobile network often does that; without it, the sound is steadier.",
                self.datagram_limit
            )
        })
    }

    fn blocked(&self) -> String {
        format!(
            "The room answers but audio does not get through: open UDP {} at the server, or ask your network.",
            self.media_port
        )
    }

    fn about(&self, trouble: &Trouble) -> String {
        let host = self.link.host.to_string();
        let server = if self.link.port == DEFAULT_PORT { host.clone() } else { format!("{host}:{}", self.link.port) };
        match trouble {
            Trouble::NotFound => not_found(&host),
            Trouble::NothingListens => format!(
                "Nothing answers at {server}: the room server does not run. Ask whoever runs it to start it. RTJam keeps \
                 trying."
            ),
            Trouble::NoNetwork => {
                format!("There is no way to {server} from here. Check your network. RTJam keeps trying.")
            }
            Trouble::NoInterface => format!(
                "{host} is an address of one network only: name your interface to that network in the link, as in \
                 {}%25eth0].",
                host.trim_end_matches(']')
            ),
            Trouble::Silent => format!(
                "The server {server} does not answer. Check your network, and ask whoever runs the server whether TCP \
                 port {} is open. RTJam keeps trying.",
                self.link.port
            ),
            Trouble::NotRtjam => format!(
                "What answers at {server} is no RTJam server. Check the link with whoever sent it. RTJam keeps trying."
            ),
            Trouble::WrongServer => format!(
                "What answers at {server} is not the server that the invitation was made for, so RTJam sends it nothing. \
                 RTJam keeps trying and joins when the right server is back. If the room has moved, ask whoever runs it for \
                 a new link."
            ),
            Trouble::Certificate(why) => format!(
                "The certificate of {host} is not valid ({why}). Check this computer's date, or ask whoever runs the \
                 server. RTJam keeps trying."
            ),
            Trouble::Lost => format!("The server {server} hung up. RTJam keeps trying."),
            Trouble::System(why) => {
                format!("This computer gives RTJam no connection ({why}). Close other programs. RTJam keeps trying.")
            }
        }
    }
}

/// All that a sentence can be about on a classic server.
#[derive(Clone, Debug)]
pub(crate) struct ClassicSituation<'a> {
    pub(crate) server: &'a LegacyServer,
    /// Something has come from the server within the last second.
    pub(crate) joined: bool,
    pub(crate) was_joined: bool,
    /// Its name has no address.
    pub(crate) not_found: bool,
    /// Nothing has come for so long that it is worth a word.
    pub(crate) silent: bool,
    /// The loop guard has muted the send.
    pub(crate) guarded: bool,
    /// Nobody else is heard there.
    pub(crate) alone: bool,
}

impl ClassicSituation<'_> {
    /// The most urgent sentence, if there is anything to say.
    pub(crate) fn sentence(&self) -> Option<String> {
        let LegacyServer { host, port } = self.server;
        let what = if self.joined && self.guarded {
            GUARDED.to_owned()
        } else if self.joined && self.alone {
            format!("You are alone at {}. {NOT_PRIVATE}", self.server)
        } else if self.joined {
            NOT_PRIVATE.to_owned()
        } else if self.not_found {
            not_found(&host.to_string())
        } else if self.was_joined {
            format!(
                "Nothing comes from the classic server {host} (UDP port {port}) any more. RTJam goes on by itself as soon as \
                 it is back."
            )
        } else if self.silent {
            format!(
                "Nothing answers by the classic packet at {host}, UDP port {port}. Ask whoever runs that server whether it \
                 runs and which port it has: mostly 7891, or what rtjam-server prints after \"classic:\". For a room of \
                 rtjam-server you can have an rtjam:// link instead. RTJam keeps trying."
            )
        } else {
            return None;
        };
        Some(what)
    }
}

/// What a classic server is worth.
const NOT_PRIVATE: &str = "This link is neither private nor authenticated: whoever is on the way can hear it, and play \
     in your name.";

const OVER_RATE: &str = "The room server drops part of your sound because RTJam sends more than 48,000 samples a second. \
     Check that your audio device really runs at the sample rate that it is set to, then join again.";

const GUARDED: &str = "RTJam stopped sending your sound: it went out loud and came back as loud, as in a feedback loop. Make \
     sure that what you hear from the room is not sent into it again, then resume sending.";

fn not_found(host: &str) -> String {
    format!("The server {host} was not found. Check the link and your network. RTJam keeps trying.")
}

const GOING_DOWN: &str = "The server is going down. RTJam joins again when it is back.";

/// The link cannot open a room.
pub(crate) const NO_KEY: &str =
    "This link names a room but does not open it: the part after # is missing. Ask for the whole invite link.";

/// Network threads could not be started.
pub(crate) fn no_threads(why: &std::io::Error) -> String {
    format!("This computer gives RTJam no threads ({why}). Close other programs and start RTJam again.")
}

/// The recorder could not write on.
pub(crate) fn no_trace(why: &std::io::Error) -> String {
    format!("The trace is not recorded any more ({why}). Make room on the disk and start RTJam again.")
}

/// A notice: for those who come by the classic packet; `None` where nobody does.
pub(crate) fn classic_musicians<'a>(names: impl Iterator<Item = &'a str>) -> Option<String> {
    let names: Vec<&str> = names.collect();
    let verb = if names.len() == 1 { "plays" } else { "play" };
    (!names.is_empty()).then(|| {
        format!(
            "{} {verb} by the classic rtjam packet: their link is neither private nor authenticated, and carries \
             what everyone here plays.",
            names.join(", ")
        )
    })
}

/// A notice: media threads run like any other.
pub(crate) const NO_PRIORITY: &str = "RTJam's network threads have no real-time priority, so a busy computer may be heard. To allow it: put the lines \
     \"@audio - rtprio 95\" and \"@audio - memlock unlimited\" into /etc/security/limits.d/audio.conf, add yourself to \
     the group (sudo usermod -aG audio $USER), and log in again.";

/// A notice: slots are not kept.
pub(crate) fn slots_not_kept(why: &str) -> String {
    format!("Who sits on which slot cannot be kept for next time ({why}). Make that file writable, or move it away.")
}

/// A notice: no socket for media.
pub(crate) fn no_socket(why: &std::io::Error) -> String {
    format!("This computer gives RTJam no socket for audio ({why}). Close other programs, or check the network.")
}

/// A notice: this computer stops audio again and again. Figures are rounded, so that it is the same sentence as long as the
/// stalls are alike.
pub(crate) fn stalling(stalling: &StallPattern) -> String {
    let ms = nearest(stalling.ms, &[2.0, 3.0, 4.0, 6.0, 8.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0, 200.0, 500.0]);
    let often = match nearest(stalling.every_s, &[0.1, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0]) {
        s if s < 1.0 => "several times a second".to_owned(),
        1.0 => "every second".to_owned(),
        s => format!("every {s} seconds"),
    };
    format!(
        "Your computer stops audio for about {ms} ms {often}: the others' sound has gaps or waits longer. Choose the \
         performance power profile, close other programs, or set a longer period."
    )
}

/// The nearest of some steps, by ratio.
fn nearest(value: f32, steps: &[f32]) -> f32 {
    let off = |step: f32| (value.max(1e-3) / step).ln().abs();
    steps.iter().copied().min_by(|a, b| off(*a).total_cmp(&off(*b))).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link() -> InviteLink {
        "rtjam://jam.example.org:7000/lobby#AQEHBwcHBwcHBwcHBwcHBwcH".parse().expect("a link")
    }

    fn joined(link: &InviteLink) -> Situation<'_> {
        Situation {
            link,
            state: ClientState::Joined,
            health: Some(MediaHealth::Flowing),
            trouble: None,
            refusal: None,
            going_down: false,
            over_rate: false,
            was_joined: true,
            guarded: false,
            datagram_limit: MAX_DATAGRAM,
            media_port: 7001,
            others: Some(2),
            role: Role::Musician,
        }
    }

    /// Stalls are said in figures that do not change while the stalls are alike, with what to do.
    #[test]
    fn stalls_are_said_in_round_figures() {
        let says = |ms, every_s| stalling(&StallPattern { ms, every_s });
        assert!(says(4.2, 0.98).starts_with("Your computer stops audio for about 4 ms every second: "));
        assert_eq!(says(4.2, 0.98), says(3.9, 1.1));
        assert!(says(12.0, 0.25).contains("about 10 ms several times a second"), "{}", says(12.0, 0.25));
        assert!(says(33.0, 5.2).contains("about 30 ms every 5 seconds"));
        assert!(says(4.0, 1.0).contains("performance power profile"));
    }

    #[test]
    fn a_listener_is_told_that_nothing_is_sent() {
        let link = link();
        let listens = Situation { role: Role::Listener, ..joined(&link) };
        says(&listens, "You listen");
        says(&Situation { others: Some(0), ..listens.clone() }, "Nobody plays yet");
        says(&Situation { health: Some(MediaHealth::Interrupted), ..listens }, "interrupted");
    }

    /// Who sends too much is told what to check.
    #[test]
    fn too_much_sound_is_explained() {
        let link = link();
        says(&Situation { over_rate: true, ..joined(&link) }, "drops part of your sound");
    }

    #[track_caller]
    fn says(situation: &Situation<'_>, part: &str) {
        let sentence = situation.sentence();
        assert!(sentence.as_ref().is_some_and(|s| s.contains(part)), "{sentence:?}");
    }

    #[test]
    fn nothing_is_said_while_all_is_well() {
        let link = link();
        assert_eq!(joined(&link).sentence(), None);
        assert_eq!(Situation { others: None, ..joined(&link) }.sentence(), None);
        let connecting = Situation { state: ClientState::Connecting, was_joined: false, ..joined(&link) };
        assert_eq!(connecting.sentence(), None);
    }

    #[test]
    fn whoever_is_alone_gets_the_link_to_send() {
        let link = link();
        says(&Situation { others: Some(0), ..joined(&link) }, &link.to_string());
    }

    #[test]
    fn blocked_udp_is_told_with_the_port_also_between_two_tries() {
        let link = link();
        let blocked = Situation { health: Some(MediaHealth::Blocked), others: Some(0), ..joined(&link) };
        says(&blocked, "open UDP 7001 at the server");
        says(&Situation { state: ClientState::Connecting, ..blocked }, "open UDP 7001 at the server");
    }

    #[test]
    fn the_loop_guard_goes_before_all_else_in_the_room() {
        let link = link();
        let guarded = Situation { guarded: true, health: Some(MediaHealth::Interrupted), ..joined(&link) };
        says(&guarded, "resume sending");
    }

    #[test]
    fn every_trouble_says_what_to_do_and_names_the_server_where_that_helps() {
        let link = link();
        for (trouble, part) in [
            (Trouble::NotFound, "The server jam.example.org was not found. Check the link and your network."),
            (Trouble::NothingListens, "jam.example.org:7000"),
            (Trouble::NoNetwork, "Check your network"),
            (Trouble::NoInterface, "name your interface"),
            (Trouble::Silent, "TCP port 7000"),
            (Trouble::NotRtjam, "no RTJam server"),
            (Trouble::WrongServer, "is not the server that the invitation was made for, so RTJam sends it nothing"),
            (Trouble::Certificate("expired".into()), "(expired)"),
            (Trouble::Lost, "hung up"),
            (Trouble::System("too many open files".into()), "too many open files"),
        ] {
            says(&Situation { state: ClientState::Connecting, trouble: Some(&trouble), ..joined(&link) }, part);
            // In the room a failed dial beside the media path is nobody's concern.
            assert_eq!(Situation { trouble: Some(&trouble), ..joined(&link) }.sentence(), None);
        }
    }

    #[test]
    fn a_refusal_is_told_in_its_own_words_for_good_or_for_now() {
        let link = link();
        let refused = Refused::new(Refusal::RoomFull);
        let full = Situation { state: ClientState::Connecting, refusal: Some(&refused), ..joined(&link) };
        says(&full, &Refusal::RoomFull.to_string());
        says(&Situation { state: ClientState::Refused, ..full }, &Refusal::RoomFull.to_string());
        let often = Refused::after(Refusal::TooManyJoins, 12);
        says(&Situation { state: ClientState::Connecting, refusal: Some(&often), ..joined(&link) }, "again in 12 s");
        for (reason, part) in [
            (Refusal::SecretRenewed, "Ask whoever runs the room for a new link."),
            (Refusal::Kicked, "Talk to them; after that you can join again."),
            (Refusal::Banned, "Talk to whoever runs it."),
        ] {
            let refused = Refused::new(reason);
            says(&Situation { state: ClientState::Refused, refusal: Some(&refused), ..joined(&link) }, part);
        }
        let crowd = Refused::after(Refusal::TooManyFromNetwork, 40);
        says(&Situation { state: ClientState::Connecting, refusal: Some(&crowd), ..joined(&link) }, "again in 40 s");
    }

    #[test]
    fn a_server_that_said_that_it_goes_is_waited_for_and_a_narrow_path_is_told() {
        let link = link();
        let gone = Situation {
            state: ClientState::Connecting,
            going_down: true,
            trouble: Some(&Trouble::NothingListens),
            ..joined(&link)
        };
        says(&gone, "joins again when it is back");
        says(&Situation { state: ClientState::Joined, ..gone }, "joins again when it is back");
        says(&Situation { datagram_limit: 800, ..joined(&link) }, "only datagrams up to 800 bytes");
        says(&Situation { health: Some(MediaHealth::Interrupted), ..joined(&link) }, "interrupted");
        says(&Situation { state: ClientState::Connecting, ..joined(&link) }, "joining again");
    }

    #[test]
    fn a_classic_server_is_said_to_be_neither_private_nor_authenticated_and_where_it_is_silent_what_to_do() {
        let rtjam_protocol::link::Link::Legacy(server) = "classic://band.example.org:7000".parse().expect("a link")
        else {
            panic!("no classic link")
        };
        let well = ClassicSituation {
            server: &server,
            joined: true,
            was_joined: true,
            not_found: false,
            silent: false,
            guarded: false,
            alone: false,
        };
        let away = ClassicSituation { joined: false, was_joined: false, ..well.clone() };
        for (situation, part) in [
            (well.clone(), "neither private nor authenticated"),
            (ClassicSituation { alone: true, ..well.clone() }, "alone at classic://band.example.org:7000"),
            (ClassicSituation { alone: true, ..well.clone() }, "neither private nor authenticated"),
            (ClassicSituation { guarded: true, ..well.clone() }, "resume sending."),
            (ClassicSituation { joined: false, ..well.clone() }, "goes on by itself"),
            (ClassicSituation { silent: true, ..away.clone() }, "band.example.org, UDP port 7000"),
            (ClassicSituation { not_found: true, silent: true, ..away.clone() }, "was not found"),
        ] {
            let sentence = situation.sentence();
            assert!(sentence.as_ref().is_some_and(|s| s.contains(part)), "{sentence:?}");
        }
        assert_eq!(away.sentence(), None);
    }
}
