//! The cryptographic primitives, implemented by `ring`.

use super::{Crypto, DidNotOpen, Key, KeyLimits, Nonce, Sealer, Suite, TAG_LEN};
use crate::ids::MusicianId;
use alloc::boxed::Box;
use core::hint::black_box;
use ring::aead::{AES_128_GCM, Aad, CHACHA20_POLY1305, LessSafeKey, Nonce as RingNonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Prk};

/// The primitives that the programs use.
pub const CRYPTO: Crypto = Crypto { make_sealer, expand, limits: KeyLimits::STANDARD };

struct RingSealer {
    suite: Suite,
    key: LessSafeKey,
}

impl Sealer for RingSealer {
    fn seal(&self, nonce: Nonce, aad: &[u8], plain: &mut [u8]) -> [u8; TAG_LEN] {
        let nonce = RingNonce::assume_unique_for_key(nonce.0);
        match self.key.seal_in_place_separate_tag(nonce, Aad::from(aad), plain) {
            Ok(tag) => {
                let mut bytes = [0; TAG_LEN];
                bytes.copy_from_slice(tag.as_ref());
                bytes
            }
            // Only for inputs of 64 GiB. Zeros reveal nothing and do not open.
            Err(_) => {
                plain.fill(0);
                [0; TAG_LEN]
            }
        }
    }

    fn open<'a>(&self, nonce: Nonce, aad: &[u8], sealed: &'a mut [u8]) -> Result<&'a mut [u8], DidNotOpen> {
        let nonce = RingNonce::assume_unique_for_key(nonce.0);
        self.key.open_in_place(nonce, Aad::from(aad), sealed).map_err(|_| DidNotOpen)
    }

    fn set_key(&mut self, key: &Key) {
        self.key = expanded(self.suite, key);
    }
}

impl Drop for RingSealer {
    /// Overwrites the key, because `ring` does not zeroize keys.
    fn drop(&mut self) {
        self.set_key(&Key::ZERO);
        black_box(&self.key);
    }
}

/// Creates the sealer of a suite under a key.
pub fn make_sealer(suite: Suite, key: &Key) -> Box<dyn Sealer> {
    Box::new(RingSealer { suite, key: expanded(suite, key) })
}

fn expanded(suite: Suite, key: &Key) -> LessSafeKey {
    let (algorithm, bytes) = match suite {
        Suite::Aes128Gcm => (&AES_128_GCM, &key.0[..16]),
        Suite::ChaCha20Poly1305 => (&CHACHA20_POLY1305, &key.0[..]),
    };
    let key = UnboundKey::new(algorithm, bytes).expect("the key has the length that its suite asks for");
    LessSafeKey::new(key)
}

/// HKDF-Expand with SHA-256: derives 32 bytes from a key and `info`.
pub fn expand(key: &Key, info: &[u8]) -> Key {
    let mut derived = Key::ZERO;
    let made = Prk::new_less_safe(HKDF_SHA256, &key.0)
        .expand(&[info], HKDF_SHA256)
        .and_then(|material| material.fill(&mut derived.0));
    made.expect("HKDF-SHA256 makes 32 bytes");
    derived
}

/// The cipher suites, the faster one on this machine first.
pub fn preferred_suites() -> [Suite; 2] {
    suites_by_speed(has_aes_instructions())
}

fn suites_by_speed(has_aes_instructions: bool) -> [Suite; 2] {
    if has_aes_instructions {
        [Suite::Aes128Gcm, Suite::ChaCha20Poly1305]
    } else {
        [Suite::ChaCha20Poly1305, Suite::Aes128Gcm]
    }
}

fn has_aes_instructions() -> bool {
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    return std::arch::is_x86_feature_detected!("aes");
    #[cfg(target_arch = "aarch64")]
    return std::arch::is_aarch64_feature_detected!("aes");
    #[cfg(not(any(target_arch = "x86", target_arch = "x86_64", target_arch = "aarch64")))]
    return false;
}

/// Whether `signature` (Ed25519) over `message` is the musician's.
pub fn verify(musician: &MusicianId, message: &[u8], signature: &[u8; 64]) -> bool {
    let key = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, musician.0);
    key.verify(message, signature).is_ok()
}

/// The pin of a public key: the first 16 bytes of SHA-256 over its SubjectPublicKeyInfo (DER).
pub fn pin_of(subject_public_key_info: &[u8]) -> crate::link::Pin {
    let digest = ring::digest::digest(&ring::digest::SHA256, subject_public_key_info);
    let mut pin = [0; 16];
    pin.copy_from_slice(&digest.as_ref()[..16]);
    crate::link::Pin(pin)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A Raspberry Pi 4 has no AES instructions: it offers ChaCha20 first, which the server then accepts.
    #[test]
    fn chacha20_comes_first_without_aes_instructions() {
        assert_eq!(suites_by_speed(false), [Suite::ChaCha20Poly1305, Suite::Aes128Gcm]);
        assert_eq!(suites_by_speed(true), [Suite::Aes128Gcm, Suite::ChaCha20Poly1305]);
        assert_eq!(preferred_suites(), suites_by_speed(has_aes_instructions()));
    }
}
