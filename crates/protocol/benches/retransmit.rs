//! Cost of receiving a datagram apart from decryption, for honest and malicious senders: replay window, loss detection,
//! duplicate filter. The time per element is that of one datagram.

use criterion::{BenchmarkId, Criterion, Throughput};
use rtjam_protocol::datagram::{DATAGRAM_OVERHEAD, DatagramClass, DatagramHeader};
use rtjam_protocol::retransmit::{DuplicateFilter, LossDetector, ReceiverReport};
use rtjam_protocol::seal::ReplayWindow;
use rtjam_protocol::{Micros, Sequence, StreamId};

/// Datagrams per run.
const COUNT: u64 = 10_000;

/// Interval at 30,000 datagrams a second.
const EVERY: Micros = Micros(33);

/// Sequences of lanes and counters that senders may choose, honest ones first.
fn senders() -> Vec<(&'static str, Vec<(u8, u64)>)> {
    let one_lane = |counter: fn(u64) -> u64| (1..=COUNT).map(|i| (0, counter(i))).collect::<Vec<_>>();
    let lanes = |lanes: u64| (1..=COUNT).map(|i| ((i % lanes) as u8, i / lanes * 129 + 1)).collect::<Vec<_>>();
    vec![
        ("in order", one_lane(|i| i)),
        ("one in a hundred missing", one_lane(|i| i + i / 99)),
        ("all gaps", one_lane(|i| 2 * i)),
        ("jumps of 129", one_lane(|i| 129 * i)),
        ("jumps of 4095", one_lane(|i| 4095 * i)),
        ("reversed in blocks of 128", one_lane(|i| (i / 128 + 1) * 128 - i % 128)),
        ("reversed in blocks of 4096", one_lane(|i| (i / 4096 + 1) * 4096 - i % 4096)),
        ("huge counters", one_lane(|i| if i.is_multiple_of(2) { (1 << 55) + i * 1000 } else { i })),
        ("two lanes with gaps", lanes(2)),
        ("64 lanes with gaps", lanes(64)),
    ]
}

fn receiver(c: &mut Criterion) {
    let mut group = c.benchmark_group("receiver");
    group.throughput(Throughput::Elements(COUNT));
    for (name, datagrams) in senders() {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                let (mut receiver, mut now) = (LossDetector::default(), Micros::from_secs(1));
                for (lane, counter) in &datagrams {
                    now += EVERY;
                    receiver.handle_datagram(now, &header(*lane, *counter), DATAGRAM_OVERHEAD + 3);
                    while receiver.poll_feedback(now, ReceiverReport::default).is_some() {}
                    std::hint::black_box(receiver.poll_timeout());
                }
            });
        });
    }
}

fn windows(c: &mut Criterion) {
    let mut group = c.benchmark_group("replay window");
    group.throughput(Throughput::Elements(COUNT));
    for (name, datagrams) in senders() {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                let mut window = ReplayWindow::default();
                datagrams.iter().for_each(|(_, counter)| {
                    std::hint::black_box(window.mark(header(0, *counter).counter));
                });
            });
        });
    }
}

fn copies(c: &mut Criterion) {
    let mut group = c.benchmark_group("filter of copies");
    group.throughput(Throughput::Elements(COUNT));
    for (name, step) in [("in order", 1), ("jumps of 1023", 1023), ("jumps of 65537", 65_537)] {
        group.bench_function(BenchmarkId::from_parameter(name), |b| {
            b.iter(|| {
                let mut seen = DuplicateFilter::default();
                for i in 0..COUNT as u32 {
                    std::hint::black_box(seen.original(StreamId(1), Sequence(i.wrapping_mul(step))));
                }
            });
        });
    }
}

/// A header with these numbers.
fn header(lane: u8, counter: u64) -> DatagramHeader {
    let mut bytes = [0; DatagramHeader::LEN];
    (bytes[0], bytes[2]) = (DatagramClass::Media as u8, lane);
    bytes[7..].copy_from_slice(&counter.to_be_bytes()[1..]);
    DatagramHeader::read(&bytes).expect("a header")
}

criterion::criterion_group!(benches, receiver, windows, copies);
criterion::criterion_main!(benches);
