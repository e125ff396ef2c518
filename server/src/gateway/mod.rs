//! Gateways: musicians who do not speak RTJam's own protocol take part through one.
//!
//! A gateway owns its sockets or connections and a thread. It asks the rooms actor for sessions
//! ([`GatewayRequest`](crate::rooms::messages::GatewayRequest)) and uses them like a client, so rooms and media threads know
//! no gateway by name. A member's [`Via`](rtjam_protocol::room::Via) says through which gateway the member takes part.

pub mod legacy;
