//! JACK: ports, connections and notifications. libjack is opened at run time.
//!
//! Callbacks run on JACK's threads: `process` on the real-time thread, notifications on another. A server that goes away
//! calls `shutdown`; the audio supervisor then drops the client and opens another one, with the same audio processor.

use super::backend::{AudioHealth, AudioRequest, Backend};
use crate::handover::{AudioThreadEnd, silence};
use jack::{
    AsyncClient, AudioIn, AudioOut, Client, ClientOptions, ClientStatus, Control, Frames, LatencyType, LoggerType,
    NotificationHandler, Port, PortFlags, ProcessHandler, ProcessScope,
};
use rtjam_engine::{Outputs, SLOTS};
use rtjam_ui::audio::{DeviceDelay, DevicesInUse};
use rtjam_ui::settings::InputChannels;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

const AUDIO_TYPE: &str = "32 bit float mono audio";

/// A client of a running JACK server.
pub(super) struct Jack {
    client: AsyncClient<Notifications, Callback>,
    /// Set when the server shuts down.
    gone: Arc<AtomicBool>,
    requested_name: String,
    name: String,
    rate: u32,
    period: u32,
    devices: DevicesInUse,
}

impl Jack {
    pub(super) fn open(
        request: &AudioRequest,
        audio: AudioThreadEnd,
        health: Arc<AudioHealth>,
    ) -> Result<Jack, JackError> {
        let client = connect_to_server(&request.jack_name)?;
        let (rate, period, name) = (client.sample_rate(), client.buffer_size(), client.name().to_owned());
        health.set_period(period);
        let gone = Arc::new(AtomicBool::new(false));
        let notifications = Notifications { gone: Arc::clone(&gone), health: Arc::clone(&health) };
        let callback = Callback::new(&client, audio, health).map_err(JackError::Refused)?;
        let client = client.activate_async(notifications, callback).map_err(JackError::Refused)?;
        let system = SystemPorts::of(client.as_client());
        let devices = system.devices();
        if request.connect {
            system.connect(client.as_client(), request.choices.channels)?;
        }
        Ok(Jack { client, gone, requested_name: request.jack_name.clone(), name, rate, period, devices })
    }

    /// Sample rate and period of the running server, if there is one.
    pub(super) fn probe() -> Option<(u32, u32)> {
        let client = connect_to_server("rtjam-list").ok()?;
        Some((client.sample_rate(), client.buffer_size()))
    }
}

impl Backend for Jack {
    fn describe(&self) -> String {
        let system = if self.name == self.requested_name {
            "JACK".to_owned()
        } else {
            format!("JACK as \"{}\", because \"{}\" is taken", self.name, self.requested_name)
        };
        format!("{system} ({} Hz, {} frames)", self.rate, self.period)
    }

    fn rate(&self) -> u32 {
        self.rate
    }

    fn delay(&self) -> Option<DeviceDelay> {
        let ms = |port: &str, way: LatencyType| {
            let port = self.client.as_client().port_by_name(&format!("{}:{port}", self.name))?;
            // JACK reports 0 for a port without a connection.
            let is_connected = port.connected_count().ok()? > 0;
            is_connected.then(|| port.get_latency_range(way).1 as f32 * 1000.0 / self.rate as f32)
        };
        let (input_ms, output_ms) = (ms("in_1", LatencyType::Capture)?, ms("out_1", LatencyType::Playback)?);
        Some(DeviceDelay { input_ms, output_ms })
    }

    fn devices(&self) -> DevicesInUse {
        self.devices.clone()
    }

    fn lost(&mut self) -> Option<String> {
        if self.gone.load(Ordering::Relaxed) {
            return Some("JACK has stopped. rtjam reconnects when it is back.".to_owned());
        }
        let rate = self.client.as_client().sample_rate();
        (rate != self.rate).then(|| format!("JACK now runs at {rate} Hz. rtjam restarts audio at that rate."))
    }
}

/// Why there is no JACK client.
#[derive(Debug)]
pub(crate) enum JackError {
    NotInstalled,
    /// No server runs; holds the name of the server that `JACK_DEFAULT_SERVER` selects.
    NoServer(Option<String>),
    Refused(jack::Error),
    /// The system has fewer inputs than the one that was chosen.
    NoChannel {
        channel: u8,
        channels: u16,
    },
}

impl fmt::Display for JackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const START_IT: &str = "Start it (for example: jackd -d alsa, or QjackCtl), or use --backend cpal.";
        match self {
            JackError::NotInstalled => f.write_str(
                "JACK is not installed. Install it (Debian, Ubuntu, Raspberry Pi OS: sudo apt install jackd2) and \
                 start it, or use --backend cpal.",
            ),
            JackError::NoServer(Some(name)) => write!(f, "No JACK server named \"{name}\" is running. {START_IT}"),
            JackError::NoServer(None) => write!(f, "No JACK server is running. {START_IT}"),
            JackError::Refused(why) => {
                write!(f, "JACK refused this program ({why}). Restart JACK, or use --backend cpal.")
            }
            JackError::NoChannel { channel, channels } => {
                write!(f, "JACK has no input {channel}, only {channels}. Choose others with --input-channels.")
            }
        }
    }
}

impl std::error::Error for JackError {}

/// Opens a client. Never starts a server, and silences libjack's own messages.
fn connect_to_server(name: &str) -> Result<Client, JackError> {
    if jack::jack_sys::library().is_err() {
        return Err(JackError::NotInstalled);
    }
    jack::set_logger(LoggerType::None);
    match Client::new(name, ClientOptions::NO_START_SERVER) {
        Ok((client, _)) => Ok(client),
        Err(jack::Error::ClientError(status)) if status.contains(ClientStatus::SERVER_FAILED) => {
            Err(JackError::NoServer(std::env::var("JACK_DEFAULT_SERVER").ok()))
        }
        Err(why) => Err(JackError::Refused(why)),
    }
}

/// The ports of the system's devices, in JACK's order.
struct SystemPorts {
    captures: Vec<String>,
    playbacks: Vec<String>,
}

impl SystemPorts {
    fn of(client: &Client) -> SystemPorts {
        let ports = |flags| client.ports(None, Some(AUDIO_TYPE), PortFlags::IS_PHYSICAL | flags);
        SystemPorts { captures: ports(PortFlags::IS_OUTPUT), playbacks: ports(PortFlags::IS_INPUT) }
    }

    /// Connects our ports to these. Skips ports that do not exist or are connected already.
    fn connect(&self, client: &Client, channels: InputChannels) -> Result<(), JackError> {
        let SystemPorts { captures, playbacks } = self;
        let missing = [channels.left, channels.right].into_iter().find(|n| usize::from(*n) > captures.len());
        if let Some(channel) = missing.filter(|_| channels != InputChannels::default()) {
            return Err(JackError::NoChannel { channel, channels: captures.len() as u16 });
        }
        let wanted = [channels.left, channels.right].map(|n| usize::from(n.saturating_sub(1)));
        let own = |port: &str| format!("{}:{port}", client.name());
        for (i, (input, output)) in [("in_1", "out_1"), ("in_2", "out_2")].into_iter().enumerate() {
            // A system with one port gets both channels there.
            if let Some(capture) = captures.get(wanted[i]).or(captures.first()) {
                let _ = client.connect_ports_by_name(capture, &own(input));
            }
            if let Some(playback) = playbacks.get(i).or(playbacks.first()) {
                let _ = client.connect_ports_by_name(&own(output), playback);
            }
        }
        Ok(())
    }

    /// The devices are called as their JACK clients: "system", or with PipeWire the devices themselves.
    fn devices(&self) -> DevicesInUse {
        let client_of = |ports: &[String]| Some(ports.first()?.rsplit_once(':')?.0.to_owned());
        let (input, output) = (client_of(&self.captures), client_of(&self.playbacks).unwrap_or_default());
        DevicesInUse { input, output, input_channels: self.captures.len() as u16 }
    }
}

/// The real-time callback's state.
struct Callback {
    audio: AudioThreadEnd,
    health: Arc<AudioHealth>,
    inputs: [Port<AudioIn>; 2],
    main: [Port<AudioOut>; 2],
    slots: Vec<[Port<AudioOut>; 2]>,
}

impl Callback {
    fn new(client: &Client, audio: AudioThreadEnd, health: Arc<AudioHealth>) -> Result<Callback, jack::Error> {
        let output = |name: &str| client.register_port(name, AudioOut::default());
        Ok(Callback {
            audio,
            health,
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

impl ProcessHandler for Callback {
    fn process(&mut self, _: &Client, scope: &ProcessScope) -> Control {
        let inputs = self.inputs.each_ref().map(|port| port.as_slice(scope));
        let main = self.main.each_mut().map(|port| port.as_mut_slice(scope));
        let mut slots = [const { None }; SLOTS];
        for (slot, ports) in slots.iter_mut().zip(&mut self.slots) {
            // The engine does not render a slot whose ports are not connected.
            if ports.iter().any(|port| port.connected_count().is_ok_and(|n| n > 0)) {
                *slot = Some(ports.each_mut().map(|port| port.as_mut_slice(scope)));
            }
        }
        let mut outputs = Outputs { main, slots };
        if self.health.freewheeling() {
            silence(&mut outputs);
        } else {
            self.audio.process(inputs, &mut outputs);
        }
        Control::Continue
    }

    /// The engine accepts any period, and automatic packet size follows it.
    fn buffer_size(&mut self, _: &Client, frames: Frames) -> Control {
        self.health.set_period(frames);
        Control::Continue
    }
}

/// The notification thread's state.
struct Notifications {
    gone: Arc<AtomicBool>,
    health: Arc<AudioHealth>,
}

impl NotificationHandler for Notifications {
    /// Must be safe in a signal handler: only sets a flag.
    unsafe fn shutdown(&mut self, _: ClientStatus, _: &str) {
        self.gone.store(true, Ordering::Relaxed);
    }

    fn freewheel(&mut self, _: &Client, on: bool) {
        self.health.set_freewheeling(on);
    }

    fn xrun(&mut self, _: &Client) -> Control {
        self.health.add_xrun();
        Control::Continue
    }
}
