//! Measures playout on bad networks: `lab replay`, `lab generate`, `lab table`, `lab plot`.

use clap::{Args, Parser, Subcommand, ValueEnum};
use rtjam_engine::{PlayoutBias, Playout};
use rtjam_lab::measure::{Measurement, measure};
use rtjam_lab::model::Model;
use rtjam_lab::replay::{PACKETS, Settings};
use rtjam_lab::sound::{chord, read_wav, write_wav};
use rtjam_lab::stall::Stall;
use rtjam_lab::table::{self, Plan};
use rtjam_lab::trace::Trace;
use rtjam_lab::{conceal, plot, report};
use rtjam_protocol::Micros;
use std::error::Error;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Parser)]
#[command(
    about = "Plays traces of packet arrivals through the real engine in virtual time, and measures what is heard"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Play a trace and print its figures
    Replay {
        #[command(flatten)]
        input: Input,
        /// Write what is heard
        #[arg(long, value_name = "OUT.wav")]
        out: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Write a trace of a network to stdout: lan, fiber, cable, wifi, mobile, step, spike, burst, reorder, duplicate
    Generate {
        model: Model,
        #[arg(long, default_value_t = 60.0)]
        seconds: f64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Frames of a packet
        #[arg(long, default_value_t = 128)]
        packet: usize,
        #[command(flatten)]
        stalling: Stalling,
    },
    /// Play every network with packets and blocks of 64 and 128 frames
    Table {
        #[arg(long, default_value_t = 60.0)]
        seconds: f64,
        /// Traces a network and size
        #[arg(long, default_value_t = 3)]
        seeds: u64,
        /// Only these networks
        #[arg(long, value_delimiter = ',')]
        models: Vec<Model>,
        #[command(flatten)]
        stalling: Stalling,
        #[command(flatten)]
        listening: Listening,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Fill gaps in speech, plucked, percussive, sustained and mixed sound, ours beside other ways
    Conceal {
        /// Of each sound
        #[arg(long, default_value_t = 20)]
        seconds: usize,
        /// Frames of a packet
        #[arg(long, default_value_t = 128)]
        packet: usize,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Draw arrivals, playout delay and damage of a trace
    Plot {
        #[command(flatten)]
        input: Input,
        /// The picture, SVG
        #[arg(long, value_name = "FILE.svg")]
        out: PathBuf,
    },
}

/// What stalls.
#[derive(Args)]
struct Stalling {
    /// WHO:HOW:MS:EVERY: sender, receiver, both, server or machine stalls for MS ms every EVERY ms, and callbacks that are
    /// due meanwhile come late, are lost, or reset the grid of callbacks; may be given several times
    #[arg(long, value_name = "WHO:late|lost|reset:MS:EVERY")]
    stall: Vec<Stall>,
    /// Seconds after which nothing stalls any more; default: two thirds of the trace
    #[arg(long, value_name = "S")]
    stalls_until: Option<f64>,
}

impl Stalling {
    fn until(&self, seconds: f64) -> f64 {
        self.stalls_until.unwrap_or(seconds * 2.0 / 3.0)
    }
}

/// A trace, and how it is played.
#[derive(Args)]
struct Input {
    /// The trace: sent_us,arrived_us
    trace: PathBuf,
    /// Frames of a packet
    #[arg(long, default_value_t = 128)]
    packet: usize,
    /// Frames of the receiver's block
    #[arg(long, default_value_t = 128)]
    block: usize,
    #[command(flatten)]
    listening: Listening,
    /// When the receiver's host called: begun_us,frames,rate, as recorded beside the trace
    #[arg(long, value_name = "CALLS.csv")]
    calls: Option<PathBuf>,
    /// The network's smallest delay in ms, where the trace does not say it
    #[arg(long)]
    base_ms: Option<f64>,
    /// The sound to play instead of a chord with bursts of noise
    #[arg(long, value_name = "IN.wav")]
    wav: Option<PathBuf>,
}

/// The receiving end.
#[derive(Args)]
struct Listening {
    /// The receiver's rate in Hz
    #[arg(long, default_value_t = 48_000)]
    rate: u32,
    /// By how much the sender's clock is faster
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    drift_ppm: f64,
    /// auto, or a constant wait in ms
    #[arg(long, default_value = "auto", value_parser = playout)]
    playout: Playout,
    /// What automatic playout prefers: tight (less delay), normal, or safe (fewer gaps)
    #[arg(long, default_value_t)]
    comfort: PlayoutBias,
    /// What is lost is sent again
    #[arg(long, default_value = "off")]
    recovery: Recovery,
    /// The round trip of the hop that recovers
    #[arg(long, default_value_t = 20.0)]
    rtt_ms: f64,
    /// Seconds of the beginning that are not measured
    #[arg(long, default_value_t = 3.0)]
    skip: f64,
}

impl Listening {
    fn settings(&self, packet: usize, block: usize) -> Settings {
        let Listening { rate, drift_ppm, playout, comfort, skip, recovery, rtt_ms } = *self;
        let rtt = Micros((rtt_ms.clamp(0.0, 10_000.0) * 1000.0) as u64);
        let recovery = (recovery == Recovery::On).then_some(rtt);
        Settings { packet, block, rate, drift_ppm, playout, comfort, skip: skip.max(0.0), recovery }
    }
}

/// Whether what is lost is sent again.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Recovery {
    Off,
    On,
}

fn playout(text: &str) -> Result<Playout, String> {
    if text == "auto" {
        return Ok(Playout::Auto);
    }
    let ms = text.parse().ok().filter(|ms| (0.0..=500.0).contains(ms));
    ms.map(|ms| Playout::Fixed { ms }).ok_or_else(|| "give auto, or 0 to 500 ms".into())
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lab: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), Box<dyn Error>> {
    match command {
        Command::Replay { input, out, json } => {
            let (_, got) = input.measure()?;
            if let Some(path) = out {
                write_wav(&path, input.listening.rate, &got.take.heard[0]).map_err(|e| named(&path, e))?;
            }
            let report = got.report.json();
            print(&if json { format!("{report}\n") } else { report::text(&report) })
        }
        Command::Generate { model, seconds, seed, packet, stalling } => {
            if !PACKETS.contains(&packet) || !(0.1..=86_400.0).contains(&seconds) {
                return Err("give 0.1 to 86400 seconds, and packets of 16 to 150 frames".into());
            }
            let until = stalling.until(seconds);
            print(&model.generate_with_stalls(seconds, seed, packet, &stalling.stall, until).write())
        }
        Command::Table { seconds, seeds, models, stalling, listening, json } => {
            let models = if models.is_empty() { Model::ALL.to_vec() } else { models };
            let (settings, stalls_until) = (listening.settings(64, 64), stalling.until(seconds));
            let rows = table::run(&Plan { models, seconds, seeds, settings, stalls: stalling.stall, stalls_until })?;
            print(&if json { format!("{}\n", table::json(&rows)) } else { table::text(&rows) })
        }
        Command::Conceal { seconds, packet, seed, json } => {
            if !PACKETS.contains(&packet) || !(1..=3600).contains(&seconds) {
                return Err("give 1 to 3600 seconds, and packets of 16 to 150 frames".into());
            }
            let rows = conceal::run(seconds, packet, seed);
            print(&if json { format!("{}\n", conceal::json(&rows)) } else { conceal::text(&rows) })
        }
        Command::Plot { input, out } => {
            let (trace, got) = input.measure()?;
            std::fs::write(&out, plot::svg(&trace, input.packet, &got)).map_err(|e| named(&out, e).into())
        }
    }
}

impl Input {
    fn measure(&self) -> Result<(Trace, Measurement), Box<dyn Error>> {
        let text = std::fs::read_to_string(&self.trace).map_err(|e| named(&self.trace, e))?;
        let mut trace = Trace::read(&text).map_err(|e| named(&self.trace, e))?;
        if let Some(path) = &self.calls {
            let text = std::fs::read_to_string(path).map_err(|e| named(path, e))?;
            trace.read_calls(&text).map_err(|e| named(path, e))?;
        }
        if let Some(base) = self.base_ms {
            trace.base_us = (base.max(0.0) * 1000.0) as u64;
        }
        let frames = trace.packets.len() * self.packet;
        let sound = match &self.wav {
            Some(path) => read_wav(path, frames).map_err(|e| named(path, e))?,
            None => chord(frames),
        };
        let got = measure(&trace, &sound, &self.listening.settings(self.packet, self.block))?;
        Ok((trace, got))
    }
}

fn named(path: &Path, error: impl Error) -> String {
    format!("{}: {error}", path.display())
}

/// A reader that has seen enough is no failure.
fn print(text: &str) -> Result<(), Box<dyn Error>> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}
