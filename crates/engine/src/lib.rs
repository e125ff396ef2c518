//! The audio path of RTJam: turns the local input into packets, and received packets into the outputs.
//!
//! [`engine`] makes three ends. [`Engine`] belongs to the audio thread and is clocked by the host: nothing happens outside
//! [`Engine::process`]. [`NetworkEnd`] belongs to the threads that send and receive. [`Console`] is for all threads:
//! controls and readings, all of them atomics.
//!
//! ```text
//! input ─► resampler ─► packetizer ─► ring ─► jam-send
//!
//! jam-recv ─► ring ─► voice: jitter buffer ─► concealment ─► limiter ─► drift ─┬─► aux output ─► resampler
//!                                                                              └─► mixer ─► resampler ─► limiter ─► main
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
//! There is no socket, lock or clock here. Only [`engine`] and [`Engine::configure`] allocate. Time is an argument; sound is
//! addressed by absolute frame positions at 48 kHz.
//!
//! | module | contents |
//! |---|---|
//! | `engine` | one call of the host, from input to output |
//! | `bridge` | the rings to and from the network threads |
//! | `console`, `controls`, `strip`, `meters` | controls to set and readings to take |
//! | `level` | gains, pans, levels, the level meter |
//! | `resampler` | between the host's rate and 48 kHz |
//! | `packetizer` | from frames to packets |
//! | `receiver`, `voice` | from packets to each musician's steady stream |
//! | `timeline`, `host_stalls` | how the host's calls lie in time |
//! | `output_mixer`, `mixer` | from musicians to what is heard |
//! | `mix_bus` | many mixes of the same musicians, for a room server: without rings and host |
//! | `denormals` | keeps denormals and NaN off the audio path |
//! | `atomics` | values that one thread writes and others read |

mod atomics;
mod bridge;
mod console;
mod controls;
mod denormals;
mod engine;
mod host_stalls;
mod level;
mod meters;
mod mix_bus;
mod mixer;
mod output_mixer;
mod packetizer;
mod receiver;
mod resampler;
mod strip;
mod timeline;
mod voice;

pub use bridge::{Calls, HostCall, Incoming, MAX_PAYLOAD, NetworkEnd, NotTaken, OutPacket, Outgoing};
pub use console::Console;
pub use controls::{MAX_PACKET_FRAMES, PacketSize, Playout, PlayoutBias, STRIPS, UnknownPlayoutBias};
pub use denormals::sanitize_sample;
pub use engine::{Engine, MAX_BLOCK, engine, engine_for};
pub use level::{Gain, Level, Pan, SILENCE_DBFS};
pub use meters::{EngineReading, Notice, RoomReading, StallPattern, TxReading, VoiceReading};
pub use mix_bus::{Mix, MixBus};
pub use mixer::Balance;
pub use output_mixer::{Outputs, SLOTS};
pub use strip::{Strip, StripChannel};
