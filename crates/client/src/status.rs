//! How the client stands: what programs print and faces draw.

use crate::sentences;
use crate::shared::{Counts, Hops, Picture};
use rtjam_engine::{Console, Level, VoiceReading};
use rtjam_protocol::SourceId;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::datagram::MixedMusician;
use rtjam_protocol::link::Role;
use serde::Serialize;

/// Where the session stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not in a room, and not asked to be.
    #[default]
    Offline,
    /// On the way into the room, for the first time or again.
    Connecting,
    /// In the room.
    Joined,
    /// The room is closed to this link. Only another `join` changes that.
    Refused,
}

/// A snapshot. Its JSON is a contract: fields are added, never renamed. Counts are since joining; what is unknown is
/// null; levels are RMS in dBFS, −120 for silence.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// Where the session stands.
    pub state: State,
    /// The room's name; of a classic server its link.
    pub room: Option<String>,
    /// The server speaks the classic packet: this link is neither private nor authenticated.
    pub classic: bool,
    /// Round trip to the server, in ms.
    pub rtt_ms: Option<f64>,
    /// Dropouts of the audio system. The client cannot know; whoever runs the audio system fills it in.
    pub xruns: Option<u64>,
    /// From a microphone into the audio system and from there to the loudspeaker, in ms, as the audio system says.
    /// The client cannot know; whoever runs the audio system fills it in.
    pub device_ms: Option<f32>,
    /// Share of a block's time that the audio callback takes, in %.
    pub callback_load_pct: Option<f32>,
    /// How often the audio system kept the callback waiting, since the start, and how it goes on.
    pub stalls: Stalls,
    /// What this musician sends.
    pub tx: Tx,
    /// What the server sends.
    pub rx: Rx,
    /// Everyone else in the room, by their number there.
    pub musicians: Vec<Musician>,
    /// How the others see this musician.
    pub you: Option<You>,
    /// As what this end is in the room: `musician` sends and hears, `listener` hears.
    pub role: Option<Role>,
    /// How many listen, this end among them where it does.
    pub listeners: u16,
    /// What of the others the server sends: everyone `separate`, or `one` mix.
    pub mix: DownstreamMode,
    /// How long sound waits at the server before it is mixed, in ms, on average; `None` where it is not, or not known yet.
    /// The rest of a mix's way is as that of one musician.
    pub mix_delay_ms: Option<f32>,
    /// The mix as it comes here; `None` where there is none.
    pub mix_stream: Option<MixStream>,
    /// What to tell the musician now, if anything: what is the matter and what to do.
    pub sentence: Option<String>,
    /// Lesser things that are worth a line once.
    pub notices: Vec<String>,
}

/// Times at which this computer kept the audio callback waiting: for 1.5 ms and half a period, or longer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stalls {
    /// How many there were since the start.
    pub count: u64,
    /// How long each of them lasts at the moment, in ms; `None` where they do not go on.
    pub ms: Option<f32>,
    /// From one to the next, in s; `None` where they do not go on.
    pub every_s: Option<f32>,
}

/// What this musician sends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tx {
    /// Audio datagrams sent.
    pub packets: u64,
    /// Audio packets that were made in the room and not sent.
    pub dropped: u64,
    /// A level a channel.
    pub dbfs: [f32; 2],
    /// Datagrams that did not reach the server, as the server says; since the session began, as are the next.
    pub lost: u64,
    /// Audio packets that reached it only because they were sent again.
    pub recovered: u64,
    /// What is sent again at the moment, in kbit/s: never more than the audio itself.
    pub extra_kbps: f64,
    /// Datagrams that the server dropped because this end sent more than one musician plays.
    pub over_rate: u64,
}

/// What the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Rx {
    /// Datagrams of the server that did not come; since the session began.
    pub lost: u64,
    /// Packets of everyone who is heard now that only recovery brought, on the way to the server or from it: the sum of
    /// the musicians' and the mix's.
    pub recovered: u64,
    /// What the server sends again at the moment, in kbit/s: never more than the audio itself.
    pub extra_kbps: f64,
}

/// Somebody else in the room.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Musician {
    /// Their slot output, 1 to 12; `None` where more than 12 musicians are in the room.
    pub slot: Option<u8>,
    /// Their name.
    pub name: String,
    /// Packets that came.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came too late to be heard.
    pub late: u64,
    /// Packets that only recovery brought.
    pub recovered: u64,
    /// Frames that were made up.
    pub concealed_frames: u64,
    /// How long their sound waits here, in ms; `None` before they were heard.
    pub playout_delay_ms: Option<f32>,
    /// The parts of the delay of their sound.
    pub delay: Delay,
    /// Sound that was made up lately, in ms a minute.
    pub concealed_ms_per_min: f32,
    /// A level a channel: as it comes here, or as the server mixes it, before the gains set here.
    pub dbfs: [f32; 2],
    /// A peak a channel, falling by 20 dB a second, in dBFS.
    pub peak_dbfs: [f32; 2],
    /// Their strip in the mixer, 0 to 31; `None` where more than 32 musicians are in the room.
    pub strip: Option<u8>,
    /// Their number in the room.
    pub source: u16,
    /// They come by the classic packet: neither private nor authenticated.
    pub classic: bool,
    /// Whether the server sends them here; where more musicians play than one can hear, some are not.
    pub heard: bool,
}

/// The server's mix, as it comes here. Counts are since the first one.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MixStream {
    /// Packets that came.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came too late to be heard.
    pub late: u64,
    /// Packets that only recovery brought.
    pub recovered: u64,
    /// Frames that were made up.
    pub concealed_frames: u64,
    /// How long the mix waits here, in ms.
    pub playout_delay_ms: f32,
    /// A level a side.
    pub dbfs: [f32; 2],
}

impl MixStream {
    fn of(voice: &VoiceReading) -> MixStream {
        MixStream {
            packets: voice.packets,
            lost: voice.lost,
            late: voice.late,
            recovered: voice.recovered,
            concealed_frames: voice.concealed_frames,
            playout_delay_ms: tenths(voice.playout_delay_ms),
            dbfs: dbfs(&voice.levels),
        }
    }
}

/// The parts of the delay from a musician to here, in ms; `None` where a part is not known (yet).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Delay {
    /// Their end gathers a packet's sound before it sends.
    pub packet_ms: Option<f32>,
    /// The wait at the server before they are mixed; `None` where they come separately.
    pub mix_ms: Option<f32>,
    /// The way from the server to here: half the round trip. Their own way to the server is not in it.
    pub network_ms: Option<f32>,
    /// The wait here until packets that take longer are in: `playout_delay_ms`, or that of the mix.
    pub buffer_ms: Option<f32>,
}

impl Delay {
    /// All that is known, together. `None` before they were heard.
    pub fn known_ms(&self) -> Option<f32> {
        let parts = [self.packet_ms, self.mix_ms, self.network_ms];
        Some(self.buffer_ms? + parts.into_iter().flatten().sum::<f32>())
    }
}

/// How the others see this musician.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct You {
    /// The name.
    pub name: String,
    /// The number in the room.
    pub source: u16,
}

impl Status {
    /// How things stand where there is no client yet.
    pub fn offline(console: &Console) -> Status {
        Status::assemble(&Picture::default(), console, Counts::default())
    }

    /// What `jam-send` last told, and what the meters say now. `since`: where the counts of sending stood at joining.
    pub(crate) fn assemble(picture: &Picture, console: &Console, sent: Counts) -> Status {
        let engine = console.engine();
        let tx = console.tx();
        let Hops { up, down } = picture.hops;
        let musicians: Vec<Musician> =
            picture.musicians.iter().map(|present| musician(present, picture, console)).collect();
        let mix_stream = mix_of(console).as_ref().map(MixStream::of);
        let mut notices = picture.notices.clone();
        // Where all are, because the server is, the sentence says so.
        let classic = picture.musicians.iter().filter(|m| m.classic && !picture.classic).map(|m| m.name.as_str());
        notices.extend(sentences::classic_musicians(classic));
        notices.extend(engine.notice.map(|n| n.to_string()));
        notices.extend(engine.stalling.map(|s| sentences::stalling(&s)));
        Status {
            state: picture.state,
            room: picture.room.clone(),
            classic: picture.classic,
            rtt_ms: picture.rtt.map(|rtt| (rtt.as_millis_f64() * 100.0).round() / 100.0),
            xruns: None,
            device_ms: None,
            callback_load_pct: (engine.calls > 0).then_some(tenths(engine.callback_load_pct)),
            stalls: Stalls {
                count: engine.stalls,
                ms: engine.stalling.map(|s| tenths(s.ms)),
                every_s: engine.stalling.map(|s| tenths(s.every_s)),
            },
            tx: Tx {
                packets: sent.packets.saturating_sub(picture.sent_before.packets),
                dropped: sent.dropped.saturating_sub(picture.sent_before.dropped),
                dbfs: dbfs(&tx.levels),
                lost: up.lost,
                recovered: up.recovered,
                extra_kbps: up.extra_kbps.round(),
                over_rate: picture.over_rate,
            },
            rx: Rx {
                lost: down.lost,
                recovered: musicians.iter().map(|m| m.recovered).chain(mix_stream.map(|m| m.recovered)).sum(),
                extra_kbps: down.extra_kbps.round(),
            },
            musicians,
            you: picture.you.clone(),
            role: picture.role,
            listeners: picture.listeners,
            mix: picture.mix.mode,
            mix_delay_ms: picture.mix.wait_us.map(|us| tenths(us as f32 / 1000.0)),
            mix_stream,
            sentence: picture.sentence.clone(),
            notices,
        }
    }
}

/// The mix, where it comes.
fn mix_of(console: &Console) -> Option<VoiceReading> {
    console.voice(SourceId::MIX).filter(|v| v.active)
}

fn musician(present: &crate::shared::Present, picture: &Picture, console: &Console) -> Musician {
    let voice = console.voice(present.source);
    let now = voice.as_ref().map(crate::shared::Heard::of).unwrap_or_default();
    let since = now.since(&present.heard_before);
    let heard = voice.filter(|_| since.packets > 0);
    let waits = |voice: VoiceReading| tenths(voice.playout_delay_ms);
    // Who is in a mix does not come here: what is known of them the server says.
    let mixed = picture.mixed.iter().find(|m| m.source == present.source);
    let levels = match mixed {
        Some(MixedMusician { rms, peak, .. }) => [0, 1].map(|channel| Level::from_wire(rms[channel], peak[channel])),
        None => voice.filter(|v| v.active).map_or([Level::SILENT; 2], |v| v.levels),
    };
    let strip = present.strip.and_then(|s| u8::try_from(s).ok());
    Musician {
        slot: strip.filter(|s| usize::from(*s) < rtjam_engine::SLOTS).map(|s| s + 1),
        name: present.name.clone(),
        packets: since.packets,
        lost: since.lost,
        late: since.late,
        recovered: since.recovered,
        concealed_frames: since.concealed_frames,
        playout_delay_ms: heard.map(waits),
        delay: Delay {
            packet_ms: match mixed {
                Some(mixed) => Some(tenths(f32::from(mixed.frames) / 48.0)),
                None => heard.map(|v| tenths(v.packet_ms)),
            },
            mix_ms: mixed.map(|m| tenths(m.wait.as_millis_f64() as f32)),
            network_ms: picture.rtt.map(|rtt| tenths(rtt.as_millis_f64() as f32 / 2.0)),
            buffer_ms: if mixed.is_some() { mix_of(console) } else { heard }.map(waits),
        },
        concealed_ms_per_min: heard.map_or(0.0, |v| tenths(v.concealed_ms_per_min)),
        dbfs: dbfs(&levels),
        peak_dbfs: levels.map(|level| tenths(level.peak_dbfs)),
        strip,
        source: present.source.0,
        classic: present.classic,
        heard: picture.mix.mode == DownstreamMode::Mixed || !picture.unheard.contains(&present.source),
    }
}

fn dbfs(levels: &[Level; 2]) -> [f32; 2] {
    levels.each_ref().map(|level| tenths(level.rms_dbfs))
}

/// More digits would only make the lines longer.
fn tenths(value: f32) -> f32 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shared::{Heard, Hop, Present};
    use rtjam_protocol::Micros;
    use rtjam_protocol::audio::Peak;
    use rtjam_protocol::control::MixState;

    fn present(strip: Option<usize>) -> Present {
        Present { source: SourceId(7), name: "Bob".into(), strip, classic: false, heard_before: Heard::default() }
    }

    fn status(picture: &Picture, sent: Counts) -> Status {
        let (_engine, _network, console) = rtjam_engine::engine(1, || {});
        Status::assemble(picture, &console, sent)
    }

    #[test]
    fn the_json_has_the_fields_that_programs_rely_on() {
        let picture = Picture {
            state: State::Joined,
            room: Some("lobby".into()),
            rtt: Some(Micros(12_345)),
            musicians: vec![present(Some(2))],
            role: Some(Role::Listener),
            listeners: 2,
            mix: MixState { mode: DownstreamMode::Mixed, wait_us: Some(1500) },
            sent_before: Counts { packets: 100, dropped: 1 },
            hops: Hops { up: Hop { lost: 7, recovered: 6, extra_kbps: 31.4 }, down: Hop { lost: 2, ..Hop::default() } },
            over_rate: 9,
            ..Picture::default()
        };
        let mut json = serde_json::to_value(status(&picture, Counts { packets: 150, dropped: 4 })).expect("JSON");
        let network = json["musicians"][0]["delay"]["network_ms"].take().as_f64().expect("known");
        assert!((network - 6.2).abs() < 0.01, "{network}");
        let expected = serde_json::json!({
            "state": "joined", "room": "lobby", "classic": false, "rtt_ms": 12.35, "xruns": null, "device_ms": null, "callback_load_pct": null,
            "stalls": {"count": 0, "ms": null, "every_s": null},
            "tx": {
                "packets": 50, "dropped": 3, "dbfs": [-120.0, -120.0], "lost": 7, "recovered": 6, "extra_kbps": 31.0,
                "over_rate": 9
            },
            "rx": {"lost": 2, "recovered": 0, "extra_kbps": 0.0},
            "musicians": [{
                "slot": 3, "name": "Bob", "packets": 0, "lost": 0, "late": 0, "recovered": 0, "concealed_frames": 0,
                "playout_delay_ms": null,
                "delay": {"packet_ms": null, "mix_ms": null, "network_ms": null, "buffer_ms": null},
                "concealed_ms_per_min": 0.0, "dbfs": [-120.0, -120.0], "peak_dbfs": [-120.0, -120.0], "strip": 2, "source": 7, "classic": false, "heard": true
            }],
            "you": null, "role": "listener", "listeners": 2, "mix": "one", "mix_delay_ms": 1.5,
            "mix_stream": null, "sentence": null, "notices": ["The host has not started audio yet."]
        });
        assert_eq!(json, expected);
    }

    /// Whom the server does not send is not heard, except in a mix, which has everyone.
    #[test]
    fn whom_the_server_does_not_send_is_not_heard() {
        let musicians = vec![present(Some(2)), Present { source: SourceId(8), ..present(Some(3)) }];
        let picture = Picture { musicians, unheard: vec![SourceId(8)], ..Picture::default() };
        let heard = |picture: &Picture| -> Vec<bool> {
            status(picture, Counts::default()).musicians.iter().map(|m| m.heard).collect()
        };
        assert_eq!(heard(&picture), [true, false]);
        let mix = MixState { mode: DownstreamMode::Mixed, wait_us: None };
        assert_eq!(heard(&Picture { mix, ..picture }), [true, true]);
    }

    #[test]
    fn of_who_is_in_a_mix_the_server_says_the_level_and_the_wait() {
        let of = |left, right| [Peak(left), Peak(right)];
        let bob = MixedMusician {
            source: SourceId(7),
            wait: Micros(1_350),
            frames: 64,
            rms: of(3277, 0),
            peak: of(16_384, 0),
        };
        let picture = Picture {
            musicians: vec![present(Some(2)), Present { source: SourceId(8), ..present(Some(3)) }],
            rtt: Some(Micros(10_000)),
            mix: MixState { mode: DownstreamMode::Mixed, wait_us: Some(1_350) },
            mixed: vec![bob],
            ..Picture::default()
        };
        let told = status(&picture, Counts::default());
        let [bob, other] = &told.musicians[..] else { panic!("{:?}", told.musicians) };
        assert_eq!((bob.dbfs, bob.peak_dbfs), ([-20.0, -120.0], [-6.0, -120.0]));
        let delay = Delay { packet_ms: Some(1.3), mix_ms: Some(1.4), network_ms: Some(5.0), buffer_ms: None };
        assert_eq!((bob.delay, bob.packets), (delay, 0));
        assert_eq!((other.dbfs, other.delay.mix_ms), ([-120.0; 2], None));
        let delay = Delay { buffer_ms: Some(2.0), ..delay };
        assert!((delay.known_ms().expect("known") - 9.7).abs() < 0.01);
    }

    #[test]
    fn classic_musicians_are_said_to_be_neither_private_nor_authenticated() {
        let classic = Present { classic: true, name: "Classic 17".into(), ..present(None) };
        let told = status(&Picture { musicians: vec![classic], ..Picture::default() }, Counts::default());
        assert!(told.musicians[0].classic);
        assert!(
            told.notices[0].contains("Classic 17") && told.notices[0].contains("neither private nor authenticated")
        );
        let classic = Present { classic: true, ..present(None) };
        let told =
            status(&Picture { classic: true, musicians: vec![classic], ..Picture::default() }, Counts::default());
        assert!(told.classic && told.notices.iter().all(|n| !n.contains("private")), "said once, by the sentence");
    }

    #[test]
    fn beyond_twelve_there_is_no_slot_and_beyond_thirty_two_no_strip() {
        let musicians = vec![present(Some(11)), present(Some(12)), present(None)];
        let told = status(&Picture { musicians, ..Picture::default() }, Counts::default());
        let places: Vec<_> = told.musicians.iter().map(|m| (m.slot, m.strip)).collect();
        assert_eq!(places, [(Some(12), Some(11)), (None, Some(12)), (None, None)]);
        assert_eq!((told.state, told.room), (State::Offline, None));
    }

    #[test]
    fn counts_are_since_joining_and_a_voice_that_began_again_counts_whole() {
        let before = Heard { packets: 10, lost: 2, ..Heard::default() };
        let later = Heard { packets: 15, lost: 2, late: 1, ..Heard::default() };
        assert_eq!(later.since(&before), Heard { packets: 5, late: 1, ..Heard::default() });
        let again = Heard { packets: 4, lost: 1, ..Heard::default() };
        assert_eq!(again.since(&before), again);
    }
}
