//! Gateways: musicians who do not speak RTJam's own protocol take part through one.
//!
//! A gateway owns its sockets or connections and a thread. It asks the rooms actor for sessions
//! ([`GatewayRequest`](crate::rooms::messages::GatewayRequest)) and uses them like a client, so rooms and media threads know
//! nothing of gateways but a member's [`MemberAccess`](rtjam_protocol::control::MemberAccess).

pub mod legacy;
