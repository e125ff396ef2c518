//! A JACK client that plays signals into ports and records other ports, aligned by frame.

use crate::wait;
use jack::{AudioIn, AudioOut, Client, ClientOptions, Control, Port, ProcessScope};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

/// The played and the recorded signals of the same cycles.
pub struct Recording {
    /// One signal per played port.
    pub sent: Vec<Vec<f32>>,
    /// One signal per recorded port, of the same length.
    pub got: Vec<Vec<f32>>,
    /// Frame positions at which the server reported an xrun.
    pub xruns: Vec<usize>,
}

/// Plays `signals` (port name, samples) and records `ports` for as long as the longest signal.
///
/// # Panics
/// If the server or a port is missing, or if the recording does not end in time.
pub fn record(server: &str, signals: &[(&str, Vec<f32>)], ports: &[&str]) -> Recording {
    let client = open(server);
    let frames = signals.iter().map(|(_, s)| s.len()).max().unwrap_or(0);
    let seconds = frames as u64 / u64::from(client.sample_rate());

    let outs = signals.iter().enumerate().map(|(i, (_, signal))| Play {
        port: client.register_port(&format!("out_{i}"), AudioOut::default()).expect("a port"),
        signal: signal.clone(),
    });
    let ins = ports.iter().enumerate().map(|(i, _)| Record {
        port: client.register_port(&format!("in_{i}"), AudioIn::default()).expect("a port"),
        samples: vec![0.0; frames],
    });
    let (done, finished) = mpsc::sync_channel(1);
    let xruns = Arc::new(AtomicU32::new(0));
    let tape = Tape {
        outs: outs.collect(),
        ins: ins.collect(),
        at: 0,
        frames,
        xruns: xruns.clone(),
        seen: 0,
        xrun_frames: Vec::with_capacity(4096),
        done: Some(done),
    };
    let (name, active) = activate(client, tape, xruns);
    for (i, (port, _)) in signals.iter().enumerate() {
        let own = format!("{name}:out_{i}");
        active.as_client().connect_ports_by_name(&own, port).unwrap_or_else(|e| panic!("no port {port}: {e}"));
    }
    for (i, port) in ports.iter().enumerate() {
        let own = format!("{name}:in_{i}");
        active.as_client().connect_ports_by_name(port, &own).unwrap_or_else(|e| panic!("no port {port}: {e}"));
    }
    let (got, xruns) = finished.recv_timeout(Duration::from_secs(seconds * 2 + 20)).expect("the recording ends");
    // A handler must not be dropped while it runs.
    active.deactivate().expect("the probe leaves the JACK server");
    Recording { sent: signals.iter().map(|(_, s)| s.clone()).collect(), got, xruns }
}

/// Names of all ports of `server` that begin with `prefix`.
pub fn ports(server: &str, prefix: &str) -> Vec<String> {
    open(server).ports(Some(&format!("^{prefix}")), None, jack::PortFlags::empty())
}

/// Frames per period of `server`.
pub fn period(server: &str) -> u32 {
    open(server).buffer_size()
}

/// The ports that `port` is connected to.
///
/// # Panics
/// If there is no such port.
pub fn connections(server: &str, port: &str) -> Vec<String> {
    let client = open(server);
    let port = client.port_by_name(port).unwrap_or_else(|| panic!("no port {port}"));
    let all = client.ports(None, None, jack::PortFlags::empty());
    all.into_iter().filter(|other| port.is_connected_to(other).unwrap_or(false)).collect()
}

fn open(server: &str) -> Client {
    // The JACK library reads the server's name from the environment; one client is opened at a time.
    static ENVIRONMENT: Mutex<()> = Mutex::new(());
    let _one = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: tests of this package read and write the environment under this lock or before threads exist.
    unsafe { std::env::set_var("JACK_DEFAULT_SERVER", server) };
    jack::set_logger(jack::LoggerType::None);
    // A server that is still removing another client may refuse at first.
    wait::until("an answer of the JACK server", Duration::from_secs(5), || {
        Client::new("probe", ClientOptions::NO_START_SERVER).ok().map(|(client, _)| client)
    })
}

struct Play {
    port: Port<AudioOut>,
    signal: Vec<f32>,
}

struct Record {
    port: Port<AudioIn>,
    samples: Vec<f32>,
}

type Recorded = (Vec<Vec<f32>>, Vec<usize>);

struct Tape {
    outs: Vec<Play>,
    ins: Vec<Record>,
    at: usize,
    frames: usize,
    xruns: Arc<AtomicU32>,
    seen: u32,
    xrun_frames: Vec<usize>,
    done: Option<mpsc::SyncSender<Recorded>>,
}

impl Tape {
    fn roll(&mut self, scope: &ProcessScope) {
        let xruns = self.xruns.load(Ordering::Relaxed);
        if xruns != self.seen && self.xrun_frames.len() < self.xrun_frames.capacity() {
            self.seen = xruns;
            self.xrun_frames.push(self.at);
        }
        for play in &mut self.outs {
            let out = play.port.as_mut_slice(scope);
            let rest = play.signal.get(self.at..).unwrap_or(&[]);
            let n = rest.len().min(out.len());
            out[..n].copy_from_slice(&rest[..n]);
            out[n..].fill(0.0);
        }
        for record in &mut self.ins {
            let got = record.port.as_slice(scope);
            let n = got.len().min(self.frames - self.at);
            record.samples[self.at..self.at + n].copy_from_slice(&got[..n]);
        }
        self.at = (self.at + scope.n_frames() as usize).min(self.frames);
        if self.at == self.frames
            && let Some(done) = self.done.take()
        {
            let got = self.ins.iter_mut().map(|r| std::mem::take(&mut r.samples)).collect();
            self.ins.clear();
            // The receiver is gone if the test has failed meanwhile.
            let _ = done.try_send((got, std::mem::take(&mut self.xrun_frames)));
        }
    }
}

struct Xruns(Arc<AtomicU32>);

impl jack::NotificationHandler for Xruns {
    fn xrun(&mut self, _: &Client) -> Control {
        self.0.fetch_add(1, Ordering::Relaxed);
        Control::Continue
    }
}

type Roll = Box<dyn FnMut(&Client, &ProcessScope) -> Control + Send>;
type Process = jack::contrib::ClosureProcessHandler<(), Roll>;

fn activate(client: Client, mut tape: Tape, xruns: Arc<AtomicU32>) -> (String, jack::AsyncClient<Xruns, Process>) {
    let name = client.name().to_string();
    let roll: Roll = Box::new(move |_, scope| {
        tape.roll(scope);
        Control::Continue
    });
    let handler = jack::contrib::ClosureProcessHandler::new(roll);
    (name, client.activate_async(Xruns(xruns), handler).expect("the probe can be activated"))
}
