//! The client's status: what programs print and user interfaces draw.

use crate::condition::{Condition, RoundedStalls, StatusNotice};
use crate::snapshot::{Hops, Present, SendCounts, SessionState, Snapshot, You};
use crate::voice_counts::VoiceCounts;
use rtjam_engine::{Console, Level, SILENCE_DBFS, VoiceReading};
use rtjam_protocol::SourceId;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::datagram::MixedMusician;
use rtjam_protocol::link::Role;
use serde::Serialize;

/// A snapshot of the client. Its JSON is a contract: fields are added, never renamed. Counts start when the room is
/// joined, unknown values are null, and levels are RMS in dBFS, −120 for silence.
///
/// [`Status::condition`] and [`Status::notices`] are not serialized here: whoever writes the JSON adds them as text
/// (`sentence`, `notices`).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Status {
    /// State of the session.
    pub state: SessionState,
    /// Name of the room, or link of the legacy server.
    pub room: Option<String>,
    /// The server speaks legacy packets: the link is neither private nor authenticated.
    #[serde(rename = "classic")]
    pub legacy: bool,
    /// Round-trip time to the server, in ms.
    pub rtt_ms: Option<f64>,
    /// Xruns of the audio system. Filled in by the program that runs it.
    pub xruns: Option<u64>,
    /// Input and output latency of the audio device together, in ms. Filled in by the program that runs it.
    pub device_ms: Option<f32>,
    /// Share of a period that the audio callback takes, in %.
    pub callback_load_pct: Option<f32>,
    /// Stalls of the audio callback on this computer.
    pub stalls: Stalls,
    /// What this musician sends.
    pub tx: Tx,
    /// What the server sends.
    pub rx: Rx,
    /// Everyone else in the room, by source number.
    pub musicians: Vec<Musician>,
    /// How the others see this musician.
    pub you: Option<You>,
    /// Role in the room: a `musician` sends and hears, a `listener` hears.
    pub role: Option<Role>,
    /// Number of listeners in the room, including this client if it is one.
    pub listeners: u16,
    /// The downstream: forwarded sources (`separate`) or `one` mix.
    pub mix: DownstreamMode,
    /// Average time that audio waits at the server before it is mixed, in ms. The mix then travels like one musician's
    /// audio.
    pub mix_delay_ms: Option<f32>,
    /// The mix as it is received, if there is one.
    pub mix_stream: Option<MixStream>,
    /// The most urgent thing to tell the musician.
    #[serde(skip)]
    pub condition: Option<Condition>,
    /// Less urgent things that are worth telling once.
    #[serde(skip)]
    pub notices: Vec<StatusNotice>,
}

/// Stalls: this computer delayed the audio callback by at least 1.5 ms and half a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Stalls {
    /// Number of stalls since the start.
    pub count: u64,
    /// Current length of a stall, in ms; `None` unless stalls keep occurring.
    pub ms: Option<f32>,
    /// Current time between two stalls, in s; `None` unless stalls keep occurring.
    pub every_s: Option<f32>,
}

/// What this musician sends.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Tx {
    /// Audio datagrams sent.
    pub packets: u64,
    /// Audio packets that were made in the room but not sent.
    pub dropped: u64,
    /// Level of each channel.
    pub dbfs: [f32; 2],
    /// Datagrams lost on the way to the server, by its count in this session.
    pub lost: u64,
    /// Audio packets that reached the server only by retransmission in this session.
    pub recovered: u64,
    /// Current rate of retransmissions in kbit/s, at most that of the audio itself.
    pub extra_kbps: f64,
    /// Datagrams that the server dropped because this client sent more than one musician may.
    pub over_rate: u64,
}

impl Default for Tx {
    fn default() -> Tx {
        let dbfs = [SILENCE_DBFS; 2];
        Tx { packets: 0, dropped: 0, dbfs, lost: 0, recovered: 0, extra_kbps: 0.0, over_rate: 0 }
    }
}

/// What the server sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Rx {
    /// Datagrams of the server that were lost in this session.
    pub lost: u64,
    /// Audio packets recovered by retransmission on either hop: the sum over musicians and mix.
    pub recovered: u64,
    /// Current rate of the server's retransmissions in kbit/s, at most that of the audio itself.
    pub extra_kbps: f64,
}

/// Another musician in the room.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Musician {
    /// Aux output, 1 to 12; `None` beyond twelve musicians.
    pub slot: Option<u8>,
    /// Display name.
    pub name: String,
    /// Counts since both were in the room.
    #[serde(flatten)]
    pub counts: VoiceCounts,
    /// Playout delay in ms; `None` before any audio.
    pub playout_delay_ms: Option<f32>,
    /// The parts of the delay from this musician to here.
    pub delay: Delay,
    /// Recently concealed audio, in ms per minute.
    pub concealed_ms_per_min: f32,
    /// Level of each channel as received, or in the server's mix before the gains set here.
    pub dbfs: [f32; 2],
    /// Peak of each channel in dBFS, falling by 20 dB/s.
    pub peak_dbfs: [f32; 2],
    /// Mixer strip, 0 to 31; `None` beyond 32 musicians.
    pub strip: Option<u8>,
    /// Source number in the room.
    pub source: u16,
    /// Uses legacy packets: neither private nor authenticated.
    #[serde(rename = "classic")]
    pub legacy: bool,
    /// Whether the server sends this musician here. If more play than it forwards, some are not sent.
    pub heard: bool,
    /// Stalls of this musician's computer, as it reports them; `None` unless they keep occurring.
    pub stalls: Option<RoundedStalls>,
}

impl Default for Musician {
    /// A musician without a name, strip or audio.
    fn default() -> Musician {
        Musician {
            slot: None,
            name: String::new(),
            counts: VoiceCounts::default(),
            playout_delay_ms: None,
            delay: Delay::default(),
            concealed_ms_per_min: 0.0,
            dbfs: [SILENCE_DBFS; 2],
            peak_dbfs: [SILENCE_DBFS; 2],
            strip: None,
            source: 0,
            legacy: false,
            heard: true,
            stalls: None,
        }
    }
}

/// The server's mix as it is received.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MixStream {
    /// Counts since the first mix.
    #[serde(flatten)]
    pub counts: VoiceCounts,
    /// Playout delay in ms.
    pub playout_delay_ms: f32,
    /// Level of each channel.
    pub dbfs: [f32; 2],
}

impl MixStream {
    fn of(voice: &VoiceReading) -> MixStream {
        MixStream {
            counts: VoiceCounts::of(voice),
            playout_delay_ms: tenths(voice.playout_delay_ms),
            dbfs: dbfs(&voice.levels),
        }
    }
}

/// The parts of the delay from a musician to here, in ms; `None` where a part is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Delay {
    /// Time to fill a packet at the sender.
    pub packet_ms: Option<f32>,
    /// Wait at the server before mixing; `None` while sources are forwarded.
    pub mix_ms: Option<f32>,
    /// One-way delay from the server to here: half the round-trip time. The sender's way to the server is not included.
    pub network_ms: Option<f32>,
    /// Playout delay here: the musician's, or that of the mix.
    pub buffer_ms: Option<f32>,
}

impl Delay {
    /// The sum of the known parts; `None` before any audio.
    pub fn known_ms(&self) -> Option<f32> {
        let parts = [self.packet_ms, self.mix_ms, self.network_ms];
        Some(self.buffer_ms? + parts.into_iter().flatten().sum::<f32>())
    }
}

impl Status {
    /// The status without a client.
    pub fn offline(console: &Console) -> Status {
        Status::assemble(&Snapshot::default(), console, SendCounts::default())
    }

    /// Combines the last snapshot with the engine's current readings. `sent` counts since the client was made.
    pub(crate) fn assemble(snapshot: &Snapshot, console: &Console, sent: SendCounts) -> Status {
        let engine = console.engine();
        let tx = console.tx();
        let Hops { up, down } = snapshot.hops;
        let musicians: Vec<Musician> =
            snapshot.musicians.iter().map(|present| musician(present, snapshot, console)).collect();
        let mix_stream = mix_voice(console).as_ref().map(MixStream::of);
        let mut notices = snapshot.notices.clone();
        // On a legacy server the condition says it of everyone.
        let legacy = snapshot.musicians.iter().filter(|m| m.legacy && !snapshot.legacy);
        let legacy: Vec<String> = legacy.map(|m| m.name.clone()).collect();
        notices.extend((!legacy.is_empty()).then_some(StatusNotice::LegacyMusicians(legacy)));
        notices.extend(engine.notice.map(StatusNotice::Engine));
        notices.extend(engine.stalling.map(|s| StatusNotice::Stalling(RoundedStalls::rounded(&s))));
        let stalling = musicians.iter().filter_map(|m| Some((m.name.clone(), m.stalls?)));
        notices.extend(stalling.map(|(name, stalls)| StatusNotice::MusicianStalling { name, stalls }));
        Status {
            state: snapshot.state,
            room: snapshot.room.clone(),
            legacy: snapshot.legacy,
            rtt_ms: snapshot.rtt.map(|rtt| (rtt.as_millis_f64() * 100.0).round() / 100.0),
            xruns: None,
            device_ms: None,
            callback_load_pct: (engine.calls > 0).then_some(tenths(engine.callback_load_pct)),
            stalls: Stalls {
                count: engine.stalls,
                ms: engine.stalling.map(|s| tenths(s.ms)),
                every_s: engine.stalling.map(|s| tenths(s.every_s)),
            },
            tx: Tx {
                packets: sent.packets.saturating_sub(snapshot.sent_before.packets),
                dropped: sent.dropped.saturating_sub(snapshot.sent_before.dropped),
                dbfs: dbfs(&tx.levels),
                lost: up.lost,
                recovered: up.recovered,
                extra_kbps: up.extra_kbps.round(),
                over_rate: snapshot.over_rate,
            },
            rx: Rx {
                lost: down.lost,
                recovered: musicians
                    .iter()
                    .map(|m| m.counts)
                    .chain(mix_stream.map(|m| m.counts))
                    .map(|c| c.recovered)
                    .sum(),
                extra_kbps: down.extra_kbps.round(),
            },
            musicians,
            you: snapshot.you.clone(),
            role: snapshot.role,
            listeners: snapshot.listeners,
            mix: snapshot.mix.mode,
            mix_delay_ms: snapshot.mix.wait_us.map(|us| tenths(us as f32 / 1000.0)),
            mix_stream,
            condition: snapshot.condition.clone(),
            notices,
        }
    }
}

fn mix_voice(console: &Console) -> Option<VoiceReading> {
    console.voice(SourceId::MIX).filter(|v| v.active)
}

fn musician(present: &Present, snapshot: &Snapshot, console: &Console) -> Musician {
    let voice = console.voice(present.source);
    let counts = voice.as_ref().map(VoiceCounts::of).unwrap_or_default().since(&present.counts_before);
    let heard = voice.filter(|_| counts.packets > 0);
    let playout_delay = |voice: VoiceReading| tenths(voice.playout_delay_ms);
    // A musician in the mix has no voice here: the server reports on them.
    let mixed = snapshot.mixed.iter().find(|m| m.source == present.source);
    let levels = match mixed {
        Some(MixedMusician { rms, peak, .. }) => [0, 1].map(|channel| Level::from_wire(rms[channel], peak[channel])),
        None => voice.filter(|v| v.active).map_or([Level::SILENT; 2], |v| v.levels),
    };
    let strip = present.strip.and_then(|s| u8::try_from(s).ok());
    Musician {
        slot: strip.filter(|s| usize::from(*s) < rtjam_engine::SLOTS).map(|s| s + 1),
        name: present.name.clone(),
        counts,
        playout_delay_ms: heard.map(playout_delay),
        delay: Delay {
            packet_ms: match mixed {
                Some(mixed) => Some(tenths(f32::from(mixed.frames) / 48.0)),
                None => heard.map(|v| tenths(v.packet_ms)),
            },
            mix_ms: mixed.map(|m| tenths(m.wait.as_millis_f64() as f32)),
            network_ms: snapshot.rtt.map(|rtt| tenths(rtt.as_millis_f64() as f32 / 2.0)),
            buffer_ms: if mixed.is_some() { mix_voice(console) } else { heard }.map(playout_delay),
        },
        concealed_ms_per_min: heard.map_or(0.0, |v| tenths(v.concealed_ms_per_min)),
        dbfs: dbfs(&levels),
        peak_dbfs: levels.map(|level| tenths(level.peak_dbfs)),
        strip,
        source: present.source.0,
        legacy: present.legacy,
        heard: snapshot.mix.mode == DownstreamMode::Mixed || !snapshot.unheard.contains(&present.source),
        stalls: snapshot
            .stalling
            .iter()
            .find(|m| m.source == present.source)
            .map(|m| RoundedStalls::reported(m.stalls)),
    }
}

fn dbfs(levels: &[Level; 2]) -> [f32; 2] {
    levels.each_ref().map(|level| tenths(level.rms_dbfs))
}

/// Rounds to one decimal, which keeps lines of JSON short.
fn tenths(value: f32) -> f32 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::HopReading;
    use rtjam_protocol::Micros;
    use rtjam_protocol::audio::Peak;
    use rtjam_protocol::control::MixState;

    fn present(strip: Option<usize>) -> Present {
        let counts_before = VoiceCounts::default();
        Present { source: SourceId(7), name: "Bob".into(), strip, legacy: false, counts_before }
    }

    fn status(snapshot: &Snapshot, sent: SendCounts) -> Status {
        let (_engine, _network, console) = rtjam_engine::engine(1, || {});
        Status::assemble(snapshot, &console, sent)
    }

    /// The JSON has exactly the fields that programs rely on; text is added by whoever writes it.
    #[test]
    fn json_has_contracted_fields() {
        let snapshot = Snapshot {
            state: SessionState::Joined,
            room: Some("lobby".into()),
            rtt: Some(Micros(12_345)),
            musicians: vec![present(Some(2))],
            role: Some(Role::Listener),
            listeners: 2,
            mix: MixState { mode: DownstreamMode::Mixed, wait_us: Some(1500) },
            sent_before: SendCounts { packets: 100, dropped: 1 },
            hops: Hops {
                up: HopReading { lost: 7, recovered: 6, extra_kbps: 31.4 },
                down: HopReading { lost: 2, ..HopReading::default() },
            },
            over_rate: 9,
            ..Snapshot::default()
        };
        let status = status(&snapshot, SendCounts { packets: 150, dropped: 4 });
        assert_eq!(status.notices, [StatusNotice::Engine(rtjam_engine::Notice::NotConfigured)]);
        let mut json = serde_json::to_value(status).expect("JSON");
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
                "concealed_ms_per_min": 0.0, "dbfs": [-120.0, -120.0], "peak_dbfs": [-120.0, -120.0], "strip": 2, "source": 7, "classic": false, "heard": true,
                "stalls": null
            }],
            "you": null, "role": "listener", "listeners": 2, "mix": "one", "mix_delay_ms": 1.5, "mix_stream": null
        });
        assert_eq!(json, expected);
    }

    /// A musician whom the server does not send is not heard, except in a mix, which has everyone.
    #[test]
    fn unsent_musicians_are_not_heard() {
        let musicians = vec![present(Some(2)), Present { source: SourceId(8), ..present(Some(3)) }];
        let snapshot = Snapshot { musicians, unheard: vec![SourceId(8)], ..Snapshot::default() };
        let heard = |snapshot: &Snapshot| -> Vec<bool> {
            status(snapshot, SendCounts::default()).musicians.iter().map(|m| m.heard).collect()
        };
        assert_eq!(heard(&snapshot), [true, false]);
        let mix = MixState { mode: DownstreamMode::Mixed, wait_us: None };
        assert_eq!(heard(&Snapshot { mix, ..snapshot }), [true, true]);
    }

    /// Level and wait of a musician in the mix come from the server.
    #[test]
    fn mixed_musicians_have_server_readings() {
        let of = |left, right| [Peak(left), Peak(right)];
        let bob = MixedMusician {
            source: SourceId(7),
            wait: Micros(1_350),
            frames: 64,
            rms: of(3277, 0),
            peak: of(16_384, 0),
        };
        let snapshot = Snapshot {
            musicians: vec![present(Some(2)), Present { source: SourceId(8), ..present(Some(3)) }],
            rtt: Some(Micros(10_000)),
            mix: MixState { mode: DownstreamMode::Mixed, wait_us: Some(1_350) },
            mixed: vec![bob],
            ..Snapshot::default()
        };
        let status = status(&snapshot, SendCounts::default());
        let [bob, other] = &status.musicians[..] else { panic!("{:?}", status.musicians) };
        assert_eq!((bob.dbfs, bob.peak_dbfs), ([-20.0, -120.0], [-6.0, -120.0]));
        let delay = Delay { packet_ms: Some(1.3), mix_ms: Some(1.4), network_ms: Some(5.0), buffer_ms: None };
        assert_eq!((bob.delay, bob.counts.packets), (delay, 0));
        assert_eq!((other.dbfs, other.delay.mix_ms), ([-120.0; 2], None));
        let delay = Delay { buffer_ms: Some(2.0), ..delay };
        assert!((delay.known_ms().expect("known") - 9.7).abs() < 0.01);
    }

    /// Legacy musicians are named in a notice, except on a legacy server, whose condition covers everyone.
    #[test]
    fn legacy_musicians_are_noticed() {
        let legacy = Present { legacy: true, name: "Legacy 17".into(), ..present(None) };
        let snapshot = Snapshot { musicians: vec![legacy], ..Snapshot::default() };
        let told = status(&snapshot, SendCounts::default());
        assert!(told.musicians[0].legacy);
        assert_eq!(told.notices[0], StatusNotice::LegacyMusicians(vec!["Legacy 17".into()]));
        let told = status(&Snapshot { legacy: true, ..snapshot }, SendCounts::default());
        assert!(told.legacy && told.notices.iter().all(|n| !matches!(n, StatusNotice::LegacyMusicians(_))));
    }

    /// Beyond twelve musicians there is no slot, beyond 32 no strip.
    #[test]
    fn slots_and_strips_run_out() {
        let musicians = vec![present(Some(11)), present(Some(12)), present(None)];
        let told = status(&Snapshot { musicians, ..Snapshot::default() }, SendCounts::default());
        let places: Vec<_> = told.musicians.iter().map(|m| (m.slot, m.strip)).collect();
        assert_eq!(places, [(Some(12), Some(11)), (None, Some(12)), (None, None)]);
        assert_eq!((told.state, told.room), (SessionState::Offline, None));
    }
}
