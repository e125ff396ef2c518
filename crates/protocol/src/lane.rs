//! Assigns the lanes of a session.
//!
//! A lane is one thread's own series of counters under the keys of one direction. Two senders on one lane would repeat
//! nonces, so every lane number in the product comes from here:
//!
//! | direction | lane | sender |
//! |---|---|---|
//! | to the server | 0, 1 | the client; its second sending thread, if it has one |
//! | to the client | 2 *t* | media thread *t*, forwarded packets |
//! | to the client | 2 *t* + 1 | media thread *t*, session frames |
//! | to the client | 254 | the mixer |

/// A lane: one sender's series of counters in one direction of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane(u8);

impl Lane {
    /// The lanes on which a client may send, in the order in which it uses them.
    pub const UPLINK: [Lane; 2] = [Lane(0), Lane(1)];

    /// The lane of the mixer.
    pub const MIXER: Lane = Lane(254);

    /// The most media threads that have lanes.
    pub const MAX_MEDIA_THREADS: u8 = 64;

    /// The lane on which a media thread forwards packets.
    ///
    /// # Panics
    /// If `thread` is not below [`Lane::MAX_MEDIA_THREADS`]: another lane would repeat nonces.
    pub const fn forwarding(thread: u8) -> Lane {
        assert!(thread < Lane::MAX_MEDIA_THREADS);
        Lane(thread * 2)
    }

    /// The lane on which a media thread sends session frames.
    ///
    /// # Panics
    /// If `thread` is not below [`Lane::MAX_MEDIA_THREADS`].
    pub const fn session(thread: u8) -> Lane {
        assert!(thread < Lane::MAX_MEDIA_THREADS);
        Lane(thread * 2 + 1)
    }

    /// The media thread that forwards packets on this lane; `None` for any other lane.
    pub const fn forwarding_thread(self) -> Option<u8> {
        if self.0.is_multiple_of(2) && self.0 / 2 < Lane::MAX_MEDIA_THREADS { Some(self.0 / 2) } else { None }
    }

    /// The lane that a datagram names.
    pub const fn from_number(number: u8) -> Lane {
        Lane(number)
    }

    /// The lane's number in datagrams.
    pub const fn number(self) -> u8 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;

    /// No two senders of one direction get the same lane.
    #[test]
    fn downlink_lanes_are_distinct() {
        let threads = 0..Lane::MAX_MEDIA_THREADS;
        let mut lanes: BTreeSet<Lane> = threads.clone().flat_map(|t| [Lane::forwarding(t), Lane::session(t)]).collect();
        assert!(lanes.insert(Lane::MIXER));
        assert_eq!(lanes.len(), 2 * usize::from(Lane::MAX_MEDIA_THREADS) + 1);
        assert!(threads.clone().all(|t| Lane::forwarding(t).forwarding_thread() == Some(t)));
        assert!(threads.into_iter().all(|t| Lane::session(t).forwarding_thread().is_none()));
        assert_eq!(Lane::MIXER.forwarding_thread(), None);
    }
}
