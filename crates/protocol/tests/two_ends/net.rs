//! A seeded bad network.

use crate::common::XorShift;
use rtjam_protocol::Micros;

/// The connection of one client to the server.
#[derive(Clone)]
pub(crate) struct NetworkLink {
    /// One-way delay.
    pub(crate) delay: Micros,
    /// Additional random delay of each datagram.
    pub(crate) jitter: Micros,
    /// Percentage of lost datagrams.
    pub(crate) loss: u64,
    /// Percentage of duplicated datagrams.
    pub(crate) duplicates: u64,
    /// Percentage of datagrams that arrive up to 30 ms late.
    pub(crate) stragglers: u64,
    /// The largest datagram that passes.
    pub(crate) largest: usize,
    /// Whether datagrams to the server pass.
    pub(crate) up: bool,
    /// Whether datagrams from the server pass.
    pub(crate) down: bool,
    /// Whether control connections pass.
    pub(crate) control: bool,
}

impl NetworkLink {
    pub(crate) fn good() -> NetworkLink {
        NetworkLink {
            delay: Micros::from_millis(10),
            jitter: Micros::from_millis(2),
            loss: 0,
            duplicates: 0,
            stragglers: 0,
            largest: 1472,
            up: true,
            down: true,
            control: true,
        }
    }

    pub(crate) fn bad() -> NetworkLink {
        NetworkLink {
            delay: Micros::from_millis(25),
            jitter: Micros::from_millis(8),
            loss: 5,
            duplicates: 5,
            stragglers: 5,
            ..NetworkLink::good()
        }
    }

    pub(crate) fn gone(self) -> NetworkLink {
        NetworkLink { up: false, down: false, control: false, ..self }
    }

    pub(crate) fn without_udp(self) -> NetworkLink {
        NetworkLink { up: false, down: false, ..self }
    }

    /// The delay of each copy of a datagram; empty if it is lost.
    pub(crate) fn carry(&self, rng: &mut XorShift, size: usize, up: bool) -> Vec<Micros> {
        let passes = if up { self.up } else { self.down };
        if !passes || size > self.largest || rng.chance(self.loss) {
            return Vec::new();
        }
        let copies = 1 + usize::from(rng.chance(self.duplicates));
        let one = |rng: &mut XorShift| {
            let late = if rng.chance(self.stragglers) { rng.below(30_000) } else { 0 };
            Micros(self.delay.0 + rng.below(self.jitter.0 + 1) + late)
        };
        (0..copies).map(|_| one(rng)).collect()
    }
}
