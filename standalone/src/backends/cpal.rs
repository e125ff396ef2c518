//! The system's own audio, by cpal: ALSA, CoreAudio or WASAPI.
//!
//! The output device is the clock: its callback runs the stage. The input device, which may be another one, hands its
//! frames over by [`super::crossing`].

use super::crossing::{Reader, Writer, crossing};
use super::{Backend, OpenError, Pulse, Request, priority};
use crate::handover::Stage;
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    BufferSize, Device, ErrorKind, FromSample, Host, Sample, SampleFormat, SizedSample, Stream, StreamConfig,
    SupportedBufferSize, SupportedStreamConfigRange,
};
use rtjam_engine::{Outputs, SLOTS};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Rates to try, the wire's own first.
const RATES: [u32; 5] = [48_000, 44_100, 96_000, 192_000, 32_000];

/// Block sizes to try, in frames; 0 leaves it to the system.
const BLOCKS: [u32; 4] = [64, 128, 256, 0];

/// Longer than any block.
const STANDSTILL: Duration = Duration::from_secs(2);

/// The most frames that are worked off in one piece.
const PIECE: usize = 1024;

/// An output stream, an input stream where there is one, and what they said last.
pub(super) struct Cpal {
    _output: Stream,
    _input: Option<Stream>,
    lost: Arc<OnceLock<String>>,
    /// Some systems let a device's stream stand still without a word.
    calls: Arc<AtomicU64>,
    seen: (u64, Instant),
    name: String,
    description: String,
    rate: u32,
}

impl Cpal {
    pub(super) fn open(request: &Request, stage: Stage, pulse: Arc<Pulse>) -> Result<Cpal, OpenError> {
        quietly(|| open(request, stage, pulse)).map_err(OpenError)
    }
}

impl Backend for Cpal {
    fn describe(&self) -> String {
        self.description.clone()
    }

    fn rate(&self) -> u32 {
        self.rate
    }

    fn lost(&mut self) -> Option<String> {
        let calls = self.calls.load(Ordering::Relaxed);
        if calls != self.seen.0 {
            self.seen = (calls, Instant::now());
        }
        let stands = self.seen.1.elapsed() > STANDSTILL;
        self.lost.get().cloned().or_else(|| stands.then(|| gone(&self.name, "it stands still")))
    }
}

fn open(request: &Request, stage: Stage, pulse: Arc<Pulse>) -> Result<Cpal, String> {
    let host = cpal::default_host();
    let lost = Arc::new(OnceLock::new());
    let output = Plan::first_that_works(find(&host, request.output.as_deref(), Side::Output)?, Side::Output, None)?;
    let (input, reader, input_note) = match open_input(&host, request, &output, &pulse, &lost) {
        Ok((stream, reader, name)) => (Some(stream), Some(reader), format!("in: {name}")),
        // Listening needs no input; one that was asked for by name must be there.
        Err(why) if request.input.is_some() => return Err(why),
        Err(_) => (None, None, "no input".to_owned()),
    };
    let player = Player::new(stage, reader, output.channels, Arc::clone(&pulse));
    let calls = Arc::clone(&player.calls);
    let on_error = on_error(&output.device, &pulse, &lost);
    let stream = match output.format {
        SampleFormat::F32 => play::<f32>(&output, player, on_error),
        SampleFormat::I32 => play::<i32>(&output, player, on_error),
        _ => play::<i16>(&output, player, on_error),
    }
    .map_err(|e| unusable(&output.device, &e))?;
    let frames = stream.buffer_size().unwrap_or(output.block);
    pulse.block.store(frames, Ordering::Relaxed);
    let description = format!("{}, {input_note} ({} Hz, {frames} frames)", output.device, output.rate);
    stream.play().map_err(|e| unusable(&output.device, &e))?;
    let seen = (0, Instant::now());
    let (name, rate) = (output.device.to_string(), output.rate);
    Ok(Cpal { _output: stream, _input: input, lost, calls, seen, name, description, rate })
}

fn open_input(
    host: &Host,
    request: &Request,
    output: &Plan,
    pulse: &Arc<Pulse>,
    lost: &Arc<OnceLock<String>>,
) -> Result<(Stream, Reader, String), String> {
    let mut devices = find(host, request.input.as_deref(), Side::Input)?;
    // After the default, the device that plays: one clock for both ways.
    let same = devices.iter().skip(1).position(|device| *device == output.device);
    if let Some(at) = same {
        devices[1..=at + 1].rotate_right(1);
    }
    let plan = Plan::first_that_works(devices, Side::Input, Some(output.rate))?;
    let usual = |block: u32| if block == 0 { PIECE } else { block as usize };
    let (writer, reader) = crossing(usual(plan.block), usual(output.block));
    let on_error = on_error(&plan.device, pulse, lost);
    let stream = match plan.format {
        SampleFormat::F32 => record::<f32>(&plan, writer, on_error),
        SampleFormat::I32 => record::<i32>(&plan, writer, on_error),
        _ => record::<i16>(&plan, writer, on_error),
    }
    .map_err(|e| unusable(&plan.device, &e))?;
    stream.play().map_err(|e| unusable(&plan.device, &e))?;
    Ok((stream, reader, plan.device.to_string()))
}

/// Which way a device is used.
#[derive(Clone, Copy, PartialEq)]
enum Side {
    Input,
    Output,
}

/// The devices to try: the one of that name, else the default and after it the hardware, since a default may lead
/// nowhere (ALSA always has one).
fn find(host: &Host, name: Option<&str>, side: Side) -> Result<Vec<Device>, String> {
    let (what, default) = match side {
        Side::Input => ("input", host.default_input_device()),
        Side::Output => ("output", host.default_output_device()),
    };
    let all = || host.devices().map_err(|e| format!("The audio devices cannot be listed: {e}."));
    let Some(name) = name else {
        let serves = |d: &Device| if side == Side::Input { d.supports_input() } else { d.supports_output() };
        let hardware = all()?.filter(|d| serves(d) && d.id().is_ok_and(|id| id.id().starts_with("plughw:")));
        let devices: Vec<Device> = default.into_iter().chain(hardware).collect();
        let none = || format!("There is no audio {what} device. Plug one in.");
        return if devices.is_empty() { Err(none()) } else { Ok(devices) };
    };
    let is_it = |device: &Device| {
        device.to_string() == name || device.id().is_ok_and(|id| id.id() == name || id.to_string() == name)
    };
    let found = default.filter(is_it).or(all()?.find(is_it));
    let nowhere = || format!("There is no audio device \"{name}\". `rtjam --list-devices` shows those that there are.");
    found.map(|device| vec![device]).ok_or_else(nowhere)
}

fn unusable(device: &Device, e: &cpal::Error) -> String {
    let hint = match e.kind() {
        ErrorKind::DeviceBusy => " Close the program that uses it, or choose another with --output and --input.",
        ErrorKind::PermissionDenied => " Allow this program (or your user) to use audio devices.",
        ErrorKind::DeviceNotAvailable => " Plug it in, or choose another: `rtjam --list-devices`.",
        _ => " Choose another: `rtjam --list-devices`.",
    };
    format!("The audio device \"{device}\" cannot be used: {}.{hint}", e.to_string().trim_end_matches('.'))
}

/// How a device is going to be used.
struct Plan {
    device: Device,
    channels: u16,
    rate: u32,
    format: SampleFormat,
    buffer: SupportedBufferSize,
    /// 0: the system's choice.
    block: u32,
}

impl Plan {
    /// The first device that can really be opened. When none can, the sentence is about the first.
    fn first_that_works(devices: Vec<Device>, side: Side, rate: Option<u32>) -> Result<Plan, String> {
        let mut why = None;
        for device in devices {
            match Plan::of(device, side, rate).and_then(|plan| plan.with_block(side)) {
                Ok(plan) => return Ok(plan),
                Err(e) => why = why.or(Some(e)),
            }
        }
        Err(why.unwrap_or_else(|| "There is no audio device. Plug one in.".to_owned()))
    }

    /// Two channels of floats at 48 kHz where the device has them, else the nearest to that.
    fn of(device: Device, side: Side, rate: Option<u32>) -> Result<Plan, String> {
        let ranges: Vec<SupportedStreamConfigRange> = match side {
            Side::Input => device.supported_input_configs().map_err(|e| unusable(&device, &e))?.collect(),
            Side::Output => device.supported_output_configs().map_err(|e| unusable(&device, &e))?.collect(),
        };
        let rates = rate.map_or(RATES.to_vec(), |r| vec![r]);
        let best = rates.iter().find_map(|rate| {
            let fitting = ranges.iter().filter(|r| r.channels() > 0 && r.contains_rate(*rate));
            let ranked = fitting.filter_map(|r| Some((rank(r.channels(), r.sample_format())?, r)));
            ranked.min_by_key(|(rank, _)| *rank).map(|(_, r)| (*rate, r))
        });
        let Some((rate, range)) = best else {
            let at = rate.map_or("a rate that rtjam knows".to_owned(), |r| format!("{r} Hz"));
            return Err(format!(
                "The audio device \"{device}\" does not run at {at}. Choose another: `rtjam --list-devices`."
            ));
        };
        let (channels, format, buffer) = (range.channels(), range.sample_format(), *range.buffer_size());
        Ok(Plan { device, channels, rate, format, buffer, block: 0 })
    }

    /// Settles for the smallest block with which a stream can be made; the trial streams play nothing. (The stage can
    /// be moved into one stream only.)
    fn with_block(mut self, side: Side) -> Result<Plan, String> {
        let mut why = None;
        let buffer = self.buffer;
        for block in BLOCKS.into_iter().filter(|b| allows(&buffer, *b)) {
            self.block = block;
            let (config, format) = (self.config(), self.format);
            let trial = match side {
                Side::Input => self.device.build_input_stream_raw(config, format, |_, _| {}, |_| {}, None),
                Side::Output => self.device.build_output_stream_raw(config, format, |_, _| {}, |_| {}, None),
            };
            match trial {
                Ok(_) => return Ok(self),
                Err(e) => why = why.or(Some(e)),
            }
        }
        Err(why.map_or_else(String::new, |e| unusable(&self.device, &e)))
    }

    fn config(&self) -> StreamConfig {
        let buffer_size = if self.block == 0 { BufferSize::Default } else { BufferSize::Fixed(self.block) };
        StreamConfig { channels: self.channels, sample_rate: self.rate, buffer_size }
    }
}

fn allows(buffer: &SupportedBufferSize, block: u32) -> bool {
    match buffer {
        SupportedBufferSize::Range { min, max } => block == 0 || (*min..=*max).contains(&block),
        SupportedBufferSize::Unknown => true,
    }
}

/// Lower is better; `None`: cannot be used.
fn rank(channels: u16, format: SampleFormat) -> Option<(u8, u16)> {
    let format = match format {
        SampleFormat::F32 => 0,
        SampleFormat::I32 => 1,
        SampleFormat::I16 => 2,
        _ => return None,
    };
    // Two channels, then more of them, then one.
    let channels = if channels == 1 { u16::MAX } else { channels };
    Some((format, channels))
}

fn on_error(device: &Device, pulse: &Arc<Pulse>, lost: &Arc<OnceLock<String>>) -> impl FnMut(cpal::Error) + use<> {
    let (name, pulse, lost) = (device.to_string(), Arc::clone(pulse), Arc::clone(lost));
    move |e| match e.kind() {
        ErrorKind::Xrun => pulse.count_xruns(1),
        // The stream goes on, on another device or with usual priority.
        ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
        _ => {
            let _ = lost.set(gone(&name, e.to_string().trim_end_matches('.')));
        }
    }
}

fn gone(name: &str, why: &str) -> String {
    format!("The audio device \"{name}\" is gone ({why}); waiting for it to come back…")
}

fn play<T: SizedSample + FromSample<f32>>(
    plan: &Plan,
    mut player: Player,
    on_error: impl FnMut(cpal::Error) + Send + 'static,
) -> Result<Stream, cpal::Error> {
    plan.device.build_output_stream(plan.config(), move |data: &mut [T], _: &_| player.play(data), on_error, None)
}

fn record<T: SizedSample>(
    plan: &Plan,
    mut writer: Writer,
    on_error: impl FnMut(cpal::Error) + Send + 'static,
) -> Result<Stream, cpal::Error>
where
    f32: FromSample<T>,
{
    let channels = usize::from(plan.channels);
    let callback = move |data: &[T], _: &_| {
        for frame in data.chunks_exact(channels) {
            let first = f32::from_sample(frame[0]);
            let second = frame.get(1).map_or(first, |s| f32::from_sample(*s));
            // No room: the output stands still, and what it missed is of no use to it.
            let _ = writer.push([first, second]);
        }
    };
    plan.device.build_input_stream(plan.config(), callback, on_error, None)
}

/// The output callback's state.
struct Player {
    stage: Stage,
    reader: Option<Reader>,
    channels: usize,
    pulse: Arc<Pulse>,
    calls: Arc<AtomicU64>,
    raised: bool,
    input: [Vec<f32>; 2],
    output: [Vec<f32>; 2],
}

impl Player {
    fn new(stage: Stage, reader: Option<Reader>, channels: u16, pulse: Arc<Pulse>) -> Player {
        let buffers = || [vec![0.0; PIECE], vec![0.0; PIECE]];
        let channels = usize::from(channels);
        let (input, output) = (buffers(), buffers());
        Player { stage, reader, channels, pulse, calls: Arc::default(), raised: false, input, output }
    }

    /// Audio thread.
    fn play<T: SizedSample + FromSample<f32>>(&mut self, data: &mut [T]) {
        if !self.raised {
            priority::raise(&self.pulse);
            self.raised = true;
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        for piece in data.chunks_mut(PIECE * self.channels) {
            self.play_piece(piece);
        }
    }

    fn play_piece<T: SizedSample + FromSample<f32>>(&mut self, data: &mut [T]) {
        let frames = data.len() / self.channels;
        let [in_left, in_right] = self.input.each_mut().map(|b| &mut b[..frames]);
        if let Some(reader) = &mut self.reader
            && !reader.read(in_left, in_right)
        {
            self.pulse.count_xruns(1);
        }
        let [left, right] = self.output.each_mut().map(|b| &mut b[..frames]);
        let mut outputs = Outputs { main: [left, right], slots: [const { None }; SLOTS] };
        self.stage.process([in_left, in_right], &mut outputs);
        let [left, right] = outputs.main;
        for ((frame, l), r) in data.chunks_exact_mut(self.channels).zip(left.iter()).zip(right.iter()) {
            match frame {
                [only] => *only = T::from_sample((l + r) * 0.5),
                [first, second, rest @ ..] => {
                    (*first, *second) = (T::from_sample(*l), T::from_sample(*r));
                    rest.fill(T::EQUILIBRIUM);
                }
                [] => {}
            }
        }
    }
}

/// Runs `work`, which may open devices that do not exist, without alsa-lib writing about each to stderr.
pub(super) fn quietly<T>(work: impl FnOnce() -> T) -> T {
    // Takes what alsa-lib says on this thread from now on, until the next call; nobody reads it.
    #[cfg(target_os = "linux")]
    let _ = alsa::Output::local_error_handler();
    work()
}
