//! The bodies of the fuzz targets in `fuzz/`, and of a plain test that feeds them pseudo-random bytes.
//!
//! Each takes any bytes and panics when what the protocol promises does not hold. The state machines are driven by
//! the bytes read as a script of inputs and times.

mod client_session;
mod recovery;
mod room;
mod script;
mod wire;

pub use client_session::client_session;
pub use recovery::recovery;
pub use room::room;
pub use wire::{classic, control, datagram, link};

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Bytes of a xorshift generator.
    fn noise(seed: u64, len: usize) -> Vec<u8> {
        let mut x = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = || {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            (x >> 32) as u8
        };
        (0..len).map(|_| next()).collect()
    }

    fn feed(body: fn(&[u8]), longest: u64) {
        for seed in 1..4000_u64 {
            body(&noise(seed, (seed * 7 % longest) as usize));
        }
    }

    #[test]
    fn any_bytes_are_a_link_or_none() {
        feed(link, 60);
        feed(|bytes| link(&bytes.iter().map(|b| b % 95 + 32).collect::<Vec<u8>>()), 60);
    }

    #[test]
    fn any_bytes_are_a_message_or_none() {
        feed(control, 200);
        for text in [&br#"{"type":"ping","id":4}"#[..], br#"{"type":"going_down","x":[]}"#] {
            control(text);
            feed(|bytes| control(&[br#"{"type":""#, bytes, br#""}"#].concat()), 9);
        }
    }

    #[test]
    fn any_datagram_opens_only_as_it_was_sealed() {
        feed(datagram, 300);
    }

    #[test]
    fn any_bytes_are_a_classic_packet_or_none() {
        feed(classic, 1100);
    }

    #[test]
    fn any_feedback_costs_no_more_than_the_audio_itself() {
        feed(recovery, 400);
    }

    #[test]
    fn any_course_of_events_leaves_a_musicians_end_in_order() {
        feed(client_session, 2000);
    }

    #[test]
    fn any_course_of_events_leaves_a_room_in_order() {
        feed(room, 2000);
    }
}
