//! How a device is opened: channels, sample rate, format and period.

use super::device_error::{DeviceError, Direction, unusable};
use cpal::traits::DeviceTrait;
use cpal::{
    BufferSize, Device, ErrorKind, SampleFormat, StreamConfig, SupportedBufferSize, SupportedStreamConfigRange,
};
use rtjam_ui::settings::{AudioChoices, InputChannels, PeriodChoice, RateChoice};

/// Sample rates to try, that of packets first.
const RATES: [u32; 5] = [48_000, 44_100, 96_000, 192_000, 32_000];

/// Periods to try, in frames; 0: the system's default.
const PERIODS: [u32; 4] = [64, 128, 256, 0];

/// What a stream should be like.
pub(super) struct Wanted {
    /// Hz, the best first.
    rates: Vec<u32>,
    /// Frames, the best first; 0: the system's default.
    periods: Vec<u32>,
    /// The most channels that are used.
    channels: u16,
}

impl Wanted {
    pub(super) fn of_output(choices: &AudioChoices) -> Wanted {
        let rates = if let RateChoice::Hz(rate) = choices.rate { vec![rate] } else { RATES.to_vec() };
        Wanted { rates, periods: periods(choices), channels: 2 }
    }

    pub(super) fn of_input(choices: &AudioChoices, rate: u32) -> Wanted {
        let InputChannels { left, right } = choices.channels;
        Wanted { rates: vec![rate], periods: periods(choices), channels: left.max(right).max(2).into() }
    }
}

fn periods(choices: &AudioChoices) -> Vec<u32> {
    if let PeriodChoice::Frames(period) = choices.period { vec![period] } else { PERIODS.to_vec() }
}

/// The parameters of a stream.
pub(super) struct StreamPlan {
    pub(super) device: Device,
    pub(super) channels: u16,
    /// How many channels the device can have.
    pub(super) channels_there: u16,
    pub(super) rate: u32,
    pub(super) format: SampleFormat,
    buffer: SupportedBufferSize,
    /// Frames; 0: the system's default.
    pub(super) period: u32,
}

impl StreamPlan {
    /// The plan for the first device that opens. If none opens, the error is that of the first.
    pub(super) fn first_working(
        devices: Vec<Device>,
        direction: Direction,
        wanted: &Wanted,
    ) -> Result<StreamPlan, DeviceError> {
        let mut first = None;
        for device in devices {
            match StreamPlan::new(device, direction, wanted).and_then(|plan| plan.with_period(direction, wanted)) {
                Ok(plan) => return Ok(plan),
                Err(e) => first = first.or(Some(e)),
            }
        }
        Err(first.unwrap_or(DeviceError::NoDevice(direction)))
    }

    /// As many channels of floats as are wanted, at the first rate that the device supports, else the nearest to that.
    fn new(device: Device, direction: Direction, wanted: &Wanted) -> Result<StreamPlan, DeviceError> {
        let ranges: Vec<SupportedStreamConfigRange> = match direction {
            Direction::Input => device.supported_input_configs().map_err(|e| unusable(&device, e))?.collect(),
            Direction::Output => device.supported_output_configs().map_err(|e| unusable(&device, e))?.collect(),
        };
        let best = wanted.rates.iter().find_map(|rate| {
            let fitting = ranges.iter().filter(|r| r.channels() > 0 && r.contains_rate(*rate));
            let ranked = fitting.filter_map(|r| Some((rank(r.channels(), wanted.channels, r.sample_format())?, r)));
            ranked.min_by_key(|(rank, _)| *rank).map(|(_, r)| (*rate, r))
        });
        let Some((rate, range)) = best else {
            let rate = if let [only] = wanted.rates.as_slice() { Some(*only) } else { None };
            return Err(DeviceError::NoRate { device: device.to_string(), rate });
        };
        let (channels, format, buffer) = (range.channels(), range.sample_format(), *range.buffer_size());
        let channels_there = ranges.iter().map(SupportedStreamConfigRange::channels).max().unwrap_or(channels);
        Ok(StreamPlan { device, channels, channels_there, rate, format, buffer, period: 0 })
    }

    /// The indices of the chosen channels in a frame. A device with one channel serves the default choice with that.
    pub(super) fn pick(&self, chosen: InputChannels) -> Result<[usize; 2], DeviceError> {
        let InputChannels { left, right } = chosen;
        let missing = [left, right].into_iter().find(|channel| u16::from(*channel) > self.channels);
        match missing {
            None => Ok([left, right].map(|channel| usize::from(channel) - 1)),
            Some(_) if chosen == InputChannels::default() => Ok([0; 2]),
            Some(channel) => {
                Err(DeviceError::NoChannel { device: self.device.to_string(), channel, channels: self.channels })
            }
        }
    }

    /// Chooses the first period with which a stream opens. The trial streams carry no audio, since the audio thread's end can
    /// move into one stream only.
    fn with_period(mut self, direction: Direction, wanted: &Wanted) -> Result<StreamPlan, DeviceError> {
        let mut why = None;
        let buffer = self.buffer;
        for period in wanted.periods.iter().copied().filter(|p| allows(&buffer, *p)) {
            self.period = period;
            let (config, format) = (self.config(), self.format);
            let trial = match direction {
                Direction::Input => self.device.build_input_stream_raw(config, format, |_, _| {}, |_| {}, None),
                Direction::Output => self.device.build_output_stream_raw(config, format, |_, _| {}, |_| {}, None),
            };
            match trial {
                Ok(_) => return Ok(self),
                Err(e) => why = Some(e),
            }
        }
        let chosen = if let [only] = wanted.periods.as_slice() { Some(*only) } else { None };
        Err(match why {
            // The error of the system's default period is the last one.
            Some(why) if chosen.is_none() || why.kind() != ErrorKind::UnsupportedConfig => unusable(&self.device, why),
            _ => DeviceError::NoPeriod { device: self.device.to_string(), period: chosen },
        })
    }

    pub(super) fn config(&self) -> StreamConfig {
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
fn rank(channels: u16, wanted: u16, format: SampleFormat) -> Option<(bool, u8, u16)> {
    let format = match format {
        SampleFormat::F32 => 0,
        SampleFormat::I32 => 1,
        SampleFormat::I16 => 2,
        _ => return None,
    };
    let has_too_few = channels < wanted;
    Some((has_too_few, format, if has_too_few { u16::MAX - channels } else { channels }))
}
