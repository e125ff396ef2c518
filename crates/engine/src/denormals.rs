//! Keeps denormals and what is not a number off the audio path.
//!
//! A decaying filter or fade ends in denormals, and arithmetic on them is up to a hundred times
//! slower on some processors: a silent musician would cost more than a loud one.

/// The largest magnitude that enters from the host: +42 dBFS. What is sent has the codec's own limit.
const INPUT_LIMIT: f32 = 128.0;

/// While it lives, the current thread's floating-point unit reads and writes denormals as zero.
///
/// Audio thread. What the host had set comes back on drop. Nothing happens on processors that this
/// crate does not know; there [`tame`] and the decoders still keep denormals from entering.
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

/// A sample as it may enter: NaN, infinities and denormals become 0, the rest is cut at ±128. Any thread.
pub fn tame(sample: f32) -> f32 {
    if sample.is_normal() { sample.clamp(-INPUT_LIMIT, INPUT_LIMIT) } else { 0.0 }
}

/// Copies `from` into `to`, tamed. Both have the same length, or the rest of `to` is silence.
pub(crate) fn copy_tamed(from: &[f32], to: &mut [f32]) {
    let shared = from.len().min(to.len());
    let (filled, rest) = to.split_at_mut(shared);
    for (to, &from) in filled.iter_mut().zip(from) {
        *to = tame(from);
    }
    rest.fill(0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_sound_becomes_silence() {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-40, -1e-40] {
            assert_eq!(tame(bad), 0.0);
        }
        assert_eq!(tame(0.25), 0.25);
        assert_eq!(tame(-1e9), -INPUT_LIMIT);
    }

    #[test]
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    fn denormals_vanish_only_while_the_guard_lives() {
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
