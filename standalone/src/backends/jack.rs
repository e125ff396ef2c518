//! JACK: ports, connections, and what the server tells us. libjack is opened at run time.
//!
//! Callbacks run on JACK's own threads: `process` on the real-time thread, notifications on another. A server that
//! vanishes calls `shutdown`; the client is then dropped and opened afresh by the rig, with the same performer.

use super::{Backend, OpenError, Pulse, Request};
use crate::handover::{Stage, silence};
use jack::{
    AsyncClient, AudioIn, AudioOut, Client, ClientOptions, ClientStatus, Control, Frames, LatencyType, LoggerType,
    NotificationHandler, Port, PortFlags, ProcessHandler, ProcessScope,
};
use rtjam_engine::{Outputs, SLOTS};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const AUDIO: &str = "32 bit float mono audio";

/// A client of a running JACK server.
pub(super) struct Jack {
    client: AsyncClient<Notices, Process>,
    /// Set by the server's end, in `shutdown`.
    gone: Arc<AtomicBool>,
    wanted_name: String,
    name: String,
    rate: u32,
    block: u32,
}

impl Jack {
    pub(super) fn open(request: &Request, stage: Stage, pulse: Arc<Pulse>) -> Result<Jack, OpenError> {
        let client = connect_to_server(&request.jack_name)?;
        let (rate, block, name) = (client.sample_rate(), client.buffer_size(), client.name().to_owned());
        pulse.block.store(block, Ordering::Relaxed);
        let gone = Arc::new(AtomicBool::new(false));
        let notices = Notices { gone: Arc::clone(&gone), pulse: Arc::clone(&pulse) };
        let process = Process::new(&client, stage, pulse).map_err(failed)?;
        let client = client.activate_async(notices, process).map_err(failed)?;
        if request.connect {
            connect_to_system(client.as_client());
        }
        Ok(Jack { client, gone, wanted_name: request.jack_name.clone(), name, rate, block })
    }

    /// Rate and period of the running server, when there is one.
    pub(super) fn probe() -> Option<(u32, u32)> {
        let client = connect_to_server("rtjam-list").ok()?;
        Some((client.sample_rate(), client.buffer_size()))
    }
}

impl Backend for Jack {
    fn describe(&self) -> String {
        let system = if self.name == self.wanted_name {
            "JACK".to_owned()
        } else {
            format!("JACK as \"{}\", since \"{}\" is taken", self.name, self.wanted_name)
        };
        format!("{system} ({} Hz, {} frames)", self.rate, self.block)
    }

    fn rate(&self) -> u32 {
        self.rate
    }

    fn latency_ms(&self) -> Option<f32> {
        let frames = |port: &str, way: LatencyType| {
            let port = self.client.as_client().port_by_name(&format!("{}:{port}", self.name))?;
            // JACK says 0 for a port that is not connected.
            (port.connected_count().ok()? > 0).then(|| port.get_latency_range(way).1)
        };
        let frames = frames("in_1", LatencyType::Capture)? + frames("out_1", LatencyType::Playback)?;
        Some(frames as f32 * 1000.0 / self.rate as f32)
    }

    fn lost(&mut self) -> Option<String> {
        if self.gone.load(Ordering::Relaxed) {
            return Some("JACK has stopped; waiting for it to come back…".to_owned());
        }
        let rate = self.client.as_client().sample_rate();
        (rate != self.rate).then(|| format!("JACK now runs at {rate} Hz; starting again at that rate."))
    }
}

/// Opens a client, without ever starting a server, and with libjack's own messages switched off.
fn connect_to_server(name: &str) -> Result<Client, OpenError> {
    if jack::jack_sys::library().is_err() {
        return Err(OpenError(
            "JACK is not installed. Install it (Debian, Ubuntu, Raspberry Pi OS: sudo apt install jackd2) and start \
             it, or use --backend cpal."
                .to_owned(),
        ));
    }
    jack::set_logger(LoggerType::None);
    match Client::new(name, ClientOptions::NO_START_SERVER) {
        Ok((client, _)) => Ok(client),
        Err(jack::Error::ClientError(status)) if status.contains(ClientStatus::SERVER_FAILED) => {
            Err(OpenError(no_server()))
        }
        Err(e) => Err(failed(e)),
    }
}

fn no_server() -> String {
    let which = match std::env::var("JACK_DEFAULT_SERVER") {
        Ok(name) => format!("No JACK server named \"{name}\" is running"),
        Err(_) => "No JACK server is running".to_owned(),
    };
    format!("{which}. Start it (for example: jackd -d alsa, or QjackCtl), or use --backend cpal.")
}

fn failed(e: jack::Error) -> OpenError {
    OpenError(format!("JACK did not take this program ({e}). Restart JACK, or use --backend cpal."))
}

/// Connects our ports to the system's first ones. One that does not exist, or is connected already, is left alone.
fn connect_to_system(client: &Client) {
    let own = |port: &str| format!("{}:{port}", client.name());
    let captures = client.ports(None, Some(AUDIO), PortFlags::IS_PHYSICAL | PortFlags::IS_OUTPUT);
    let playbacks = client.ports(None, Some(AUDIO), PortFlags::IS_PHYSICAL | PortFlags::IS_INPUT);
    for (i, (input, output)) in [("in_1", "out_1"), ("in_2", "out_2")].into_iter().enumerate() {
        // A system with one port gets both channels there.
        if let Some(capture) = captures.get(i).or(captures.first()) {
            let _ = client.connect_ports_by_name(capture, &own(input));
        }
        if let Some(playback) = playbacks.get(i).or(playbacks.first()) {
            let _ = client.connect_ports_by_name(&own(output), playback);
        }
    }
}

/// The real-time callback's state.
struct Process {
    stage: Stage,
    pulse: Arc<Pulse>,
    inputs: [Port<AudioIn>; 2],
    main: [Port<AudioOut>; 2],
    slots: Vec<[Port<AudioOut>; 2]>,
}

impl Process {
    fn new(client: &Client, stage: Stage, pulse: Arc<Pulse>) -> Result<Process, jack::Error> {
        let output = |name: &str| client.register_port(name, AudioOut::default());
        Ok(Process {
            stage,
            pulse,
            inputs: [
                client.register_port("in_1", AudioIn::default())?,
                client.register_port("in_2", AudioIn::default())?,
            ],
            main: [output("out_1")?, output("out_2")?],
            slots: (1..=SLOTS)
                .map(|n| Ok([output(&format!("slot{n:02}_1"))?, output(&format!("slot{n:02}_2"))?]))
                .collect::<Result<_, jack::Error>>()?,
        })
    }
}

impl ProcessHandler for Process {
    fn process(&mut self, _: &Client, scope: &ProcessScope) -> Control {
        let inputs = self.inputs.each_ref().map(|port| port.as_slice(scope));
        let main = self.main.each_mut().map(|port| port.as_mut_slice(scope));
        let mut slots = [const { None }; SLOTS];
        for (slot, ports) in slots.iter_mut().zip(&mut self.slots) {
            // Nobody reads an unconnected port, so its slot is not made.
            if ports.iter().any(|port| port.connected_count().is_ok_and(|n| n > 0)) {
                *slot = Some(ports.each_mut().map(|port| port.as_mut_slice(scope)));
            }
        }
        let mut outputs = Outputs { main, slots };
        if self.pulse.freewheeling() {
            silence(&mut outputs);
        } else {
            self.stage.process(inputs, &mut outputs);
        }
        Control::Continue
    }

    /// The engine takes any block, and its packets follow.
    fn buffer_size(&mut self, _: &Client, frames: Frames) -> Control {
        self.pulse.block.store(frames, Ordering::Relaxed);
        Control::Continue
    }
}

/// The notification thread's state.
struct Notices {
    gone: Arc<AtomicBool>,
    pulse: Arc<Pulse>,
}

impl NotificationHandler for Notices {
    /// Like a signal handler: only sets a flag.
    unsafe fn shutdown(&mut self, _: ClientStatus, _: &str) {
        self.gone.store(true, Ordering::Relaxed);
    }

    fn freewheel(&mut self, _: &Client, on: bool) {
        self.pulse.freewheeling.store(on, Ordering::Relaxed);
    }

    fn xrun(&mut self, _: &Client) -> Control {
        self.pulse.count_xruns(1);
        Control::Continue
    }
}
