//! A session at the thread that owns it.

use super::forward_queue::RoomNumber;
use super::policer::Policer;
use super::route::{LocalEndpoint, MediaPath, Route};
use crate::statistics::SessionCounters;
use crate::statistics::uplink::UplinkMeter;
use rtjam_protocol::server::ServerSession;
use rtjam_protocol::{Micros, SessionId, SourceId};
use std::net::SocketAddr;
use std::sync::Arc;

/// Of two claimed waits the higher one holds, but at most this much above the lower one.
const MAX_ABOVE_LOWER: Micros = Micros::from_millis(10);

/// Of more than two claimed waits, the one below which one in this many lies, but at least one.
const LOW_QUANTILE: usize = 4;

/// A peer and its network paths.
pub(super) struct MediaSession {
    pub(super) peer: ServerSession,
    pub(super) room: RoomNumber,
    pub(super) source: SourceId,
    /// Whether what it sends is forwarded.
    pub(super) sends: bool,
    pub(super) life: Life,
    pub(super) uplink: UplinkMeter,
    pub(super) policer: Policer,
    /// The session from which this one takes over, until that one ends.
    pub(super) replaces: Option<SessionId>,
    /// Whether the rooms actor knows that another session should take over.
    pub(super) worn_told: bool,
    /// How long the mixer waits for late packets, while it mixes the session.
    mixer_wait: Option<Micros>,
    route: Arc<Route>,
    /// Where a challenge may go: the last path, other than the route, from which an authentic datagram arrived.
    candidate: Option<MediaPath>,
}

/// Life cycle of a session at its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Life {
    /// It is served.
    Live,
    /// It said goodbye or fell silent; the rooms actor does not know yet.
    Over,
    /// The rooms actor knows, and will remove it.
    Reported,
}

impl MediaSession {
    pub(super) fn new(
        peer: ServerSession,
        room: RoomNumber,
        source: SourceId,
        sends: bool,
        route: Arc<Route>,
        counters: Arc<SessionCounters>,
    ) -> MediaSession {
        MediaSession {
            peer,
            room,
            source,
            sends,
            life: Life::Live,
            uplink: UplinkMeter::new(counters),
            policer: Policer::default(),
            replaces: None,
            worn_told: false,
            mixer_wait: None,
            route,
            candidate: None,
        }
    }

    /// Applies how long each recipient waits for late packets. The mixer is one of them, and its wait holds where it is
    /// shorter than what the others agree on.
    pub(super) fn set_claimed_waits(&mut self, claims: &mut Vec<Micros>) {
        if let (Some(mixer), [_] | []) = (self.mixer_wait, &claims[..]) {
            claims.push(mixer);
        }
        if let Some(wait) = agreed_wait(claims) {
            self.peer.set_wait(self.mixer_wait.map_or(wait, |mixer| mixer.min(wait)));
        }
    }

    /// Applies how long the mixer waits; the claims of the others come with their next feedback.
    pub(super) fn set_mixer_wait(&mut self, wait: Micros) {
        self.mixer_wait = Some(wait);
        self.peer.set_wait(wait);
    }

    /// Records the path of an authentic datagram. `moved_to` is the peer's new address, once it is validated.
    pub(super) fn record_arrival(&mut self, from: SocketAddr, local: LocalEndpoint, moved_to: Option<SocketAddr>) {
        if moved_to.is_some() {
            self.route.store(Some(MediaPath::new(from, local)));
            self.candidate = None;
        } else if self.peer.path() != Some(from) {
            if self.candidate.as_ref().is_none_or(|c| c.remote != from || c.local != local) {
                self.candidate = Some(MediaPath::new(from, local));
            }
        } else if self.route.load().as_ref().is_some_and(|p| p.local != local) {
            // The client now sends to another local address, and expects answers from there.
            self.route.store(Some(MediaPath::new(from, local)));
        }
    }

    /// Takes over the path of `former`, a session of the same member.
    pub(super) fn take_over(&mut self, former: &MediaSession) {
        self.peer.inherit_path(former.peer.path());
        self.route.store(former.route.load().as_deref().cloned());
    }

    /// The path to an address that the peer named.
    pub(super) fn path_to(&self, to: SocketAddr) -> Option<MediaPath> {
        if let Some(path) = self.route.load().as_deref().filter(|p| p.remote == to) {
            return Some(path.clone());
        }
        self.candidate.clone().filter(|c| c.remote == to)
    }

    pub(super) fn has_route(&self) -> bool {
        self.route.load().is_some()
    }

    /// Stops sending to the session.
    pub(super) fn close_route(&self) {
        self.route.store(None);
    }
}

/// How long a musician's client may assume that recipients wait for late packets, from what their clients claim; `None`
/// without claims. Sorts the claims.
///
/// The wait decides whether lost packets are retransmitted or sent redundantly, for all recipients. So one claimant among
/// several never decides, and up to a quarter of them together cannot push the wait below all other claims. A sole claimant
/// decides for itself only. A recipient of a mix has no claim.
fn agreed_wait(claims: &mut [Micros]) -> Option<Micros> {
    claims.sort_unstable();
    match *claims {
        [] => None,
        [only] => Some(only),
        [low, high] => Some(high.min(low + MAX_ABOVE_LOWER)),
        ref more => more.get((more.len() / LOW_QUANTILE).max(1)).copied(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agreed(claims: &[u64]) -> Option<u64> {
        let mut claims: Vec<Micros> = claims.iter().map(|ms| Micros::from_millis(*ms)).collect();
        agreed_wait(&mut claims).map(|wait| wait.0 / 1000)
    }

    /// A claim of zero or of far too much moves the wait no further than to what another recipient claims.
    #[test]
    fn single_claimant_never_decides() {
        let honest = [12, 9, 14, 11, 30, 10, 13, 12, 11, 10, 9, 16];
        for count in 2..=honest.len() {
            let least = *honest[..count].iter().min().expect("some");
            let most = *honest[..count].iter().max().expect("some");
            for hostile in [0, 655] {
                let mut claims = honest[..count].to_vec();
                claims.push(hostile);
                let wait = agreed(&claims).expect("claims");
                assert!((least..=most).contains(&wait), "{wait} ms of {claims:?}");
            }
        }
    }

    /// A quarter of the claimants together cannot go below what the others claim.
    #[test]
    fn quarter_of_claimants_never_decides() {
        for count in 4..=63_usize {
            let hostile = count / 4;
            let claims: Vec<u64> = (0..count).map(|n| if n < hostile { 0 } else { 10 + n as u64 % 5 }).collect();
            assert!(agreed(&claims).is_some_and(|wait| wait >= 10), "{hostile} of {count}");
        }
    }

    /// Of two claims, a claim of zero leaves ten milliseconds, and an excessive one adds at most ten.
    #[test]
    fn two_claims_differ_by_ten_milliseconds() {
        assert_eq!([agreed(&[0, 12]), agreed(&[0, 8]), agreed(&[5, 655]), agreed(&[7, 7])], [10, 8, 15, 7].map(Some));
        assert_eq!((agreed(&[]), agreed(&[4])), (None, Some(4)));
    }
}
