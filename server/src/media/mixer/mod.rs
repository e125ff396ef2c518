//! The mixer: one mix instead of everyone's packets, for musicians who want that and for listeners.
//!
//! It runs on a thread of its own. Media threads offer it the opened packets of rooms in which somebody receives a mix,
//! through a [tap](super::tap) each. It decodes every musician of such a room once ([`rtjam_engine::MixBus`]). Every 128
//! frames it sends each recipient the sum of the others (mix-minus), sealed by a lane of its own. While nobody receives a
//! mix, it sleeps.
//!
//! | module | contents |
//! |---|---|
//! | `thread` | the loop: commands and ticks |
//! | `command` | what the mixer is told |
//! | `tick_clock` | when a tick is due |
//! | `room` | a room's mix bus and members |
//! | `outgoing_mix` | one mix on its way to one session |
//! | `counters` | what the mixer counts |
//! | `stalls` | tests: what stalls of the machine do to the delay |

pub(super) mod command;
pub(super) mod counters;
pub(super) mod outgoing_mix;
mod room;
#[cfg(test)]
mod stalls;
pub(super) mod thread;
mod tick_clock;
