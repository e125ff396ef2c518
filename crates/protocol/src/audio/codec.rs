//! Encodes samples and decodes them.
//!
//! Full scale is 2^(bits − 1), so the integer codecs read back every value that they write. Larger values are clipped, and
//! NaN becomes silence, in both directions. Float values are clipped at ±[`F32_LIMIT`], so that nobody can send dangerously
//! loud samples.

use super::Codec;
use alloc::vec::Vec;

/// The largest magnitude of the float codec: +6 dBFS.
pub const F32_LIMIT: f32 = 2.0;

const PCM16_SCALE: f32 = 32768.0;
const PCM24_SCALE: f32 = 8_388_608.0;

/// Appends the samples of one channel. NaN is written as silence.
pub fn encode(codec: Codec, samples: &[f32], out: &mut Vec<u8>) {
    match codec {
        Codec::Pcm16 => out.extend(samples.iter().flat_map(|&s| to_pcm16(s).to_be_bytes())),
        Codec::Pcm24 => out.extend(samples.iter().flat_map(|&s| {
            let [_, a, b, c] = to_pcm24(s).to_be_bytes();
            [a, b, c]
        })),
        Codec::F32 => out.extend(samples.iter().flat_map(|&s| tame(s).to_bits().to_be_bytes())),
    }
}

/// Decodes one channel into `out`: as many samples as both `bytes` and `out` hold. Real-time safe. Every decoded sample is
/// finite and not a denormal.
pub fn decode(codec: Codec, bytes: &[u8], out: &mut [f32]) {
    match codec {
        Codec::Pcm16 => {
            for (s, b) in out.iter_mut().zip(bytes.as_chunks::<2>().0) {
                *s = f32::from(i16::from_be_bytes(*b)) / PCM16_SCALE;
            }
        }
        Codec::Pcm24 => {
            for (s, &[a, b, c]) in out.iter_mut().zip(bytes.as_chunks::<3>().0) {
                *s = (i32::from_be_bytes([a, b, c, 0]) >> 8) as f32 / PCM24_SCALE;
            }
        }
        Codec::F32 => {
            for (s, b) in out.iter_mut().zip(bytes.as_chunks::<4>().0) {
                *s = tame(f32::from_bits(u32::from_be_bytes(*b)));
            }
        }
    }
}

/// The mean square of both channels' samples together, where full scale is 1. An empty payload gives 0.
pub fn mean_square(codec: Codec, payload: &[u8]) -> f32 {
    let (count, sum) = match codec {
        Codec::Pcm16 => {
            let (samples, _) = payload.as_chunks::<2>();
            let square = |b: &[u8; 2]| u64::from(i32::from(i16::from_be_bytes(*b)).pow(2).unsigned_abs());
            let sum = samples.iter().map(square).sum::<u64>();
            (samples.len(), sum as f32 / (PCM16_SCALE * PCM16_SCALE))
        }
        Codec::Pcm24 => {
            let (samples, _) = payload.as_chunks::<3>();
            let value = |&[a, b, c]: &[u8; 3]| (i32::from_be_bytes([a, b, c, 0]) >> 8) as f32 / PCM24_SCALE;
            (samples.len(), samples.iter().map(value).map(|v| v * v).sum())
        }
        Codec::F32 => {
            let (samples, _) = payload.as_chunks::<4>();
            let value = |b: &[u8; 4]| tame(f32::from_bits(u32::from_be_bytes(*b))).clamp(-1.0, 1.0);
            (samples.len(), samples.iter().map(value).map(|v| v * v).sum())
        }
    };
    sum / count.max(1) as f32
}

// A float-to-integer cast saturates and turns NaN into 0.
fn to_pcm16(s: f32) -> i16 {
    round(s * PCM16_SCALE) as i16
}

fn to_pcm24(s: f32) -> i32 {
    (round(s * PCM24_SCALE) as i32).clamp(-8_388_608, 8_388_607)
}

/// Rounds half away from zero. `f32::round` is not in `core`.
fn round(v: f32) -> f32 {
    // From 2^23 on, every float is a whole number.
    if v.abs() < 8_388_608.0 { (v + 0.5_f32.copysign(v)) as i32 as f32 } else { v }
}

fn tame(s: f32) -> f32 {
    if s.is_normal() { s.clamp(-F32_LIMIT, F32_LIMIT) } else { keep_infinite_loud(s) }
}

/// Clips infinities; replaces denormals and NaN by 0, and keeps the sign of a zero.
fn keep_infinite_loud(s: f32) -> f32 {
    if s.is_infinite() {
        F32_LIMIT.copysign(s)
    } else if s == 0.0 {
        s
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn round_trip(codec: Codec, samples: &[f32]) -> Vec<f32> {
        let mut bytes = Vec::new();
        encode(codec, samples, &mut bytes);
        assert_eq!(bytes.len(), samples.len() * codec.bytes_per_sample());
        let mut out = vec![9.0; samples.len()];
        decode(codec, &bytes, &mut out);
        out
    }

    /// PCM16 reads back every value that it can write.
    #[test]
    fn pcm16_round_trips_every_value() {
        let all: Vec<f32> = (i16::MIN..=i16::MAX).map(|v| f32::from(v) / 32768.0).collect();
        assert_eq!(round_trip(Codec::Pcm16, &all), all);
    }

    /// PCM24 reads back the values that it writes.
    #[test]
    fn pcm24_round_trips_values() {
        let all: Vec<f32> = (-8_388_608..8_388_608).step_by(7).map(|v: i32| v as f32 / 8_388_608.0).collect();
        assert_eq!(round_trip(Codec::Pcm24, &all), all);
    }

    /// PCM samples are within half a quantization step of the original.
    #[test]
    fn pcm_error_is_half_a_step() {
        for i in -2000..2000 {
            let s = i as f32 * 0.000_481_7;
            for (codec, scale) in [(Codec::Pcm16, 32768.0), (Codec::Pcm24, 8_388_608.0)] {
                let got = round_trip(codec, &[s])[0];
                let ceiling = 1.0 - 1.0 / scale;
                assert!((got - s.min(ceiling)).abs() <= 0.5 / scale + f32::EPSILON, "{codec:?} {s} {got}");
            }
        }
    }

    /// Float samples arrive unchanged.
    #[test]
    fn floats_are_bit_exact() {
        let s = [0.0, -0.0, 1.0, -1.0, 0.1, 3.3e-20, -1.9, f32::MIN_POSITIVE];
        let bits = |v: &[f32]| v.iter().map(|s| s.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&round_trip(Codec::F32, &s)), bits(&s));
    }

    /// NaN and denormals become silence, and infinities are clipped.
    #[test]
    fn invalid_floats_are_sanitized() {
        let bad = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MIN_POSITIVE / 2.0];
        assert_eq!(round_trip(Codec::F32, &bad), [0.0, F32_LIMIT, -F32_LIMIT, 0.0]);
        let mut out = [9.0; 1];
        decode(Codec::F32, &f32::NAN.to_bits().to_be_bytes(), &mut out);
        assert_eq!(out, [0.0]);
        for codec in [Codec::Pcm16, Codec::Pcm24] {
            let got = round_trip(codec, &bad);
            assert_eq!(got[0], 0.0);
            assert!(got[1] > 0.999 && got[2] == -1.0 && got[3] == 0.0);
        }
    }

    /// The mean square is that of the samples in every codec, also for loud and invalid values.
    #[test]
    fn mean_square_matches_samples() {
        for codec in [Codec::Pcm16, Codec::Pcm24, Codec::F32] {
            let power = |samples: &[f32]| {
                let mut bytes = Vec::new();
                encode(codec, samples, &mut bytes);
                mean_square(codec, &bytes)
            };
            assert!((power(&[0.5, -0.5, 0.0, 0.0]) - 0.125).abs() < 1e-6);
            assert!((power(&[-1.0; 512]) - 1.0).abs() < 1e-6);
            assert!(power(&[100.0, f32::INFINITY]) <= 1.0 && power(&[f32::NAN, 0.0]) == 0.0 && power(&[]) == 0.0);
        }
    }
}
