//! Shared helpers: seeded randomness, signing identities, configurations.

// Each test file uses only a part of it.
#![allow(dead_code)]

use ring::signature::{Ed25519KeyPair, KeyPair};
use rtjam_protocol::client::{self, Signer};
use rtjam_protocol::control::{
    Features, Hello, MediaEndpoint, MixRequest, Release, SeatRequest, SeatRole, TransportKind, signed_text,
};
use rtjam_protocol::link::{Pin, Secret};
use rtjam_protocol::seal::{Suite, ring as ring_seal};
use rtjam_protocol::server::rooms::{self, Caps, Entropy, RoomSecrets};
use rtjam_protocol::{MusicianId, RoomName};

/// Pin of the test server.
pub(crate) const PIN: Pin = Pin([0x51; 16]);

/// Marsaglia's xorshift64. Equal seeds give equal sequences.
pub(crate) struct XorShift(u64);

impl XorShift {
    pub(crate) fn new(seed: u64) -> XorShift {
        XorShift(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `n`, which is not 0.
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        (self.next() >> 11) % n
    }

    /// Returns true in `percent` of 100 cases.
    pub(crate) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

impl Entropy for XorShift {
    fn fill(&mut self, out: &mut [u8]) {
        out.fill_with(|| (self.next() >> 32) as u8);
    }
}

/// An Ed25519 identity derived from a seed.
pub(crate) struct Identity(Ed25519KeyPair);

impl Identity {
    pub(crate) fn new(seed: u8) -> Identity {
        Identity(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("32 bytes"))
    }
}

impl Signer for Identity {
    fn musician(&self) -> MusicianId {
        MusicianId(self.0.public_key().as_ref().try_into().expect("32 bytes"))
    }

    fn sign(&self, text: &[u8]) -> [u8; 64] {
        self.0.sign(text).as_ref().try_into().expect("64 bytes")
    }
}

pub(crate) fn lobby() -> RoomName {
    RoomName::new("lobby").expect("a name")
}

pub(crate) fn secrets() -> RoomSecrets {
    let secret = |n| Secret([n; 16]).into();
    RoomSecrets { listener: secret(1), musician: secret(2), moderator: secret(3) }
}

pub(crate) fn server_config(max_musicians: u16) -> rooms::RoomsConfig {
    rooms::RoomsConfig {
        pins: vec![PIN],
        suites: vec![Suite::Aes128Gcm, Suite::ChaCha20Poly1305],
        media: vec![MediaEndpoint { host: None, port: 7891, kind: TransportKind::Udp }],
        media_threads: 1,
        max_musicians,
        max_listeners: max_musicians,
        caps: Caps { per_identity: u16::MAX, per_address: None, new_identities: u16::MAX },
        verify: ring_seal::verify,
        release: Release::OWN,
    }
}

pub(crate) fn client_config(name: &str, role: SeatRole) -> client::ClientConfig {
    client::ClientConfig {
        room: lobby(),
        role,
        secret: if role == SeatRole::Listener { secrets().listener.secret } else { secrets().musician.secret },
        name: name.to_owned(),
        suites: vec![Suite::ChaCha20Poly1305, Suite::Aes128Gcm],
        instance: None,
        crypto: ring_seal::CRYPTO,
        mix: MixRequest::default(),
        release: Release::OWN,
    }
}

/// A valid `hello` to the server that sent `nonce`.
pub(crate) fn hello(identity: &Identity, name: &str, nonce: &[u8; 32]) -> Hello {
    Hello {
        version: 1,
        musician: identity.musician(),
        signature: identity.sign(&signed_text(nonce, &PIN)),
        name: name.to_owned(),
        suites: vec![Suite::Aes128Gcm],
        features: Features::SUPPORTED,
        release: Some(Release::OWN),
    }
}

/// A seat request for the lobby, parsed from JSON that contains only the required fields and `more`.
pub(crate) fn seat(role: &str, more: &str) -> SeatRequest {
    let secret = if role == "listener" { "AQEBAQEBAQEBAQEBAQEBAQ" } else { "AgICAgICAgICAgICAgICAg" };
    let text = format!(r#"{{"room":"lobby","role":"{role}","secret":"{secret}"{more}}}"#);
    rtjam_protocol::control::read(&text).expect("a seat")
}
