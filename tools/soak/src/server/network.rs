//! Packet loss and random disturbances, determined by a seed.

/// A random source (xorshift64).
pub(super) struct Network {
    state: u64,
    loss_percent: u64,
}

impl Network {
    pub(super) fn new(seed: u64, loss_percent: u64) -> Network {
        Network { state: seed | 1, loss_percent }
    }

    /// Whether the next datagram is lost.
    pub(super) fn loses(&mut self) -> bool {
        self.below(100) < self.loss_percent
    }

    /// From 0 to `n` - 1.
    pub(super) fn below(&mut self, n: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state >> 11) % n.max(1)
    }
}
