//! Resampling between the host's rate and the wire's 48 kHz.
//!
//! At 48 kHz there is no resampler, and sound is bit-exact. At any other rate a windowed sinc of 64 taps (at the lower rate)
//! works in either direction: 0.67 ms of delay at 48 kHz and above, flat to 19 kHz at 44.1 kHz, images and aliases below
//! −90 dB. Both directions take any block length, and hold back nothing but the filter's own half length.

use rtjam_protocol::audio::WIRE_RATE;
use rubato::audioadapter_buffers::direct::SequentialSlice;
use rubato::{
    Async, FixedAsync, Indexing, Resampler, Resizable, SincInterpolationParameters, SincInterpolationType,
    WindowFunction,
};

/// The host rates that can be played, in Hz.
pub(crate) const HOST_RATES: core::ops::RangeInclusive<u32> = 8_000..=192_000;

/// The most frames processed at once on either side of the resamplers: bounds every scratch buffer.
pub(crate) const PIECE: usize = 512;

/// Taps at the lower of the two rates.
const TAPS: usize = 64;
/// Rows of the filter table, between which weights are interpolated cubically.
const ROWS: usize = 128;

/// Host frames to process at once, so that neither side exceeds [`PIECE`] frames.
///
/// The output side needs up to one filter length more on its first call.
pub(crate) fn host_piece(rate: u32) -> usize {
    let wire_half = PIECE / 2;
    let frames = wire_half * rate as usize / WIRE_RATE as usize;
    frames.clamp(1, wire_half)
}

/// Resamples some channels in one direction, in scratch buffers. The constructors allocate.
pub(crate) struct WireResampler {
    resampler: Async<f32>,
    indexing: Indexing,
    channels: usize,
    input: Box<[f32]>,
    output: Box<[f32]>,
}

impl WireResampler {
    /// Resamples the input to 48 kHz: two channels. `None` at 48 kHz (nothing to do) and at rates that cannot be played.
    pub(crate) fn to_wire(host_rate: u32) -> Option<WireResampler> {
        WireResampler::new(host_rate, WIRE_RATE, 2, FixedAsync::Input)
    }

    /// Resamples 48 kHz to the outputs: channels 0 and 1 are the room, then two per slot, which need
    /// [`WireResampler::use_channel`]. `None` like [`WireResampler::to_wire`].
    pub(crate) fn from_wire(host_rate: u32, channels: usize) -> Option<WireResampler> {
        let mut new = WireResampler::new(WIRE_RATE, host_rate, channels, FixedAsync::Output)?;
        (2..channels).for_each(|channel| new.set_used(channel, false));
        Some(new)
    }

    fn new(from: u32, to: u32, channels: usize, fixed: FixedAsync) -> Option<WireResampler> {
        if from == to || ![from, to].iter().all(|rate| HOST_RATES.contains(rate)) {
            return None;
        }
        let ratio = f64::from(to) / f64::from(from);
        // The filter guards against aliases, so it must be as long in time as at the lower rate.
        let taps = (TAPS as f64 * (1.0 / ratio).max(1.0)).ceil() as usize;
        let parameters = SincInterpolationParameters::new(taps, WindowFunction::BlackmanHarris)
            .oversampling_factor(ROWS)
            .interpolation(SincInterpolationType::Cubic);
        let resampler = Async::new_sinc(ratio, 1.0, &parameters, PIECE, channels, fixed).ok()?;
        let (longest_in, longest_out) = (resampler.input_frames_max(), resampler.output_frames_max());
        Some(WireResampler {
            indexing: Indexing::new().active_channels_mask(vec![true; channels]),
            channels,
            input: vec![0.0; longest_in.max(PIECE) * channels].into(),
            output: vec![0.0; longest_out.max(PIECE) * channels].into(),
            resampler,
        })
    }

    /// Resamples this channel from now on, so that its filter always has its own history.
    pub(crate) fn use_channel(&mut self, channel: usize) {
        self.set_used(channel, true);
    }

    fn set_used(&mut self, channel: usize, used: bool) {
        if let Some(mask) = self.indexing.active_channels_mask.as_mut() {
            mask[channel] = used;
        }
    }

    /// A channel's buffer for the next piece: up to [`host_piece`] frames of the host, or as many as
    /// [`WireResampler::needs`] says.
    pub(crate) fn input(&mut self, channel: usize) -> &mut [f32] {
        let stride = self.input.len() / self.channels;
        &mut self.input[channel * stride..][..stride]
    }

    /// A channel of the last piece.
    pub(crate) fn output(&self, channel: usize) -> &[f32] {
        let stride = self.output.len() / self.channels;
        &self.output[channel * stride..][..stride]
    }

    /// To 48 kHz: resamples the first `frames` frames of both input buffers. Returns all that they make.
    pub(crate) fn run_input(&mut self, frames: usize) -> [&[f32]; 2] {
        let made = self.resampler.set_chunk_size(frames).map_or(0, |()| self.run());
        [&self.output(0)[..made], &self.output(1)[..made]]
    }

    /// From 48 kHz: how many frames the next `frames` host frames need.
    pub(crate) fn needs(&mut self, frames: usize) -> usize {
        self.resampler.set_chunk_size(frames).map_or(0, |()| self.resampler.input_frames_next())
    }

    /// Resamples the input buffers. Returns the number of frames made.
    pub(crate) fn run(&mut self) -> usize {
        let (in_stride, out_stride) = (self.input.len() / self.channels, self.output.len() / self.channels);
        let Ok(input) = SequentialSlice::new(&self.input, self.channels, in_stride) else { return 0 };
        let Ok(mut output) = SequentialSlice::new_mut(&mut self.output, self.channels, out_stride) else { return 0 };
        self.resampler.process_into_buffer(&input, &mut output, Some(&self.indexing)).map_or(0, |(_, made)| made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At every rate, pieces of any length stay within the scratch buffers.
    #[test]
    fn pieces_bound_both_sides() {
        for rate in [8_000, 11_025, 22_050, 44_100, 88_200, 96_000, 176_400, 192_000] {
            let most = host_piece(rate);
            let (mut to, mut from) =
                (WireResampler::to_wire(rate).unwrap(), WireResampler::from_wire(rate, 2).unwrap());
            for frames in [most, 1, most / 2, most, most] {
                assert!(frames <= PIECE);
                assert!(to.run_input(frames)[0].len() <= PIECE, "{rate} {frames}");
                let needed = from.needs(frames);
                assert!(needed <= PIECE, "{rate} {frames}: {needed}");
                from.run();
            }
        }
    }

    /// Frame by frame, a second becomes a second.
    #[test]
    fn single_frames_match_the_ratio() {
        let mut to = WireResampler::to_wire(44_100).unwrap();
        let made: usize = (0..44_100).map(|_| to.run_input(1)[0].len()).sum();
        assert!((47_990..=48_000).contains(&made), "{made}");
        let mut from = WireResampler::from_wire(44_100, 2).unwrap();
        let mut eaten = 0;
        for _ in 0..44_100 {
            eaten += from.needs(1);
            from.run();
        }
        assert!((48_000..=48_010).contains(&eaten), "{eaten}");
    }

    /// At 48 kHz, and at impossible rates, there is no resampler.
    #[test]
    fn no_resampler_at_48_khz() {
        assert!(WireResampler::to_wire(48_000).is_none() && WireResampler::from_wire(48_000, 26).is_none());
        assert!(WireResampler::to_wire(400_000).is_none() && WireResampler::from_wire(7_000, 26).is_none());
    }
}
