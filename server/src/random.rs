//! Entropy from the operating system.

use ring::rand::{SecureRandom, SystemRandom};
use rtjam_protocol::server::rooms::Entropy;

/// The operating system's random bytes.
pub struct Random(SystemRandom);

impl Random {
    /// Opens the source.
    pub fn new() -> Random {
        Random(SystemRandom::new())
    }

    /// An array of random bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }
}

impl Default for Random {
    fn default() -> Self {
        Random::new()
    }
}

impl Entropy for Random {
    fn fill(&mut self, out: &mut [u8]) {
        // Going on with keys that can be guessed would be worse than ending.
        self.0.fill(out).expect("the operating system gives random bytes");
    }
}
