//! Key changes within a session: which datagrams open, and what a change costs.

use rtjam_protocol::control::{Features, SessionKeys};
use rtjam_protocol::datagram::{DatagramClass, DatagramHeader, Frame, write_frame};
use rtjam_protocol::seal::ring::{self, CRYPTO};
use rtjam_protocol::seal::{
    Crypto, DirectionKeys, Key, KeyId, KeyLimits, Lane, OLD_KEY_OPENS_FOR, ReceiveKey, Rejected, Sealer, SendLane,
    Suite,
};
use rtjam_protocol::{Micros, SessionId};
use std::cell::Cell;
use std::collections::BTreeMap;

const T0: Micros = Micros::from_secs(100);

fn with_keys_of(packets_per_key: u64) -> Crypto {
    Crypto { limits: KeyLimits { packets_per_key, ..KeyLimits::STANDARD }, ..CRYPTO }
}

fn direction(crypto: Crypto, rekey: bool) -> DirectionKeys {
    let keys = SessionKeys { suite: Suite::Aes128Gcm, id: KeyId(0), up: Key([1; 32]), down: Key([2; 32]) };
    keys.downlink(SessionId(7), Features { rekey, ..Features::default() }, crypto)
}

/// The next `n` datagrams of a lane.
fn sealed(lane: &mut SendLane, n: usize) -> Vec<Vec<u8>> {
    let next = |_| {
        let mut out = Vec::new();
        lane.seal(DatagramClass::Session, &mut out, |out| write_frame(&Frame::KeepAlive, out));
        out
    };
    (0..n).map(next).collect()
}

fn open(receive: &mut ReceiveKey, now: Micros, datagram: &[u8]) -> Result<(), Rejected> {
    receive.open(now, &mut datagram.to_vec()).map(|opened| assert_eq!(opened.frames().count(), 1))
}

fn key_id(datagram: &[u8]) -> u8 {
    DatagramHeader::read(datagram).expect("a header").key.0
}

/// Every datagram opens once across many keys and lanes, and key ids increment and wrap.
#[test]
fn keys_change_and_everything_opens() {
    let direction = direction(with_keys_of(3), true);
    let (mut receive, mut lanes) =
        (direction.receive(), [0, 5, 254].map(|lane| direction.send_lane(Lane::from_number(lane))));
    for packet in 0..1000_u64 {
        for lane in &mut lanes {
            let datagram = &sealed(lane, 1)[0];
            assert_eq!(key_id(datagram), (packet / 3) as u8);
            assert_eq!(open(&mut receive, T0, datagram), Ok(()));
            assert_eq!(open(&mut receive, T0, datagram), Err(Rejected::Replayed));
        }
    }
}

/// Without the feature, all lanes use one key with id 0.
#[test]
fn ends_without_rekeying_keep_one_key() {
    let direction = direction(with_keys_of(3), false);
    let (mut receive, mut lane) = (direction.receive(), direction.send_lane(Lane::from_number(1)));
    assert!(!lane.changes_keys());
    for datagram in sealed(&mut lane, 100) {
        assert_eq!((key_id(&datagram), open(&mut receive, T0, &datagram)), (0, Ok(())));
    }
}

/// The previous key opens reordered datagrams for exactly three seconds.
#[test]
fn old_key_opens_for_three_seconds() {
    let direction = direction(with_keys_of(100), true);
    let (mut receive, mut lane) = (direction.receive(), direction.send_lane(Lane::from_number(0)));
    let datagrams = sealed(&mut lane, 300);
    for datagram in &datagrams[..90] {
        assert_eq!(open(&mut receive, T0, datagram), Ok(()));
    }
    assert_eq!(open(&mut receive, T0, &datagrams[100]), Ok(()));
    let last = T0 + Micros(OLD_KEY_OPENS_FOR.0 - 1);
    assert_eq!(open(&mut receive, last, &datagrams[98]), Ok(()));
    assert_eq!(open(&mut receive, T0 + OLD_KEY_OPENS_FOR, &datagrams[99]), Err(Rejected::NotOurs));
    // The key before the previous one is erased at once.
    assert_eq!(open(&mut receive, last, &datagrams[200]), Ok(()));
    assert_eq!(open(&mut receive, last, &datagrams[101]), Ok(()));
    assert_eq!(open(&mut receive, last, &datagrams[97]), Err(Rejected::NotOurs));
}

/// After a second of silence, a receiver may skip several keys. Until then, nobody can make it derive more than one key.
#[test]
fn interrupted_lane_skips_keys() {
    let direction = direction(with_keys_of(10), true);
    let (mut receive, mut lane) = (direction.receive(), direction.send_lane(Lane::from_number(0)));
    let datagrams = sealed(&mut lane, 400);
    assert_eq!(open(&mut receive, T0, &datagrams[0]), Ok(()));
    let soon = T0 + Micros::from_millis(999);
    assert_eq!(open(&mut receive, soon, &datagrams[300]), Err(Rejected::NotOurs));
    let later = T0 + Micros::from_secs(1);
    // A forged claim costs one attempt; the next one is due after another second.
    let mut forged = datagrams[390].clone();
    forged.push(0);
    assert_eq!(open(&mut receive, later, &forged), Err(Rejected::DidNotOpen));
    assert_eq!(open(&mut receive, later, &datagrams[300]), Err(Rejected::NotOurs));
    let again = later + Micros::from_secs(1);
    assert_eq!(open(&mut receive, again, &datagrams[300]), Ok(()));
    for datagram in &datagrams[301..] {
        assert_eq!(open(&mut receive, again, datagram), Ok(()));
    }
    assert_eq!(open(&mut receive, again, &datagrams[1]), Err(Rejected::NotOurs));
}

/// Forged datagrams with any lane, key id and counter do not keep authentic ones from opening.
#[test]
fn forged_key_ids_are_harmless() {
    let direction = direction(with_keys_of(10), true);
    let (mut receive, mut lane) = (direction.receive(), direction.send_lane(Lane::from_number(0)));
    for (n, datagram) in sealed(&mut lane, 200).iter().enumerate() {
        for (lane, ahead) in [(0, 0), (0, 1), (0, 10), (0, 2000), (3, 0), (4, 10)] {
            let mut forged = datagram.clone();
            let counter = n as u64 + 1 + ahead;
            (forged[1], forged[2]) = (((counter - 1) / 10) as u8, lane);
            forged[7..14].copy_from_slice(&counter.to_be_bytes()[1..]);
            *forged.last_mut().expect("bytes") ^= 1;
            assert!(open(&mut receive, T0, &forged).is_err());
        }
        assert_eq!(open(&mut receive, T0, datagram), Ok(()));
    }
}

/// Nothing opens after the limit of failed attempts.
#[test]
fn too_many_forgeries_exhaust_the_keys() {
    for rekey in [false, true] {
        let limits = KeyLimits { failed_opens_aes: 5, ..KeyLimits::STANDARD };
        let direction = direction(Crypto { limits, ..CRYPTO }, rekey);
        let (mut receive, mut lane) = (direction.receive(), direction.send_lane(Lane::from_number(0)));
        let datagrams = sealed(&mut lane, 2);
        let mut forged = datagrams[0].clone();
        *forged.last_mut().expect("bytes") ^= 1;
        for _ in 0..5 {
            assert!(!receive.is_exhausted());
            assert_eq!(open(&mut receive, T0, &forged), Err(Rejected::DidNotOpen));
        }
        assert!(receive.is_exhausted());
        assert_eq!(open(&mut receive, T0, &datagrams[1]), Err(Rejected::Exhausted));
    }
}

thread_local! {
    /// Sealers created and keys derived.
    static MADE: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

const COUNTING: Crypto = Crypto {
    make_sealer: |suite, key| -> Box<dyn Sealer> {
        MADE.set((MADE.get().0 + 1, MADE.get().1));
        ring::make_sealer(suite, key)
    },
    expand: |key, info| {
        MADE.set((MADE.get().0, MADE.get().1 + 1));
        ring::expand(key, info)
    },
    limits: KeyLimits { packets_per_key: 1000, ..KeyLimits::STANDARD },
};

/// A key change creates no sealer, and lanes with equal counters derive their keys at different times.
#[test]
fn key_changes_are_cheap_and_spread() {
    let mut ends: Vec<(SendLane, ReceiveKey)> = (0..64)
        .map(|session| {
            let keys = SessionKeys { suite: Suite::Aes128Gcm, id: KeyId(0), up: Key([1; 32]), down: Key([2; 32]) };
            let direction = keys.downlink(SessionId(session * 0x9E_3779), Features::SUPPORTED, COUNTING);
            (direction.send_lane(Lane::from_number(0)), direction.receive())
        })
        .collect();
    let mut derived_at = BTreeMap::new();
    let mut begun = (0, 0);
    for packet in 0..3000 {
        for (lane, receive) in &mut ends {
            let datagram = &sealed(lane, 1)[0];
            assert_eq!(open(receive, T0, datagram), Ok(()));
        }
        let (made, derived) = MADE.get();
        if packet > 0 {
            assert_eq!(made, begun.0, "a sealer was made at packet {packet}");
            derived_at.insert(packet, derived - begun.1);
        }
        begun = (made, derived);
    }
    assert_eq!(derived_at.values().sum::<usize>(), 64 * 2 * 3, "both ends, three times");
    assert!(derived_at.values().all(|n| *n <= 8), "{:?}", derived_at.values().max());
}
