//! Helpers for COM calls: catching panics, and the texts, streams and parameters of VST3.

use rtjam_ui::params::Param;
use std::ffi::c_char;
use std::panic::{AssertUnwindSafe, catch_unwind};
use vst3::ComRef;
use vst3::Steinberg::Vst::{ParamID, ParamValue};
use vst3::Steinberg::{IBStream, IBStreamTrait, char16, int32, kInternalError, kInvalidArgument, kResultOk, tresult};

/// The largest state that is read, in bytes. RTJam's own is a few kilobytes.
const MAX_STATE: usize = 1 << 20;
/// The longest text that is read, in UTF-16 units.
const MAX_TEXT: usize = 1024;

/// Runs a call of the host. A panic becomes `kInternalError`, since it must not reach the host.
pub(crate) fn guarded(call: impl FnOnce() -> tresult) -> tresult {
    guarded_or(kInternalError, call)
}

/// Like [`guarded`], for calls with another result.
pub(super) fn guarded_or<T>(otherwise: T, call: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(otherwise)
}

/// Writes `value` to the host's memory. `kInvalidArgument` for a null pointer.
///
/// # Safety
/// `to` is null or valid for writes.
pub(super) unsafe fn give<T>(to: *mut T, value: T) -> tresult {
    if to.is_null() {
        return kInvalidArgument;
    }
    // SAFETY: see above.
    unsafe { to.write(value) };
    kResultOk
}

/// `text` as UTF-16 with a terminating zero, truncated if it is too long.
pub(super) fn wide<const N: usize>(text: &str) -> [char16; N] {
    let mut wide = [0; N];
    let mut at = 0;
    for letter in text.chars() {
        if at + letter.len_utf16() >= N {
            break;
        }
        at += letter.encode_utf16(&mut wide[at..]).len();
    }
    wide
}

/// `text`, which is ASCII, with a terminating zero, truncated if it is too long.
pub(super) fn narrow<const N: usize>(text: &str) -> [c_char; N] {
    let mut narrow = [0; N];
    narrow[..N - 1].iter_mut().zip(text.bytes()).for_each(|(to, from)| *to = from as c_char);
    narrow
}

/// Reads a text of the host.
///
/// # Safety
/// `text` is null or null-terminated.
pub(super) unsafe fn read_wide(text: *const char16) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: every unit up to the zero can be read.
    let unit = |index| unsafe { text.add(index).read() };
    let units: Vec<u16> = (0..MAX_TEXT).map(unit).take_while(|unit| *unit != 0).collect();
    String::from_utf16(&units).ok()
}

/// Reads a stream to its end.
///
/// # Safety
/// `stream` is null or an object of the host.
pub(super) unsafe fn read_all(stream: *mut IBStream) -> Option<Vec<u8>> {
    // SAFETY: see above.
    let stream = unsafe { ComRef::from_raw(stream) }?;
    let mut bytes = Vec::new();
    let mut part = [0_u8; 4096];
    while bytes.len() < MAX_STATE {
        let mut read = 0;
        // SAFETY: the buffer is ours and has that length. At the end, some hosts return an error and some do not.
        unsafe { stream.read(part.as_mut_ptr().cast(), part.len() as i32, &mut read) };
        match usize::try_from(read) {
            Ok(read @ 1..) => bytes.extend_from_slice(&part[..read.min(part.len())]),
            _ => break,
        }
    }
    Some(bytes)
}

/// Writes all of `bytes`.
///
/// # Safety
/// `stream` is null or an object of the host.
pub(super) unsafe fn write_all(stream: *mut IBStream, mut bytes: &[u8]) -> bool {
    // SAFETY: see above.
    let Some(stream) = (unsafe { ComRef::from_raw(stream) }) else { return false };
    while !bytes.is_empty() {
        let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
        // A host that does not report the count leaves this value.
        let mut written = length;
        // SAFETY: the stream only reads from the buffer, although its signature takes a mutable pointer.
        let result = unsafe { stream.write(bytes.as_ptr().cast_mut().cast(), length, &mut written) };
        match usize::try_from(written) {
            Ok(written @ 1..) if result == kResultOk => bytes = &bytes[written.min(bytes.len())..],
            _ => return false,
        }
    }
    true
}

// Projects and automation contain ids of 31 bits and values from 0 to 1, so these formulas never change.

/// The id. VST3 reserves the highest bit for hosts.
pub(super) fn id(param: Param) -> ParamID {
    param.id() & 0x7fff_ffff
}

/// Number of steps in the range; 0: continuous.
pub(super) fn step_count(param: Param) -> int32 {
    int32::from(param.is_switch())
}

/// The normalized value, 0 to 1, of a value in the parameter's range.
pub(super) fn to_normalized(param: Param, value: f64) -> ParamValue {
    let (least, most) = param.range().into_inner();
    (value - least) / (most - least)
}

/// The value at `normalized`, which is clamped to 0 to 1; `None` for NaN.
pub(super) fn to_value(param: Param, normalized: ParamValue) -> Option<f64> {
    let (least, most) = param.range().into_inner();
    (!normalized.is_nan()).then(|| param.tidy(normalized.clamp(0.0, 1.0) * (most - least) + least))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_truncated_between_letters() {
        assert_eq!(wide::<4>("abcdef"), [97, 98, 99, 0]);
        assert_eq!(wide::<4>("ab🎻"), [97, 98, 0, 0]);
        assert_eq!(narrow::<3>("abc"), [97, 98, 0]);
        let text = wide::<16>("−6.0 dB 🎻");
        // SAFETY: it is null-terminated.
        assert_eq!(unsafe { read_wide(text.as_ptr()) }.as_deref(), Some("−6.0 dB 🎻"));
    }

    #[test]
    fn panics_become_errors() {
        assert_eq!(guarded(|| panic!("as a test")), kInternalError);
    }

    #[test]
    fn range_and_default_round_trip() {
        for param in Param::all() {
            let (least, most) = param.range().into_inner();
            for value in [least, most, param.default()] {
                let normalized = to_normalized(param, value);
                assert!((0.0..=1.0).contains(&normalized), "{param:?}");
                let back = to_value(param, normalized).expect("a number");
                assert!((back - value).abs() < 1e-12, "{param:?}: {value} becomes {back}");
            }
            assert_eq!(to_value(param, f64::NAN), None);
            assert_eq!(to_value(param, 7.0), Some(most));
        }
    }
}
