//! What happens to audio in RTJam: from the own input to packets, and from everyone's packets to what is
//! heard.
//!
//! [`engine`] makes three ends, each for its own threads. [`Engine`] belongs to the audio thread and is
//! clocked by the host: nothing happens outside [`Engine::process`]. [`NetworkEnd`] belongs to the
//! threads that send and receive. [`Console`] is everyone's: controls and meters, all of them atomics.
//!
//! ```text
//! input ─► hostrate ─► packetizer ─► ring ─► jam-send
//!
//! jam-recv ─► ring ─► voice: jitter buffer ─► concealment ─► limiter ─► drift ─┬─► slot output ─► hostrate
//!                                                                              └─► mixer ─► hostrate ─► limiter ─► main
//! ```
//!
//! ```
//! use rtjam_engine::{Gain, Outputs, SLOTS, engine};
//! use rtjam_protocol::Micros;
//!
//! let (mut engine, mut network, console) = engine(0x5EED, || { /* unpark the sending thread */ });
//! console.set_monitor(Gain::db(-6.0));
//! engine.configure(48_000, 64);
//!
//! // The host's callback.
//! let (mut left, mut right) = ([0.0; 64], [0.0; 64]);
//! let mut outputs = Outputs { main: [&mut left, &mut right], slots: [const { None }; SLOTS] };
//! engine.process(Micros(1_000), [&[0.1; 64], &[0.2; 64]], &mut outputs);
//!
//! // The sending thread.
//! let packet = network.outgoing.pop().expect("a block is a packet");
//! assert_eq!(packet.channels()[1], [0.2; 64]);
//! ```
//!
//! There is no socket, lock or clock here. Memory is taken by [`engine`] and [`Engine::configure`] only.
//! Time is an argument; sound is addressed by absolute frame positions at 48 kHz.
//!
//! | module | what lives there |
//! |---|---|
//! | `engine` | one call of the host, from input to output |
//! | `bridge` | the two rings to and from the network threads |
//! | `console`, `controls`, `meters` | what people set and read |
//! | `level` | gains, pans, levels, the meter |
//! | `hostrate` | between the host's rate and 48 kHz |
//! | `packetizer` | from frames to packets |
//! | `receiver`, `voice` | from packets to each musician's steady stream |
//! | `timeline`, `stalls` | how the host's calls lie in time |
//! | `room`, `mixer` | from musicians to what is heard |
//! | `desk` | many mixes of the same musicians, for a room server: no ring, no host |
//! | `denormals` | what must not enter the audio path |

mod atomic;
mod bridge;
mod console;
mod controls;
mod denormals;
mod desk;
mod engine;
mod hostrate;
mod level;
mod meters;
mod mixer;
mod packetizer;
mod receiver;
mod room;
mod stalls;
mod timeline;
mod voice;

pub use bridge::{
    Calls, HostCall, Incoming, MAX_PACKET_FRAMES, MAX_PAYLOAD, NetworkEnd, NotTaken, OutPacket, Outgoing,
};
pub use console::{Channel, Console, Strip};
pub use controls::{Comfort, PacketSize, Playout, STRIPS, UnknownComfort};
pub use denormals::tame;
pub use desk::{Desk, Mix};
pub use engine::{Engine, MAX_BLOCK, Outputs, SLOTS, engine, engine_for};
pub use level::{Gain, Level, Pan, SILENCE_DBFS};
pub use meters::{EngineReading, Notice, RoomReading, Stalling, TxReading, VoiceReading};
pub use mixer::Balance;
