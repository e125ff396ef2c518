//! Renders the server's metrics for Prometheus (exposition format 0.0.4).

use crate::gateway::legacy::LegacyCounters;
use crate::media::{Dropped, FORWARDING_BOUNDS_US, MixerTotals, ThreadTotals};
use crate::platform::resident_kib;
use crate::rooms::messages::ServerStatus;
use crate::statistics::counters::Counter;
use rtjam_protocol::Micros;
use std::fmt::{self, Display, Write as _};

/// The content type of the text that [`render`] returns.
pub(super) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Renders all metrics. `kernel_drops` is the number of datagrams that the system dropped because a socket's buffer was
/// full, if the system tells; `uptime` is the time since the start.
pub(super) fn render(
    described: &ServerStatus,
    threads: &[ThreadTotals],
    mixed: &MixerTotals,
    legacy: Option<&LegacyCounters>,
    kernel_drops: Option<u64>,
    uptime: Micros,
) -> String {
    let mut text = Text(String::with_capacity(8 * 1024));
    rooms(&mut text, described, uptime);
    packets(&mut text, described, threads, kernel_drops);
    forwarding(&mut text, threads);
    audio(&mut text, described);
    mixes(&mut text, mixed);
    if let Some(legacy) = legacy {
        legacy_packets(&mut text, legacy);
    }
    text.0
}

fn rooms(text: &mut Text, described: &ServerStatus, uptime: Micros) {
    let census = &described.census;
    text.family("rtjam_info", "gauge", "The program's version.");
    text.sample("rtjam_info", &[("version", env!("CARGO_PKG_VERSION"))], 1);
    text.gauge("rtjam_uptime_seconds", "Time since the start.", Seconds(uptime.0));
    text.gauge("rtjam_rooms", "Rooms with at least one musician or listener.", census.rooms);
    text.gauge("rtjam_musicians", "Musicians in all rooms.", census.musicians);
    text.gauge("rtjam_listeners", "Listeners in all rooms.", census.listeners);
    text.gauge("rtjam_control_connections", "Open control connections.", census.connections);
    text.counter("rtjam_sessions_total", "Sessions begun.", described.sessions_begun);
    text.family("rtjam_refused_total", "counter", "Joins refused, by reason.");
    for (reason, count) in &described.refused {
        text.sample("rtjam_refused_total", &[("reason", reason)], count);
    }
    let works = u8::from(!described.store_fails);
    text.gauge("rtjam_store_works", "0 while the database cannot be read or written, else 1.", works);
    if let Some(kib) = resident_kib() {
        text.gauge("rtjam_resident_memory_bytes", "Resident memory.", kib * 1024);
    }
}

fn packets(text: &mut Text, described: &ServerStatus, threads: &[ThreadTotals], kernel_drops: Option<u64>) {
    let sum = |of: fn(&ThreadTotals) -> u64| threads.iter().map(of).sum::<u64>();
    text.counter("rtjam_datagrams_received_total", "Authentic datagrams received.", sum(|f| f.received));
    text.family(
        "rtjam_datagrams_sent_total",
        "counter",
        "Datagrams sent. forwarded: audio; answered: replies of the server; again: retransmissions.",
    );
    text.sample("rtjam_datagrams_sent_total", &[("kind", "forwarded")], sum(|f| f.forwarded));
    text.sample("rtjam_datagrams_sent_total", &[("kind", "answered")], sum(|f| f.answered));
    text.sample("rtjam_datagrams_sent_total", &[("kind", "again")], sum(|f| f.retransmitted));
    text.family(DROPPED, "counter", "Datagrams dropped, by reason. did_not_open: not authentic.");
    for why in Dropped::ALL {
        let count: u64 = threads.iter().map(|f| f.dropped(why)).sum();
        text.sample(DROPPED, &[("reason", why.name())], count);
    }
    if let Some(drops) = kernel_drops {
        text.sample(DROPPED, &[("reason", "kernel_buffer_full")], drops);
    }
    let over_rate = "rtjam_session_over_rate_total";
    text.family(over_rate, "counter", "Datagrams of a live session dropped because it exceeds its rate limit.");
    for (session, dropped) in &described.over_rate {
        text.sample(over_rate, &[("session", &format!("{:08x}", session.0))], dropped);
    }
    let cpu = "rtjam_media_cpu_seconds_total";
    text.family(cpu, "counter", "Processor time of each media thread.");
    for (n, figures) in threads.iter().enumerate() {
        text.sample(cpu, &[("thread", &n.to_string())], Seconds(figures.cpu.0));
    }
}

const DROPPED: &str = "rtjam_datagrams_dropped_total";

fn forwarding(text: &mut Text, threads: &[ThreadTotals]) {
    let name = "rtjam_forwarding_seconds";
    let help = "Time from a packet's arrival until it was forwarded to the last receiver.";
    text.family(name, "histogram", help);
    let mut below = 0;
    for (i, bound) in FORWARDING_BOUNDS_US.iter().enumerate() {
        below += threads.iter().map(|f| f.forwarding[i]).sum::<u64>();
        text.sample("rtjam_forwarding_seconds_bucket", &[("le", &Seconds(*bound).to_string())], below);
    }
    let all: u64 = threads.iter().flat_map(|f| f.forwarding).sum();
    text.sample("rtjam_forwarding_seconds_bucket", &[("le", "+Inf")], all);
    text.sample("rtjam_forwarding_seconds_sum", &[], Seconds(threads.iter().map(|f| f.forwarding_us).sum()));
    text.sample("rtjam_forwarding_seconds_count", &[], all);
}

fn audio(text: &mut Text, described: &ServerStatus) {
    let audio = &described.audio;
    text.counter(
        "rtjam_audio_packets_total",
        "Audio packets received from musicians, each counted once.",
        audio.packets,
    );
    text.counter("rtjam_audio_lost_total", "Audio packets that never arrived.", audio.lost);
    let help = "Audio packets that arrived after a later one: late, retransmitted, or as a redundant copy.";
    text.counter("rtjam_audio_recovered_total", help, audio.recovered);
    text.counter("rtjam_audio_repeated_total", "Audio packets that arrived again.", audio.repeated);
}

fn mixes(text: &mut Text, mixed: &MixerTotals) {
    text.gauge("rtjam_mixes", "Mixes being made for musicians and listeners.", mixed.mixes);
    text.counter("rtjam_mix_packets_total", "Packets of mixes sent, retransmissions included.", mixed.packets);
    text.counter(
        "rtjam_mix_packets_not_sent_total",
        "Packets of mixes that the system refused to send.",
        mixed.not_sent,
    );
    let help = "Packets of each mix skipped because the mixer could not keep up.";
    text.counter("rtjam_mix_ticks_skipped_total", help, mixed.skipped);
    text.counter("rtjam_mixer_cpu_seconds_total", "Processor time of the mixer.", Seconds(mixed.cpu_us));
}

fn legacy_packets(text: &mut Text, legacy: &LegacyCounters) {
    let [musicians, received, sent] = [&legacy.musicians, &legacy.received, &legacy.sent].map(Counter::get);
    text.gauge(
        "rtjam_classic_musicians",
        "Musicians with legacy rtjam units; they also count as musicians.",
        musicians,
    );
    text.counter("rtjam_classic_packets_received_total", "Packets received from legacy rtjam units.", received);
    text.counter("rtjam_classic_packets_sent_total", "Packets sent to legacy rtjam units.", sent);
    let name = "rtjam_classic_packets_dropped_total";
    text.family(name, "counter", "Packets of legacy rtjam units dropped, by reason. ignored: the source has no seat.");
    text.sample(name, &[("reason", "ignored")], legacy.ignored.get());
    text.sample(name, &[("reason", "over_rate")], legacy.over_rate.get());
    text.sample(name, &[("reason", "not_sent")], legacy.not_sent.get());
}

/// Microseconds, rendered as seconds.
struct Seconds(u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }
}

struct Text(String);

impl Text {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    /// Label values need no escaping, since none of them comes from outside.
    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let _ = self.0.write_str(name);
        for (i, (label, content)) in labels.iter().enumerate() {
            let _ = write!(self.0, "{}{label}=\"{content}\"", if i == 0 { '{' } else { ',' });
        }
        let _ = writeln!(self.0, "{} {value}", if labels.is_empty() { "" } else { "}" });
    }

    fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "gauge", help);
        self.sample(name, &[], value);
    }

    fn counter(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, "counter", help);
        self.sample(name, &[], value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::statistics::AudioTotals;
    use rtjam_protocol::SessionId;
    use rtjam_protocol::server::rooms::Census;

    /// Each metric has one type and one help text, and its samples follow them.
    #[test]
    fn metrics_are_well_formed() {
        let mut figures = ThreadTotals::default();
        (figures.received, figures.cpu, figures.forwarding_us) = (5, Micros(1_500_000), 60);
        figures.forwarding[0] = 1;
        figures.forwarding[FORWARDING_BOUNDS_US.len()] = 2;
        let described = ServerStatus {
            census: Census { rooms: 1, musicians: 2, listeners: 3, connections: 4 },
            audio: AudioTotals { packets: 10, lost: 1, recovered: 2, repeated: 3 },
            over_rate: vec![(SessionId(0x0a01_0203), 55)],
            refused: vec![("wrong_secret", 7)],
            sessions_begun: 9,
            store_fails: false,
        };
        let mixed = MixerTotals { mixes: 3, cpu_us: 2_500_000, ..MixerTotals::default() };
        let legacy = LegacyCounters::default();
        legacy.musicians.set(2);
        let text = render(&described, &[figures, figures], &mixed, Some(&legacy), Some(11), Micros::from_secs(60));
        for line in [
            "rtjam_rooms 1",
            "rtjam_musicians 2",
            "rtjam_classic_musicians 2",
            "rtjam_refused_total{reason=\"wrong_secret\"} 7",
            "rtjam_datagrams_received_total 10",
            "rtjam_session_over_rate_total{session=\"0a010203\"} 55",
            "rtjam_datagrams_dropped_total{reason=\"did_not_open\"} 0",
            "rtjam_datagrams_dropped_total{reason=\"kernel_buffer_full\"} 11",
            "rtjam_media_cpu_seconds_total{thread=\"1\"} 1.500000",
            "rtjam_forwarding_seconds_bucket{le=\"0.000025\"} 2",
            "rtjam_forwarding_seconds_bucket{le=\"0.025000\"} 2",
            "rtjam_forwarding_seconds_bucket{le=\"+Inf\"} 6",
            "rtjam_forwarding_seconds_sum 0.000120",
            "rtjam_forwarding_seconds_count 6",
            "rtjam_audio_lost_total 1",
            "rtjam_mixes 3",
            "rtjam_mixer_cpu_seconds_total 2.500000",
        ] {
            assert!(text.lines().any(|l| l == line), "no {line} in\n{text}");
        }
        let families: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("# TYPE ")).collect();
        let mut unique = families.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), families.len());
        let mut family = "";
        for line in text.lines().filter(|l| !l.starts_with("# HELP")) {
            match line.strip_prefix("# TYPE ") {
                Some(rest) => family = rest.split(' ').next().unwrap_or_default(),
                None => assert!(line.starts_with(family), "{line} below {family}"),
            }
        }
    }
}
