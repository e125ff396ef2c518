//! Keeps denormals, NaN and infinities off the audio path.
//!
//! A decaying filter or fade ends in denormals, and arithmetic on them is up to a hundred times slower on some processors:
//! a silent musician would cost more than a loud one.

/// The largest magnitude accepted from the host: +42 dBFS. For what is sent the codec's own limit applies.
const INPUT_LIMIT: f32 = 128.0;

/// While it lives, the current thread's floating-point unit treats denormals as zero.
///
/// Audio thread. Dropping it restores the host's setting. It does nothing on processors that this crate does not know; there
/// [`sanitize_sample`] and the decoders still keep denormals out.
pub(crate) struct FlushDenormals {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    before: control::Word,
    // The register belongs to the thread that set it.
    _this_thread: core::marker::PhantomData<*const ()>,
}

impl FlushDenormals {
    pub(crate) fn begin() -> FlushDenormals {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        {
            let before = control::read();
            control::write(before | control::FLUSH);
            FlushDenormals { before, _this_thread: core::marker::PhantomData }
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        FlushDenormals { _this_thread: core::marker::PhantomData }
    }
}

impl Drop for FlushDenormals {
    fn drop(&mut self) {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        control::write(self.before);
    }
}

/// The SSE control and status register.
#[cfg(target_arch = "x86_64")]
mod control {
    pub(super) type Word = u32;
    /// Flush-to-zero (bit 15) and denormals-are-zero (bit 6).
    pub(super) const FLUSH: Word = 1 << 15 | 1 << 6;

    pub(super) fn read() -> Word {
        let mut word: Word = 0;
        // SAFETY: stores the 4 bytes of MXCSR at a valid, aligned address; every x86-64 has it.
        unsafe { core::arch::asm!("stmxcsr [{}]", in(reg) &raw mut word, options(nostack, preserves_flags)) };
        word
    }

    pub(super) fn write(word: Word) {
        // SAFETY: `word` came from `read`, with at most two bits added that every x86-64 supports, so
        // no reserved bit is set. Rounding mode and exception masks stay as they were.
        unsafe { core::arch::asm!("ldmxcsr [{}]", in(reg) &raw const word, options(nostack, preserves_flags)) };
    }
}

/// The floating-point control register.
#[cfg(target_arch = "aarch64")]
mod control {
    pub(super) type Word = u64;
    /// FZ (bit 24).
    pub(super) const FLUSH: Word = 1 << 24;

    pub(super) fn read() -> Word {
        let word: Word;
        // SAFETY: reads a register that user code may read; touches no memory.
        unsafe { core::arch::asm!("mrs {}, fpcr", out(reg) word, options(nomem, nostack, preserves_flags)) };
        word
    }

    pub(super) fn write(word: Word) {
        // SAFETY: `word` came from `read` with FZ added; rounding mode and traps stay as they were.
        unsafe { core::arch::asm!("msr fpcr, {}", in(reg) word, options(nomem, nostack, preserves_flags)) };
    }
}

/// A sample as it is accepted: NaN, infinities and denormals become 0, the rest is clamped to ±128. Any thread.
pub fn sanitize_sample(sample: f32) -> f32 {
    if sample.is_normal() { sample.clamp(-INPUT_LIMIT, INPUT_LIMIT) } else { 0.0 }
}

/// Copies `from` into `to`, sanitized. If `from` is shorter, the rest of `to` becomes silence.
pub(crate) fn copy_sanitized(from: &[f32], to: &mut [f32]) {
    let shared = from.len().min(to.len());
    let (filled, rest) = to.split_at_mut(shared);
    for (to, &from) in filled.iter_mut().zip(from) {
        *to = sanitize_sample(from);
    }
    rest.fill(0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// NaN, infinities and denormals become 0, and the rest is clamped.
    #[test]
    fn non_finite_samples_become_zero() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-40, -1e-40] {
            assert_eq!(sanitize_sample(bad), 0.0);
        }
        assert_eq!(sanitize_sample(0.25), 0.25);
        assert_eq!(sanitize_sample(-1e9), -INPUT_LIMIT);
    }

    /// Denormals are flushed only while the guard lives.
    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn guard_flushes_denormals() {
        use std::hint::black_box;
        let half = || black_box(f32::MIN_POSITIVE) * black_box(0.5);
        assert!(half() > 0.0);
        {
            let _guard = FlushDenormals::begin();
            assert_eq!(half(), 0.0);
        }
        assert!(half() > 0.0);
    }
}
