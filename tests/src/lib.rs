//! The harness of the end-to-end tests: real programs, real jackd, real sockets.
//!
//! | module | what lives there |
//! |---|---|
//! | [`programs`] | paths of the programs under test |
//! | [`child`] | a child process, its output and its end |
//! | [`room`], [`musician`] | a running `rtjam-server` and a running `rtjam --headless` |
//! | [`jackd`], [`probe`] | a JACK server with the dummy driver; a client that plays and records |
//! | [`realtime_stalls`] | keeps the kernel from stalling real-time threads; takes that are repeated if it did |
//! | [`claphost`], [`vst3host`] | small plugin hosts, correct or deliberately incorrect |
//! | [`ardour`], [`vst3`] | a real DAW without its window; the plugin as a VST3 bundle |
//! | [`legacy`], [`legacy_server`] | a legacy rtjam unit and a legacy server, written from their packet format alone |
//! | [`relay`] | an impaired network between a musician and a server |
//! | [`namespace`] | network namespaces |
//! | [`wine`] | programs for Windows |
//! | [`sound`] | test signals, and comparison of the sent with the received signal |
//! | [`display`] | a virtual screen, a host's window on it, pointer and keys |
//! | [`hosting`] | a test in its own process, on a virtual screen |
//! | [`wait`] | conditions with deadlines |
//! | [`machine`] | temporary folders; programs and permissions that may be missing |
//!
//! Tests wait for conditions with deadlines; they do not sleep for a fixed time.

#![allow(clippy::expect_used, reason = "a test harness fails by a panic that says what is missing")]

pub mod ardour;
pub mod child;
pub mod claphost;
pub mod display;
pub mod hosting;
pub mod jackd;
pub mod legacy;
pub mod legacy_server;
pub mod machine;
pub mod musician;
pub mod namespace;
pub mod probe;
pub mod programs;
pub mod realtime_stalls;
pub mod relay;
pub mod room;
pub mod sound;

pub mod vst3;
#[cfg(target_os = "linux")]
pub mod vst3host;
pub mod wait;
pub mod wine;
