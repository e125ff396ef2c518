//! The harness of the end-to-end tests: real programs, real jackd, real sockets.
//!
//! | module | what lives there |
//! |---|---|
//! | [`programs`] | where the programs under test are |
//! | [`child`] | a program that runs: its lines, its end |
//! | [`room`], [`musician`] | `rtjam-server` and `rtjam --headless` as a test sees them |
//! | [`jackd`], [`probe`] | a JACK server with the dummy driver; a client that plays and records |
//! | `calm` | a machine that lets both do so in time |
//! | [`claphost`] | a small plugin host, well-behaved or not |
//! | [`ardour`], [`vst3`] | a real DAW without its window; the plugin as it takes it |
//! | [`vst3host`] | a small VST3 host, well-behaved or not |
//! | [`classic`], [`classic_server`] | an rtjam unit and a server of before, made from the bytes of their packet |
//! | [`relay`] | a network between a musician and a server that can be made bad |
//! | [`namespace`] | network namespaces |
//! | [`sound`] | what was played against what arrived |
//! | [`display`] | a screen that nobody sees, a host's window on it, and a musician's hands |
//! | [`hosting`] | a test in a process of its own, on a screen that nobody sees |
//! | [`wait`] | conditions with deadlines; [`skip`]: parts that are not there |
//!
//! Tests wait for conditions with deadlines, never for time to pass.

#![allow(clippy::expect_used, reason = "a harness ends a test by a panic that says what is missing")]

pub mod ardour;
mod calm;
pub mod child;
pub mod claphost;
pub mod classic;
pub mod classic_server;
pub mod display;
pub mod hosting;
pub mod jackd;
pub mod musician;
pub mod namespace;
pub mod probe;

pub mod programs;
pub mod relay;
pub mod room;
pub mod scratch;
pub mod skip;
pub mod sound;

pub mod vst3;
#[cfg(target_os = "linux")]
pub mod vst3host;
pub mod wait;
