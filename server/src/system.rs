//! What the server asks of the operating system: random bytes, open files, memory.

pub use crate::platform::{open_file_limit, raise_open_file_limit, resident_kib};
use ring::rand::{SecureRandom, SystemRandom};
use rtjam_protocol::server::rooms::Entropy;

/// The operating system's random number generator.
pub struct Random(SystemRandom);

impl Random {
    /// Opens the generator.
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
        // Predictable keys would be worse than a crash.
        self.0.fill(out).expect("the operating system provides random bytes");
    }
}

/// This process's resident memory in MiB, if the system tells.
pub fn resident_mib() -> Option<u64> {
    resident_kib().map(|kib| kib / 1024)
}
