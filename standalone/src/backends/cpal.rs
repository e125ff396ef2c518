//! The system's own audio through cpal: ALSA, CoreAudio or WASAPI.
//!
//! The output device is the clock: its callback runs the audio end. The input device, which may be another one, passes its
//! frames through the [`super::input_ring`].

use super::backend::{AudioHealth, AudioRequest, Backend, raise_priority};
use super::input_ring::{InputReader, InputWriter, input_ring};
use crate::handover::AudioEnd;
use crate::platform::silence_audio_library;
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    BufferSize, Device, ErrorKind, FromSample, Host, Sample, SampleFormat, SizedSample, Stream, StreamConfig,
    SupportedBufferSize, SupportedStreamConfigRange,
};
use rtjam_engine::{Outputs, SLOTS};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Sample rates to try, that of packets first.
const RATES: [u32; 5] = [48_000, 44_100, 96_000, 192_000, 32_000];

/// Periods to try, in frames; 0: the system's default.
const PERIODS: [u32; 4] = [64, 128, 256, 0];

/// Longer than any period: without a callback for this long, the stream has stalled.
const STALLED: Duration = Duration::from_secs(2);

/// The most frames that are processed at once.
const CHUNK: usize = 1024;

/// An output stream, an input stream if there is one, and their last error.
pub(super) struct Cpal {
    _output: Stream,
    _input: Option<Stream>,
    lost: Arc<OnceLock<String>>,
    /// Callbacks. Some systems report no error when a stream stalls.
    calls: Arc<AtomicU64>,
    /// The count when it last changed.
    last_calls: (u64, Instant),
    name: String,
    description: String,
    rate: u32,
}

impl Cpal {
    pub(super) fn open(request: &AudioRequest, audio: AudioEnd, health: Arc<AudioHealth>) -> Result<Cpal, DeviceError> {
        quietly(|| open(request, audio, health))
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
        if calls != self.last_calls.0 {
            self.last_calls = (calls, Instant::now());
        }
        let stalled = self.last_calls.1.elapsed() > STALLED;
        self.lost.get().cloned().or_else(|| stalled.then(|| gone(&self.name, "it has stalled")))
    }
}

fn open(request: &AudioRequest, audio: AudioEnd, health: Arc<AudioHealth>) -> Result<Cpal, DeviceError> {
    let host = cpal::default_host();
    let lost = Arc::new(OnceLock::new());
    let output =
        StreamPlan::first_working(find(&host, request.output.as_deref(), Direction::Output)?, Direction::Output, None)?;
    let (input, reader, input_note) = match open_input(&host, request, &output, &health, &lost) {
        Ok((stream, reader, name)) => (Some(stream), Some(reader), format!("input: {name}")),
        // Without an input device the musician can listen; a device that was named must exist.
        Err(why) if request.input.is_some() => return Err(why),
        Err(_) => (None, None, "no input".to_owned()),
    };
    let player = Player::new(audio, reader, output.channels, Arc::clone(&health));
    let calls = Arc::clone(&player.calls);
    let on_error = on_error(&output.device, &health, &lost);
    let stream = match output.format {
        SampleFormat::F32 => play::<f32>(&output, player, on_error),
        SampleFormat::I32 => play::<i32>(&output, player, on_error),
        _ => play::<i16>(&output, player, on_error),
    }
    .map_err(|e| unusable(&output.device, e))?;
    let frames = stream.buffer_size().unwrap_or(output.period);
    health.set_period(frames);
    let description = format!("{}, {input_note} ({} Hz, {frames} frames)", output.device, output.rate);
    stream.play().map_err(|e| unusable(&output.device, e))?;
    let last_calls = (0, Instant::now());
    let (name, rate) = (output.device.to_string(), output.rate);
    Ok(Cpal { _output: stream, _input: input, lost, calls, last_calls, name, description, rate })
}

fn open_input(
    host: &Host,
    request: &AudioRequest,
    output: &StreamPlan,
    health: &Arc<AudioHealth>,
    lost: &Arc<OnceLock<String>>,
) -> Result<(Stream, InputReader, String), DeviceError> {
    let mut devices = find(host, request.input.as_deref(), Direction::Input)?;
    // After the default, try the output device: then both have one clock.
    let same = devices.iter().skip(1).position(|device| *device == output.device);
    if let Some(at) = same {
        devices[1..=at + 1].rotate_right(1);
    }
    let plan = StreamPlan::first_working(devices, Direction::Input, Some(output.rate))?;
    let frames = |period: u32| if period == 0 { CHUNK } else { period as usize };
    let (writer, reader) = input_ring(frames(plan.period), frames(output.period));
    let on_error = on_error(&plan.device, health, lost);
    let stream = match plan.format {
        SampleFormat::F32 => record::<f32>(&plan, writer, on_error),
        SampleFormat::I32 => record::<i32>(&plan, writer, on_error),
        _ => record::<i16>(&plan, writer, on_error),
    }
    .map_err(|e| unusable(&plan.device, e))?;
    stream.play().map_err(|e| unusable(&plan.device, e))?;
    Ok((stream, reader, plan.device.to_string()))
}

/// How a device is used.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Direction {
    Input,
    Output,
}

/// The devices to try: the one of that name, else the default, then the hardware, since a default may not work (ALSA
/// always has one).
fn find(host: &Host, name: Option<&str>, direction: Direction) -> Result<Vec<Device>, DeviceError> {
    let default = match direction {
        Direction::Input => host.default_input_device(),
        Direction::Output => host.default_output_device(),
    };
    let all = || host.devices().map_err(DeviceError::NoList);
    let Some(name) = name else {
        let serves = |d: &Device| if direction == Direction::Input { d.supports_input() } else { d.supports_output() };
        let hardware = all()?.filter(|d| serves(d) && d.id().is_ok_and(|id| id.id().starts_with("plughw:")));
        let devices: Vec<Device> = default.into_iter().chain(hardware).collect();
        return if devices.is_empty() { Err(DeviceError::NoDevice(direction)) } else { Ok(devices) };
    };
    let is_it = |device: &Device| {
        device.to_string() == name || device.id().is_ok_and(|id| id.id() == name || id.to_string() == name)
    };
    let found = default.filter(is_it).or(all()?.find(is_it));
    found.map(|device| vec![device]).ok_or_else(|| DeviceError::Unknown(name.to_owned()))
}

/// Why there is no stream.
#[derive(Debug)]
pub(crate) enum DeviceError {
    /// The system does not list its devices.
    NoList(cpal::Error),
    NoDevice(Direction),
    /// No device has this name.
    Unknown(String),
    Unusable {
        device: String,
        why: cpal::Error,
    },
    /// The device does not support this sample rate in Hz, or with `None` any of [`RATES`].
    NoRate {
        device: String,
        rate: Option<u32>,
    },
    /// The device supports no period.
    NoPeriod(String),
}

impl fmt::Display for DeviceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ANOTHER: &str = "Choose another: `rtjam --list-devices`.";
        match self {
            DeviceError::NoList(why) => write!(f, "The system cannot list its audio devices: {why}."),
            DeviceError::NoDevice(Direction::Input) => f.write_str("There is no audio input device. Plug one in."),
            DeviceError::NoDevice(Direction::Output) => f.write_str("There is no audio output device. Plug one in."),
            DeviceError::Unknown(name) => {
                write!(f, "There is no audio device \"{name}\". `rtjam --list-devices` lists all devices.")
            }
            DeviceError::Unusable { device, why } => {
                let hint = match why.kind() {
                    ErrorKind::DeviceBusy => {
                        "Close the program that uses it, or choose another with --output and --input."
                    }
                    ErrorKind::PermissionDenied => "Allow this program (or your user) to use audio devices.",
                    ErrorKind::DeviceNotAvailable => "Plug it in, or choose another: `rtjam --list-devices`.",
                    _ => ANOTHER,
                };
                let why = why.to_string();
                write!(f, "RTJam cannot use the audio device \"{device}\": {}. {hint}", why.trim_end_matches('.'))
            }
            DeviceError::NoRate { device, rate: Some(rate) } => {
                write!(f, "The audio device \"{device}\" does not support {rate} Hz. {ANOTHER}")
            }
            DeviceError::NoRate { device, rate: None } => {
                write!(f, "The audio device \"{device}\" supports no sample rate that RTJam supports. {ANOTHER}")
            }
            DeviceError::NoPeriod(device) => {
                write!(f, "The audio device \"{device}\" supports no period that RTJam supports. {ANOTHER}")
            }
        }
    }
}

impl std::error::Error for DeviceError {}

fn unusable(device: &Device, why: cpal::Error) -> DeviceError {
    DeviceError::Unusable { device: device.to_string(), why }
}

/// The parameters of a stream.
struct StreamPlan {
    device: Device,
    channels: u16,
    rate: u32,
    format: SampleFormat,
    buffer: SupportedBufferSize,
    /// Frames; 0: the system's default.
    period: u32,
}

impl StreamPlan {
    /// The plan for the first device that opens. If none opens, the error is that of the first.
    fn first_working(devices: Vec<Device>, direction: Direction, rate: Option<u32>) -> Result<StreamPlan, DeviceError> {
        let mut first = None;
        for device in devices {
            match StreamPlan::new(device, direction, rate).and_then(|plan| plan.with_period(direction)) {
                Ok(plan) => return Ok(plan),
                Err(e) => first = first.or(Some(e)),
            }
        }
        Err(first.unwrap_or(DeviceError::NoDevice(direction)))
    }

    /// Two channels of floats at 48 kHz if the device supports them, else the nearest to that.
    fn new(device: Device, direction: Direction, rate: Option<u32>) -> Result<StreamPlan, DeviceError> {
        let ranges: Vec<SupportedStreamConfigRange> = match direction {
            Direction::Input => device.supported_input_configs().map_err(|e| unusable(&device, e))?.collect(),
            Direction::Output => device.supported_output_configs().map_err(|e| unusable(&device, e))?.collect(),
        };
        let rates = rate.map_or(RATES.to_vec(), |r| vec![r]);
        let best = rates.iter().find_map(|rate| {
            let fitting = ranges.iter().filter(|r| r.channels() > 0 && r.contains_rate(*rate));
            let ranked = fitting.filter_map(|r| Some((rank(r.channels(), r.sample_format())?, r)));
            ranked.min_by_key(|(rank, _)| *rank).map(|(_, r)| (*rate, r))
        });
        let Some((rate, range)) = best else {
            return Err(DeviceError::NoRate { device: device.to_string(), rate });
        };
        let (channels, format, buffer) = (range.channels(), range.sample_format(), *range.buffer_size());
        Ok(StreamPlan { device, channels, rate, format, buffer, period: 0 })
    }

    /// Chooses the smallest period with which a stream opens. The trial streams carry no audio, since the audio end can
    /// move into one stream only.
    fn with_period(mut self, direction: Direction) -> Result<StreamPlan, DeviceError> {
        let mut why = None;
        let buffer = self.buffer;
        for period in PERIODS.into_iter().filter(|p| allows(&buffer, *p)) {
            self.period = period;
            let (config, format) = (self.config(), self.format);
            let trial = match direction {
                Direction::Input => self.device.build_input_stream_raw(config, format, |_, _| {}, |_| {}, None),
                Direction::Output => self.device.build_output_stream_raw(config, format, |_, _| {}, |_| {}, None),
            };
            match trial {
                Ok(_) => return Ok(self),
                Err(e) => why = why.or(Some(e)),
            }
        }
        Err(match why {
            Some(why) => unusable(&self.device, why),
            None => DeviceError::NoPeriod(self.device.to_string()),
        })
    }

    fn config(&self) -> StreamConfig {
        let buffer_size = if self.period == 0 { BufferSize::Default } else { BufferSize::Fixed(self.period) };
        StreamConfig { channels: self.channels, sample_rate: self.rate, buffer_size }
    }
}

fn allows(buffer: &SupportedBufferSize, period: u32) -> bool {
    match buffer {
        SupportedBufferSize::Range { min, max } => period == 0 || (*min..=*max).contains(&period),
        SupportedBufferSize::Unknown => true,
    }
}

/// The rank of a configuration, lower is better; `None`: unusable.
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

fn on_error(
    device: &Device,
    health: &Arc<AudioHealth>,
    lost: &Arc<OnceLock<String>>,
) -> impl FnMut(cpal::Error) + use<> {
    let (name, health, lost) = (device.to_string(), Arc::clone(health), Arc::clone(lost));
    move |e| match e.kind() {
        ErrorKind::Xrun => health.add_xrun(),
        // The stream continues, on another device or with normal priority.
        ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
        _ => {
            let _ = lost.set(gone(&name, e.to_string().trim_end_matches('.')));
        }
    }
}

fn gone(name: &str, why: &str) -> String {
    format!("The audio device \"{name}\" is gone ({why}). RTJam reconnects when it is back.")
}

fn play<T: SizedSample + FromSample<f32>>(
    plan: &StreamPlan,
    mut player: Player,
    on_error: impl FnMut(cpal::Error) + Send + 'static,
) -> Result<Stream, cpal::Error> {
    plan.device.build_output_stream(plan.config(), move |data: &mut [T], _: &_| player.play(data), on_error, None)
}

fn record<T: SizedSample>(
    plan: &StreamPlan,
    mut writer: InputWriter,
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
            // Full: the output has stalled and has no use for old frames.
            let _ = writer.push([first, second]);
        }
    };
    plan.device.build_input_stream(plan.config(), callback, on_error, None)
}

/// The output callback's state.
struct Player {
    audio: AudioEnd,
    reader: Option<InputReader>,
    channels: usize,
    health: Arc<AudioHealth>,
    calls: Arc<AtomicU64>,
    has_priority: bool,
    input: [Vec<f32>; 2],
    output: [Vec<f32>; 2],
}

impl Player {
    fn new(audio: AudioEnd, reader: Option<InputReader>, channels: u16, health: Arc<AudioHealth>) -> Player {
        let buffers = || [vec![0.0; CHUNK], vec![0.0; CHUNK]];
        let channels = usize::from(channels);
        let (input, output) = (buffers(), buffers());
        Player { audio, reader, channels, health, calls: Arc::default(), has_priority: false, input, output }
    }

    /// Audio thread.
    fn play<T: SizedSample + FromSample<f32>>(&mut self, data: &mut [T]) {
        if !self.has_priority {
            raise_priority(&self.health);
            self.has_priority = true;
        }
        self.calls.fetch_add(1, Ordering::Relaxed);
        for chunk in data.chunks_mut(CHUNK * self.channels) {
            self.play_chunk(chunk);
        }
    }

    fn play_chunk<T: SizedSample + FromSample<f32>>(&mut self, data: &mut [T]) {
        let frames = data.len() / self.channels;
        let [in_left, in_right] = self.input.each_mut().map(|b| &mut b[..frames]);
        if let Some(reader) = &mut self.reader
            && !reader.read(in_left, in_right)
        {
            self.health.add_xrun();
        }
        let [left, right] = self.output.each_mut().map(|b| &mut b[..frames]);
        let mut outputs = Outputs { main: [left, right], slots: [const { None }; SLOTS] };
        self.audio.process([in_left, in_right], &mut outputs);
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

/// Runs `work` and keeps the audio library from writing to stderr about devices that do not exist.
pub(super) fn quietly<T>(work: impl FnOnce() -> T) -> T {
    silence_audio_library();
    work()
}
