//! Input bytes read as a script, and a fast insecure cipher that detects reused nonces.

use core::cell::RefCell;
use rtjam_protocol::seal::{Crypto, DidNotOpen, Key, KeyLimits, Nonce, Sealer, Suite, TAG_LEN};
use std::collections::BTreeSet;

/// The rest of a script. At the end, numbers are 0.
pub(crate) struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Script<'a> {
        forget_nonces();
        Script(bytes)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        self.take(1).first().copied().unwrap_or(0)
    }

    /// A number below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        usize::from(self.byte()) % n
    }

    pub(crate) fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    /// At most `n` bytes.
    pub(crate) fn take(&mut self, n: usize) -> &'a [u8] {
        let (head, tail) = self.0.split_at(n.min(self.0.len()));
        self.0 = tail;
        head
    }

    /// A span of 0 to about 16 s in µs. Short ones are as likely as long ones.
    pub(crate) fn span(&mut self) -> u64 {
        let (mantissa, exponent) = (u64::from(self.byte()), self.byte() % 17);
        mantissa << exponent
    }
}

std::thread_local! {
    static NONCES: RefCell<BTreeSet<([u8; 32], [u8; 12])>> = const { RefCell::new(BTreeSet::new()) };
}

fn forget_nonces() {
    NONCES.with_borrow_mut(BTreeSet::clear);
}

/// Leaves the plaintext as it is; the tag is a hash.
struct Tally([u8; 32]);

impl Tally {
    fn tag(&self, nonce: Nonce, aad: &[u8], plain: &[u8]) -> [u8; TAG_LEN] {
        hash(self.0.iter().chain(&nonce.0).chain(aad).chain(plain)).to_be_bytes()
    }
}

/// FNV-1a, 128 bits.
fn hash<'b>(all: impl Iterator<Item = &'b u8>) -> u128 {
    all.fold(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d_u128, |h, b| {
        (h ^ u128::from(*b)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013B)
    })
}

impl Sealer for Tally {
    fn seal(&self, nonce: Nonce, aad: &[u8], plain: &mut [u8]) -> [u8; TAG_LEN] {
        let fresh = NONCES.with_borrow_mut(|seen| seen.insert((self.0, nonce.0)));
        assert!(fresh, "a nonce was used twice");
        self.tag(nonce, aad, plain)
    }

    fn open<'a>(&self, nonce: Nonce, aad: &[u8], sealed: &'a mut [u8]) -> Result<&'a mut [u8], DidNotOpen> {
        let (plain, tag) = sealed.split_last_chunk_mut::<TAG_LEN>().ok_or(DidNotOpen)?;
        if *tag == self.tag(nonce, aad, plain) { Ok(plain) } else { Err(DidNotOpen) }
    }

    fn set_key(&mut self, key: &Key) {
        self.0 = key.0;
    }
}

fn tally(_: Suite, key: &Key) -> Box<dyn Sealer> {
    Box::new(Tally(key.0))
}

fn expand(key: &Key, info: &[u8]) -> Key {
    let mut derived = [0; 32];
    for (i, half) in (0_u8..).zip(derived.chunks_exact_mut(16)) {
        half.copy_from_slice(&hash(key.0.iter().chain(info).chain(&[i])).to_be_bytes());
    }
    Key(derived)
}

/// Fast, insecure, and with key changes every few datagrams.
pub(crate) const TALLY: Crypto =
    Crypto { make_sealer: tally, expand, limits: KeyLimits { packets_per_key: 5, ..KeyLimits::STANDARD } };
