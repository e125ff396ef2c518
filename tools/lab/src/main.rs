//! Measures playout on bad networks: `lab replay`, `generate`, `table`, `conceal` and `plot`.

use clap::{Args, Parser, Subcommand, ValueEnum};
use rtjam_engine::{Playout, PlayoutBias};
use rtjam_lab::measure::{Measurement, measure};
use rtjam_lab::model::Model;
use rtjam_lab::replay::{PACKETS, Settings};
use rtjam_lab::sound::{chord, read_wav, write_wav};
use rtjam_lab::stall::Stall;
use rtjam_lab::table::{self, TablePlan};
use rtjam_lab::trace::Trace;
use rtjam_lab::{conceal, plot, report, stall_bounds};
use rtjam_protocol::Micros;
use std::error::Error;
use std::fmt;
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
        input: TraceArgs,
        /// Write the receiver's output
        #[arg(long, value_name = "OUT.wav")]
        out: Option<PathBuf>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Print a trace of a network: lan, fiber, cable, wifi, mobile, step, spike, burst, reorder or duplicate
    Generate {
        model: Model,
        #[arg(long, default_value_t = 60.0)]
        seconds: f64,
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Frames per packet
        #[arg(long, default_value_t = 128)]
        packet: usize,
        #[command(flatten)]
        stalls: StallArgs,
    },
    /// Play all networks with packets and blocks of 64 and 128 frames
    Table {
        #[arg(long, default_value_t = 60.0)]
        seconds: f64,
        /// Traces per network and size
        #[arg(long, default_value_t = 3)]
        seeds: u64,
        /// Seed of the first of them
        #[arg(long, default_value_t = 1)]
        first_seed: u64,
        /// Only these networks
        #[arg(long, value_delimiter = ',')]
        models: Vec<Model>,
        #[command(flatten)]
        stalls: StallArgs,
        #[command(flatten)]
        receiver: ReceiverArgs,
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Play each kind of stall alone, and some in pairs; exit code 1 if a bound is broken
    Stalls {
        #[arg(long, default_value_t = 36.0)]
        seconds: f64,
        /// Traces per stall, network and size
        #[arg(long, default_value_t = 3)]
        seeds: u64,
        /// On these networks
        #[arg(long, value_delimiter = ',', default_value = "lan,fiber,cable")]
        models: Vec<Model>,
    },
    /// Compare concealment with other methods, on speech, plucked, percussive, sustained and mixed sound
    Conceal {
        /// Length of each sound
        #[arg(long, default_value_t = 20)]
        seconds: usize,
        /// Frames per packet
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
        input: TraceArgs,
        /// The SVG file to write
        #[arg(long, value_name = "FILE.svg")]
        out: PathBuf,
    },
}

/// Stalls of hosts and server.
#[derive(Args)]
struct StallArgs {
    /// WHO (sender, receiver, both, server or machine) stalls for MS ms every EVERY ms; callbacks that are due meanwhile
    /// are late, lost, reset the grid of callbacks, or are lost and let positions jump. With ~EVERY stalls come at random,
    /// in the mean so often, and last for up to MS ms. Can be given several times
    #[arg(long, value_name = "WHO:late|lost|reset|jump:MS:EVERY")]
    stall: Vec<Stall>,
    /// Seconds after which no stall begins [default: two thirds of the trace]
    #[arg(long, value_name = "S")]
    stalls_until: Option<f64>,
}

impl StallArgs {
    fn until(&self, seconds: f64) -> f64 {
        self.stalls_until.unwrap_or(seconds * 2.0 / 3.0)
    }
}

/// A trace, and how to play it.
#[derive(Args)]
struct TraceArgs {
    /// The trace, a CSV file: sent_us,arrived_us
    trace: PathBuf,
    /// Frames per packet
    #[arg(long, default_value_t = 128)]
    packet: usize,
    /// Frames per block of the receiver
    #[arg(long, default_value_t = 128)]
    block: usize,
    #[command(flatten)]
    receiver: ReceiverArgs,
    /// Callbacks of the receiver's host that were recorded with the trace: begun_us,frames,rate
    #[arg(long, value_name = "CALLS.csv")]
    calls: Option<PathBuf>,
    /// Smallest delay of the network in ms, if the trace does not contain it
    #[arg(long)]
    base_ms: Option<f64>,
    /// Sound to play instead of a chord with bursts of noise
    #[arg(long, value_name = "IN.wav")]
    wav: Option<PathBuf>,
}

/// Settings of the receiver.
#[derive(Args)]
struct ReceiverArgs {
    /// Sample rate of the receiver in Hz
    #[arg(long, default_value_t = 48_000)]
    rate: u32,
    /// How much faster the sender's clock runs, in ppm
    #[arg(long, default_value_t = 0.0, allow_negative_numbers = true)]
    drift_ppm: f64,
    /// auto, or a constant playout delay in ms
    #[arg(long, default_value = "auto", value_parser = playout)]
    playout: Playout,
    /// Bias of automatic playout: tight (less delay), normal, or safe (fewer gaps)
    #[arg(long, default_value_t)]
    comfort: PlayoutBias,
    /// Retransmit lost packets
    #[arg(long, default_value = "off")]
    recovery: Recovery,
    /// Round-trip time of the hop that retransmits, in ms
    #[arg(long, default_value_t = 20.0)]
    rtt_ms: f64,
    /// Seconds at the beginning that are not measured
    #[arg(long, default_value_t = 3.0)]
    skip: f64,
}

impl ReceiverArgs {
    fn settings(&self, packet: usize, block: usize) -> Settings {
        let ReceiverArgs { rate, drift_ppm, playout, comfort, skip, recovery, rtt_ms } = *self;
        let rtt = Micros((rtt_ms.clamp(0.0, 10_000.0) * 1000.0) as u64);
        let recovery = (recovery == Recovery::On).then_some(rtt);
        Settings { packet, block, rate, drift_ppm, playout, comfort, skip: skip.max(0.0), recovery }
    }
}

/// Whether lost packets are retransmitted.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Recovery {
    Off,
    On,
}

fn playout(text: &str) -> Result<Playout, BadPlayout> {
    if text == "auto" {
        return Ok(Playout::Auto);
    }
    let ms = text.parse().ok().filter(|ms| (0.0..=500.0).contains(ms));
    ms.map(|ms| Playout::Fixed { ms }).ok_or(BadPlayout)
}

/// A text that is not a playout delay.
#[derive(Debug)]
struct BadPlayout;

impl fmt::Display for BadPlayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("give auto, or 0 to 500 ms")
    }
}

impl Error for BadPlayout {}

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
                write_wav(&path, input.receiver.rate, &got.playback.heard[0]).map_err(|e| with_path(&path, e))?;
            }
            let report = got.report.json();
            print(&if json { format!("{report}\n") } else { report::text(&report) })
        }
        Command::Generate { model, seconds, seed, packet, stalls } => {
            if !PACKETS.contains(&packet) || !(0.1..=86_400.0).contains(&seconds) {
                return Err("give 0.1 to 86400 seconds, and packets of 16 to 150 frames".into());
            }
            let until = stalls.until(seconds);
            print(&model.generate_with_stalls(seconds, seed, packet, &stalls.stall, until).write())
        }
        Command::Table { seconds, seeds, first_seed, models, stalls, receiver, json } => {
            let models = if models.is_empty() { Model::ALL.to_vec() } else { models };
            let (settings, stalls_until) = (receiver.settings(64, 64), stalls.until(seconds));
            let seeds = first_seed..first_seed.saturating_add(seeds);
            let rows = table::run(&TablePlan { models, seconds, seeds, settings, stalls: stalls.stall, stalls_until })?;
            print(&if json { format!("{}\n", table::json(&rows)) } else { table::text(&rows) })
        }
        Command::Stalls { seconds, seeds, models } => {
            let (stalls_until, seeds) = (seconds * 2.0 / 3.0, 1..seeds.saturating_add(1));
            let plan = TablePlan { models, seconds, seeds, stalls_until, ..TablePlan::default() };
            print(&format!(
                "{:<52}{:<8}{:>7}{:>7}{:>7}{:>7}\n",
                "stalls", "network", "ratio", "back s", "late", "cost"
            ))?;
            let [beyond, total] = stall_bounds::run(&plan, |stalls, model, verdict| {
                let stalls: Vec<String> = stalls.iter().map(ToString::to_string).collect();
                let mark = if verdict.is_within() { "" } else { "  BEYOND" };
                println!("{:<52}{:<8}{verdict}{mark}", stalls.join(" "), model.name());
            })?;
            print(
                "\nratio: mean delay over the oracle's (at most 1.15); back: seconds after the last stall (at most 2); late: \
                 late packets over those that stalls affect (at most 1); cost: with late packets, over the oracle's\n",
            )?;
            match beyond {
                0 => Ok(()),
                _ => Err(format!("{beyond} of {total} are beyond a bound").into()),
            }
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
            std::fs::write(&out, plot::svg(&trace, input.packet, &got)).map_err(|e| with_path(&out, e).into())
        }
    }
}

impl TraceArgs {
    fn measure(&self) -> Result<(Trace, Measurement), Box<dyn Error>> {
        let text = std::fs::read_to_string(&self.trace).map_err(|e| with_path(&self.trace, e))?;
        let mut trace = Trace::read(&text).map_err(|e| with_path(&self.trace, e))?;
        if let Some(path) = &self.calls {
            let text = std::fs::read_to_string(path).map_err(|e| with_path(path, e))?;
            trace.read_calls(&text).map_err(|e| with_path(path, e))?;
        }
        if let Some(base) = self.base_ms {
            trace.base_us = (base.max(0.0) * 1000.0) as u64;
        }
        let frames = trace.packets.len() * self.packet;
        let sound = match &self.wav {
            Some(path) => read_wav(path, frames).map_err(|e| with_path(path, e))?,
            None => chord(frames),
        };
        let got = measure(&trace, &sound, &self.receiver.settings(self.packet, self.block))?;
        Ok((trace, got))
    }
}

fn with_path(path: &Path, error: impl Error) -> String {
    format!("{}: {error}", path.display())
}

/// A reader that closes the pipe is not an error.
fn print(text: &str) -> Result<(), Box<dyn Error>> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(()),
    }
}
