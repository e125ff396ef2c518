//! The room server of the jam.

use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use super::part::{Event, Heard, Part, Who};
use super::scratch::Scratch;
use crate::command::Stop;
use crate::workspace::Workspace;

pub(super) struct Server {
    pub(super) part: Part,
    pub(super) page: String,
    pub(super) invite: String,
}

impl Server {
    /// Starts the server and returns once it has printed its address.
    pub(super) fn start(
        workspace: &Workspace,
        programs: &Path,
        scratch: &Scratch,
        events: &Sender<Event>,
        arriving: &Receiver<Event>,
        stop: &Stop,
    ) -> Result<Self, String> {
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut command = workspace.command(&programs.join("rtjam-server").to_string_lossy());
        command.args(["--listen", &address, "--public-address", &address]);
        command.arg("--data").arg(scratch.folder("server")?);
        let mut part = Part::start(Who::Server, command, events)?;

        let (mut page, mut invite) = (None, None);
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Ok(Event { heard: Heard::Line(line), .. }) = arriving.recv_timeout(Duration::from_millis(50)) {
                if let Some(url) = line.strip_prefix("page:") {
                    page = Some(url.trim().to_owned());
                } else if let Some(link) = line.strip_prefix("invite:") {
                    invite = Some(link.trim().to_owned());
                }
            }
            if let (Some(page), Some(invite)) = (&page, &invite) {
                return Ok(Self { part, page: page.clone(), invite: invite.clone() });
            }
            if let Some(sentence) = part.ended_early() {
                return Err(format!("jam failed: {sentence}"));
            }
            if stop.asked() {
                return Err("stopped.".to_owned());
            }
            if Instant::now() > deadline {
                return Err(format!("jam failed: the server printed no invite within {} s.", START_LIMIT.as_secs()));
            }
        }
    }
}

const START_LIMIT: Duration = Duration::from_secs(15);

/// A loopback port that is free for TCP and UDP.
fn free_port() -> Result<u16, String> {
    for _ in 0..100 {
        let Ok(tcp) = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)) else { continue };
        let Ok(address) = tcp.local_addr() else { continue };
        if UdpSocket::bind(address).is_ok() {
            return Ok(address.port());
        }
    }
    Err("there is no free port on 127.0.0.1.".to_owned())
}
