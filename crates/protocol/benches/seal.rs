//! Cost of sealing and opening a datagram in each cipher suite, for PCM16 packets of common sizes.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use rtjam_protocol::seal::ring::make_sealer;
use rtjam_protocol::seal::{Key, Nonce, Suite, TAG_LEN};

/// Frames per packet.
const FRAMES: [usize; 3] = [64, 128, 256];
/// The authenticated header.
const HEADER: [u8; 16] = [0x5a; 16];

fn seal(c: &mut Criterion) {
    let mut group = c.benchmark_group("seal");
    for (suite, name) in [(Suite::Aes128Gcm, "aes-128-gcm"), (Suite::ChaCha20Poly1305, "chacha20-poly1305")] {
        let sealer = make_sealer(suite, &Key([7; 32]));
        for frames in FRAMES {
            let text = vec![0x33_u8; 4 * frames + 24];
            group.throughput(Throughput::Bytes(text.len() as u64));
            let mut count = 0_u64;
            let mut nonce = || {
                count += 1;
                let mut bytes = [0; 12];
                bytes[4..].copy_from_slice(&count.to_be_bytes());
                Nonce(bytes)
            };
            let mut room = text.clone();
            group.bench_function(BenchmarkId::new(format!("{name} seal"), frames), |b| {
                b.iter(|| sealer.seal(nonce(), &HEADER, &mut room));
            });
            let at = nonce();
            let mut sealed = text.clone();
            let tag: [u8; TAG_LEN] = sealer.seal(at, &HEADER, &mut sealed);
            sealed.extend_from_slice(&tag);
            group.bench_function(BenchmarkId::new(format!("{name} open"), frames), |b| {
                let open = |mut sealed: Vec<u8>| {
                    assert!(sealer.open(at, &HEADER, &mut sealed).is_ok());
                    sealed
                };
                b.iter_batched(|| sealed.clone(), open, BatchSize::SmallInput);
            });
        }
    }
}

criterion::criterion_group!(benches, seal);
criterion::criterion_main!(benches);
