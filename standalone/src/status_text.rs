//! The status as text, once a second: JSON for programs, a line for people.

use rtjam_client::{Delay, SessionState, Status};
use rtjam_engine::SILENCE_DBFS;
use rtjam_protocol::control::DownstreamMode;
use rtjam_protocol::link::Role;
use rtjam_ui::messages::{self, Language, MessageKey};
use serde::Serialize;
use std::fmt::Display;

/// The status as one line of JSON, without a line break.
pub(crate) fn json(status: &Status) -> String {
    // Numbers, strings and lists only: serde_json cannot fail.
    serde_json::to_string(&StatusJson::new(status)).unwrap_or_default()
}

/// The status with its texts. They are English whatever the user's language is, since programs read them.
#[derive(Serialize)]
struct StatusJson<'a> {
    #[serde(flatten)]
    status: &'a Status,
    /// The most urgent message.
    sentence: Option<String>,
    notices: Vec<String>,
}

impl StatusJson<'_> {
    fn new(status: &Status) -> StatusJson<'_> {
        StatusJson {
            status,
            sentence: status.condition.as_ref().map(|condition| messages::condition(condition, Language::English)),
            notices: status.notices.iter().map(|notice| messages::notice(notice, Language::English)).collect(),
        }
    }
}

/// The status as a line for people.
pub(crate) fn line(status: &Status, language: Language) -> String {
    let text = |key| language.text(key);
    let fill = |key, values: &[(&str, &dyn Display)]| language.fill(key, values);
    let count = |key, count: u64| (count > 0).then(|| fill(key, &[("count", &count)]));
    let ms = |key, ms: f32| fill(key, &[("ms", &format_args!("{ms:.0}"))]);
    let state = text(match status.state {
        SessionState::Offline => MessageKey::Offline,
        SessionState::Connecting => MessageKey::Connecting,
        SessionState::Joined => MessageKey::Joined,
        SessionState::Refused => MessageKey::Refused,
    });
    let place = match (&status.room, status.state) {
        (Some(room), SessionState::Joined) => room.clone(),
        (Some(room), _) => format!("{room}: {state}"),
        (None, _) => state.to_owned(),
    };
    let place = if status.legacy { format!("{place} ({})", text(MessageKey::NotPrivate)) } else { place };
    let mut parts = vec![place];
    parts.extend(status.rtt_ms.map(|rtt| format!("{rtt:.0} ms")));
    parts.push(fill(MessageKey::OwnLevel, &[("level", &level(status.tx.dbfs, language))]));
    parts.extend(status.device_ms.map(|delay| ms(MessageKey::DeviceDelay, delay)));
    parts.extend(status.xruns.filter(|n| *n > 0).map(|n| format!("xruns {n}")));
    if status.role == Some(Role::Listener) {
        parts.push(text(MessageKey::IsListening).to_owned());
    }
    if status.mix == DownstreamMode::Mixed {
        let level = status.mix_stream.as_ref().map(|stream| format!(" {}", level(stream.dbfs, language)));
        let delay = status.mix_delay_ms.map(|delay| format!(" ({})", ms(MessageKey::DelayAtServer, delay)));
        parts.push([Some(text(MessageKey::OthersOneMix).to_owned()), level, delay].into_iter().flatten().collect());
    }
    parts.extend(count(MessageKey::Listeners, status.listeners.into()));
    let (up, down) = (status.tx.lost, status.rx.lost);
    if up + down > 0 {
        parts.push(fill(MessageKey::PacketLoss, &[("up", &up), ("down", &down)]));
    }
    let extra = status.tx.extra_kbps + status.rx.extra_kbps;
    if extra > 0.0 {
        parts.push(fill(MessageKey::Retransmission, &[("kbps", &format_args!("{extra:.0}"))]));
    }
    parts.extend(count(MessageKey::OwnRecovered, status.tx.recovered));
    for musician in &status.musicians {
        parts.extend(["|".to_owned(), format!("{} {}", musician.name, level(musician.dbfs, language))]);
        let delay = musician.delay.known_ms();
        parts.extend(delay.map(|delay| format!("{delay:.0} ms ({})", parts_of(&musician.delay, language))));
        let counts = &musician.counts;
        let missing = counts.lost + counts.late;
        if missing > 0 {
            let share = 100.0 * missing as f64 / (counts.packets + counts.lost).max(1) as f64;
            parts.push(fill(MessageKey::MissingShare, &[("percent", &format_args!("{share:.1}"))]));
        }
        parts.extend(count(MessageKey::Recovered, counts.recovered));
        if musician.concealed_ms_per_min >= 0.5 {
            parts.push(ms(MessageKey::Concealed, musician.concealed_ms_per_min));
        }
    }
    parts.join("  ")
}

/// The parts of a delay.
fn parts_of(delay: &Delay, language: Language) -> String {
    let Delay { packet_ms, mix_ms, network_ms, buffer_ms } = *delay;
    let parts = [
        (MessageKey::PacketPart, packet_ms),
        (MessageKey::MixPart, mix_ms),
        (MessageKey::NetworkPart, network_ms),
        (MessageKey::BufferPart, buffer_ms),
    ];
    let told = |(key, ms): (MessageKey, Option<f32>)| Some(language.fill(key, &[("ms", &format_args!("{:.0}", ms?))]));
    parts.into_iter().filter_map(told).collect::<Vec<_>>().join(", ")
}

/// State, room and names. Where lines cannot be overwritten, a new line is printed when these change.
pub(crate) fn summary(status: &Status) -> String {
    let names: Vec<&str> = status.musicians.iter().map(|m| m.name.as_str()).collect();
    format!("{:?} {:?} {names:?}", status.state, status.room)
}

fn level(dbfs: [f32; 2], language: Language) -> String {
    let louder = dbfs[0].max(dbfs[1]);
    if louder <= SILENCE_DBFS { language.text(MessageKey::Silent).to_owned() } else { format!("{louder:.0} dB") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtjam_client::{Condition, Musician, Rx, StatusNotice, Tx, VoiceCounts};

    fn line(status: &Status) -> String {
        super::line(status, Language::English)
    }

    fn status() -> Status {
        let anna = Musician {
            slot: Some(2),
            name: "Anna".to_owned(),
            counts: VoiceCounts { packets: 992, lost: 8, late: 2, recovered: 1, concealed_frames: 1280 },
            playout_delay_ms: Some(12.3),
            delay: Delay { packet_ms: Some(2.7), mix_ms: None, network_ms: Some(11.7), buffer_ms: Some(12.3) },
            concealed_ms_per_min: 41.2,
            dbfs: [-20.0, -120.0],
            peak_dbfs: [-9.0; 2],
            strip: Some(1),
            source: 3,
            ..Musician::default()
        };
        Status {
            state: SessionState::Joined,
            room: Some("lobby".to_owned()),
            rtt_ms: Some(23.4),
            xruns: Some(3),
            device_ms: Some(5.3),
            tx: Tx {
                packets: 1000,
                dropped: 0,
                dbfs: [-120.0; 2],
                lost: 5,
                recovered: 4,
                extra_kbps: 12.0,
                over_rate: 0,
            },
            rx: Rx { lost: 0, recovered: 1, extra_kbps: 0.0 },
            musicians: vec![anna],
            condition: Some(Condition::UdpBlocked { port: 7891 }),
            notices: vec![StatusNotice::NoSocket("no buffers".to_owned())],
            ..Status::default()
        }
    }

    #[test]
    fn json_keeps_documented_fields() {
        let json: serde_json::Value = serde_json::from_str(&json(&status())).expect("JSON");
        let part = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        let contract = part(
            r#"{"state":"joined","room":"lobby","rtt_ms":23.4,"xruns":3,"callback_load_pct":null,
                "tx":{"packets":1000,"dropped":0,"dbfs":[-120.0,-120.0],"lost":5,"recovered":4,"extra_kbps":12.0,
                "over_rate":0},
                "rx":{"lost":0,"recovered":1,"extra_kbps":0.0}}"#,
        );
        for (name, value) in contract.as_object().expect("an object") {
            assert_eq!(json.get(name), Some(value), "{name}");
        }
        let contract = part(
            r#"{"slot":2,"name":"Anna","packets":992,"lost":8,"late":2,"recovered":1,"concealed_frames":1280,
                "dbfs":[-20.0,-120.0]}"#,
        );
        for (name, value) in contract.as_object().expect("an object") {
            assert_eq!(json["musicians"][0].get(name), Some(value), "{name}");
        }
        let sentence = json["sentence"].as_str().expect("text");
        assert!(sentence.contains("open UDP 7891") && json["notices"][0].as_str().is_some(), "{json}");
        assert!((json["musicians"][0]["playout_delay_ms"].as_f64().expect("a number") - 12.3).abs() < 0.01);
    }

    #[test]
    fn line_shows_the_status() {
        assert_eq!(
            line(&status()),
            "lobby  23 ms  you silent  device 5 ms  xruns 3  packet loss 5 up, 0 down  retransmission 12 \
             kbit/s  4 of yours recovered  |  Anna -20 dB  27 ms (packet 3, network 12, buffer 12)  missing 1.0 %  recovered 1  concealed 41 ms/min"
        );
        let listening = Status { role: Some(Role::Listener), listeners: 2, musicians: Vec::new(), ..status() };
        assert!(line(&listening).contains("xruns 3  listening  listeners 2  packet loss 5"), "{}", line(&listening));
        let mixed = Status { mix: DownstreamMode::Mixed, mix_delay_ms: Some(2.7), ..status() };
        assert!(line(&mixed).contains("xruns 3  one mix (3 ms at the server)"), "{}", line(&mixed));
        let alone = Status {
            state: SessionState::Connecting,
            rtt_ms: None,
            device_ms: None,
            xruns: Some(0),
            musicians: Vec::new(),
            ..status()
        };
        assert_eq!(
            line(&alone),
            "lobby: connecting  you silent  packet loss 5 up, 0 down  retransmission 12 kbit/s  4 of yours recovered"
        );
        let classic = Status { room: Some("classic://h".to_owned()), legacy: true, musicians: Vec::new(), ..status() };
        assert!(line(&classic).starts_with("classic://h (not private)  23 ms  you silent"), "{}", line(&classic));
        let german = super::line(&listening, Language::German);
        assert!(german.starts_with("lobby  23 ms  Sie still  Gerät 5 ms  xruns 3  hört zu  Zuhörer 2"), "{german}");
    }

    #[test]
    fn summary_ignores_levels() {
        let mut other = status();
        other.musicians[0].dbfs = [-3.0; 2];
        assert_eq!(summary(&other), summary(&status()));
        other.musicians.clear();
        assert_ne!(summary(&other), summary(&status()));
    }
}
