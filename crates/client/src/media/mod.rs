//! Media on UDP: the socket, where datagrams go, and the thread `jam-recv`, which receives them.

mod channel;
mod legacy;
mod path;
mod receive;
mod socket;

pub(crate) use channel::{Channels, LastHeard, RecvEvent, RecvEventKind};
pub(crate) use legacy::{FORGOTTEN_AFTER, LegacyPresence, LegacyReceiver};
pub(crate) use path::Path;
pub(crate) use receive::{RecvCommand, run};
pub(crate) use socket::TypeOfService;
