//! The system's own audio through cpal: ALSA, CoreAudio or WASAPI.
//!
//! The output device is the clock: its callback runs the audio processor. The input device, which may be another one, passes its
//! frames through the [`super::input_ring`].

use super::backend::{AudioHealth, AudioRequest, Backend, raise_priority};
use super::device_delay::DelayMeter;
use super::device_error::{DeviceError, Direction, unusable};
use super::input_ring::{InputReader, InputWriter, input_ring};
use super::stream_plan::{StreamPlan, Wanted};
use crate::handover::AudioThreadEnd;
use crate::platform::silence_audio_library;
use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{
    Device, ErrorKind, FromSample, Host, InputCallbackInfo, OutputCallbackInfo, Sample, SampleFormat, SizedSample,
    Stream,
};
use rtjam_engine::{Outputs, SLOTS};
use rtjam_ui::audio::{DeviceDelay, DevicesInUse};
use rtjam_ui::settings::{AudioChoices, InputChannels};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

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
    devices: DevicesInUse,
    delay: Arc<DelayMeter>,
    description: String,
    rate: u32,
}

impl Cpal {
    pub(super) fn open(
        request: &AudioRequest,
        audio: AudioThreadEnd,
        health: Arc<AudioHealth>,
    ) -> Result<Cpal, DeviceError> {
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

    fn delay(&self) -> Option<DeviceDelay> {
        self.delay.delay()
    }

    fn devices(&self) -> DevicesInUse {
        self.devices.clone()
    }

    fn lost(&mut self) -> Option<String> {
        let calls = self.calls.load(Ordering::Relaxed);
        if calls != self.last_calls.0 {
            self.last_calls = (calls, Instant::now());
        }
        let stalled = self.last_calls.1.elapsed() > STALLED;
        self.lost.get().cloned().or_else(|| stalled.then(|| gone(&self.devices.output, "it has stalled")))
    }
}

fn open(request: &AudioRequest, audio: AudioThreadEnd, health: Arc<AudioHealth>) -> Result<Cpal, DeviceError> {
    let host = cpal::default_host();
    let choices = &request.choices;
    let (lost, delay) = (Arc::new(OnceLock::new()), Arc::new(DelayMeter::new()));
    let output = find(&host, &choices.output, Direction::Output)?;
    let output = StreamPlan::first_working(output, Direction::Output, &Wanted::of_output(choices))?;
    let (input, reader, plan) = match open_input(&host, choices, &output, &health, &lost, &delay) {
        Ok((stream, reader, plan)) => (Some(stream), Some(reader), Some(plan)),
        // Without an input device the musician can listen; an input that was chosen must exist.
        Err(why) if !choices.input.is_empty() || choices.channels != InputChannels::default() => return Err(why),
        Err(_) => (None, None, None),
    };
    let player = OutputCallback::new(audio, reader, &output, Arc::clone(&health), Arc::clone(&delay));
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
    let devices = DevicesInUse {
        input: plan.as_ref().map(|plan| plan.device.to_string()),
        output: output.device.to_string(),
        input_channels: plan.map_or(0, |plan| plan.channels_there),
    };
    let input_note = devices.input.as_ref().map_or("no input".to_owned(), |name| format!("input: {name}"));
    let description = format!("{}, {input_note} ({} Hz, {frames} frames)", devices.output, output.rate);
    stream.play().map_err(|e| unusable(&output.device, e))?;
    let (last_calls, rate) = ((0, Instant::now()), output.rate);
    Ok(Cpal { _output: stream, _input: input, lost, calls, last_calls, devices, delay, description, rate })
}

fn open_input(
    host: &Host,
    choices: &AudioChoices,
    output: &StreamPlan,
    health: &Arc<AudioHealth>,
    lost: &Arc<OnceLock<String>>,
    delay: &Arc<DelayMeter>,
) -> Result<(Stream, InputReader, StreamPlan), DeviceError> {
    let mut devices = find(host, &choices.input, Direction::Input)?;
    // After the default, try the output device: then both have one clock.
    let same = devices.iter().skip(1).position(|device| *device == output.device);
    if let Some(at) = same {
        devices[1..=at + 1].rotate_right(1);
    }
    let plan = StreamPlan::first_working(devices, Direction::Input, &Wanted::of_input(choices, output.rate))?;
    let picked = plan.pick(choices.channels)?;
    let frames = |period: u32| if period == 0 { CHUNK } else { period as usize };
    let (writer, reader) = input_ring(frames(plan.period), frames(output.period));
    let recorder = Recorder { writer, delay: Arc::clone(delay), picked, channels: usize::from(plan.channels) };
    let on_error = on_error(&plan.device, health, lost);
    let stream = match plan.format {
        SampleFormat::F32 => record::<f32>(&plan, recorder, on_error),
        SampleFormat::I32 => record::<i32>(&plan, recorder, on_error),
        _ => record::<i16>(&plan, recorder, on_error),
    }
    .map_err(|e| unusable(&plan.device, e))?;
    stream.play().map_err(|e| unusable(&plan.device, e))?;
    Ok((stream, reader, plan))
}

/// The devices to try: the one of that name; with an empty name the default, then the hardware, since a default may not
/// work (ALSA always has one).
fn find(host: &Host, name: &str, direction: Direction) -> Result<Vec<Device>, DeviceError> {
    let default = match direction {
        Direction::Input => host.default_input_device(),
        Direction::Output => host.default_output_device(),
    };
    let all = || host.devices().map_err(DeviceError::NoList);
    if name.is_empty() {
        let serves = |d: &Device| if direction == Direction::Input { d.supports_input() } else { d.supports_output() };
        let hardware = all()?.filter(|d| serves(d) && d.id().is_ok_and(|id| id.id().starts_with("plughw:")));
        let devices: Vec<Device> = default.into_iter().chain(hardware).collect();
        return if devices.is_empty() { Err(DeviceError::NoDevice(direction)) } else { Ok(devices) };
    }
    let is_it = |device: &Device| {
        device.to_string() == name || device.id().is_ok_and(|id| id.id() == name || id.to_string() == name)
    };
    let found = default.filter(is_it).or(all()?.find(is_it));
    found.map(|device| vec![device]).ok_or_else(|| DeviceError::Unknown(name.to_owned()))
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
    mut player: OutputCallback,
    on_error: impl FnMut(cpal::Error) + Send + 'static,
) -> Result<Stream, cpal::Error> {
    let callback = move |data: &mut [T], info: &OutputCallbackInfo| {
        player.delay.note_output(info);
        player.play(data);
    };
    plan.device.build_output_stream(plan.config(), callback, on_error, None)
}

/// The input callback's state.
struct Recorder {
    writer: InputWriter,
    delay: Arc<DelayMeter>,
    /// Indices in a frame.
    picked: [usize; 2],
    channels: usize,
}

fn record<T: SizedSample>(
    plan: &StreamPlan,
    mut recorder: Recorder,
    on_error: impl FnMut(cpal::Error) + Send + 'static,
) -> Result<Stream, cpal::Error>
where
    f32: FromSample<T>,
{
    let callback = move |data: &[T], info: &InputCallbackInfo| {
        recorder.delay.note_input(info, data.len() / recorder.channels);
        for frame in data.chunks_exact(recorder.channels) {
            // Full: the output has stalled and has no use for old frames.
            let _ = recorder.writer.push(recorder.picked.map(|index| f32::from_sample(frame[index])));
        }
    };
    plan.device.build_input_stream(plan.config(), callback, on_error, None)
}

/// The output callback's state.
struct OutputCallback {
    audio: AudioThreadEnd,
    reader: Option<InputReader>,
    channels: usize,
    rate: u32,
    health: Arc<AudioHealth>,
    delay: Arc<DelayMeter>,
    calls: Arc<AtomicU64>,
    has_priority: bool,
    input: [Vec<f32>; 2],
    output: [Vec<f32>; 2],
}

impl OutputCallback {
    fn new(
        audio: AudioThreadEnd,
        reader: Option<InputReader>,
        plan: &StreamPlan,
        health: Arc<AudioHealth>,
        delay: Arc<DelayMeter>,
    ) -> OutputCallback {
        let buffers = || [vec![0.0; CHUNK], vec![0.0; CHUNK]];
        let (channels, rate) = (usize::from(plan.channels), plan.rate);
        let (input, output) = (buffers(), buffers());
        OutputCallback {
            audio,
            reader,
            channels,
            rate,
            health,
            delay,
            calls: Arc::default(),
            has_priority: false,
            input,
            output,
        }
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
        if let Some(reader) = &mut self.reader {
            self.delay.note_between(reader.waiting(), self.rate);
            if !reader.read(in_left, in_right) {
                self.health.add_xrun();
            }
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
