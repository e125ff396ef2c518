//! The rooms actor: one thread owns the rooms of `rtjam_protocol` and is the only one that reads and writes the store while
//! the server runs.
//!
//! ```text
//!  control connections ──ControlEvent───▶ ┌─────────────┐ ──▶ media threads, mixer
//!  media threads, mixer ──MediaEvent────▶ │ RoomsActor  │ ──▶ store
//!  gateways ───────────GatewayRequest───▶ │ Rooms, Store│ ──▶ GatewayReply
//!  HTTP, moderation ──query or command──▶ └─────────────┘ ──▶ reply
//! ```
//!
//! | module | contents |
//! |---|---|
//! | [`messages`] | events, queries, commands and their replies; [`messages::RoomsHandle`] sends them |
//! | [`authority`] | the table of what each role may do |
//! | [`actor`] | the thread: takes events and carries out what the rooms decide |
//! | `admission` | who gets a seat |
//! | `queries` | queries and commands |
//! | `store_watch` | commands and rules that other programs write to the store |
//! | `unheard` | tells musicians of a crowded room whose audio they do not receive |

pub mod actor;
mod admission;
pub mod authority;
pub mod messages;
mod queries;
mod store_watch;
mod unheard;
