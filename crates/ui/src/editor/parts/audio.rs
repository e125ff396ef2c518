//! The audio page of the program, in the place of the strips: devices, channels, sample rate, period, and a test tone. The
//! user's own strip beside it shows what comes in.

use crate::audio::{AudioAction, AudioState};
use crate::editor::hand::Hand;
use crate::editor::measure::{CONTROL, Cut};
use crate::editor::state::EditorState;
use crate::editor::theme::{self, ROUND, SMALL, TITLE, UNIT};
use crate::editor::widgets::{self, ButtonLook};
use crate::messages::MessageKey;
use crate::settings::{AudioChoices, BackendChoice, InputChannels, PeriodChoice, RateChoice};
use egui::{Align2, Id, Rect, Stroke, StrokeKind, Ui, vec2};

/// Largest size of the page.
const CARD: [f32; 2] = [150.0 * UNIT, 50.0 * UNIT];
/// Height of a choice with its title.
const CHOICE: f32 = 11.0 * UNIT;
/// Sample rates to choose from, in Hz.
const RATES: [u32; 4] = [44_100, 48_000, 96_000, 192_000];
/// Periods to choose from, in frames.
const PERIODS: [u32; 7] = [16, 32, 64, 128, 256, 512, 1024];
/// The most input channels that are listed.
const CHANNELS: u16 = 16;

pub(in crate::editor) fn audio(ui: &mut Ui, rect: Rect, state: &mut EditorState, hand: &Hand<'_>, audio: &AudioState) {
    if !std::mem::replace(&mut state.devices_are_listed, true) {
        hand.ask_audio(AudioAction::ListDevices);
    }
    let palette = theme::of(ui);
    let card = Rect::from_center_size(rect.center(), rect.size().min(CARD.into()));
    ui.painter().rect_filled(card, ROUND, palette.panel);
    ui.painter().rect_stroke(card, ROUND, Stroke::new(1.0, palette.accent), StrokeKind::Inside);
    let mut rest = Cut(card.shrink(1.5 * UNIT));
    let mut head = Cut(rest.top(6.0 * UNIT));
    let done = head.right(20.0 * UNIT);
    widgets::label(ui, head.0, Align2::LEFT_CENTER, TITLE, palette.text, hand.text(MessageKey::Audio));
    rest.top(UNIT / 2.0);
    let rows = [rest.top(CHOICE), rest.top(UNIT / 2.0), rest.top(CHOICE)];
    if let Some(choices) = choose(ui, [rows[0], rows[2]], hand, audio) {
        hand.ask_audio(AudioAction::Choose(choices));
    }
    rest.top(UNIT);
    tone(ui, rest.top(CONTROL), hand, audio);
    if audio.running.is_some() && rest.0.height() >= 5.0 * UNIT {
        let advice = hand.text(MessageKey::AudioAdvice);
        widgets::label(ui, rest.top(5.0 * UNIT), Align2::LEFT_BOTTOM, SMALL, palette.muted, advice);
    }
    let (text, name) = (hand.text(MessageKey::AudioDone), hand.text(MessageKey::AudioDoneHint));
    if widgets::button(ui, done, Id::unique("audio done"), ButtonLook::Primary, text, name).clicked() {
        (state.audio_is_open, state.devices_are_listed) = (false, false);
        hand.ask_audio(AudioAction::Done);
    }
}

/// The choices, in two rows of three. Returns them if one was changed.
fn choose(ui: &mut Ui, [above, below]: [Rect; 2], hand: &Hand<'_>, audio: &AudioState) -> Option<AudioChoices> {
    let now = &audio.choices;
    let by_jack = audio.running.as_ref().is_some_and(|running| running.by_jack);
    let [system, input, channels] = thirds(above);
    let [rate, output, period] = thirds(below);
    let mut next = None;
    if let Some(backend) = systems(ui, system, hand, audio) {
        next = Some(AudioChoices { backend, ..now.clone() });
    }
    if let Some(channels) = input_channels(ui, channels, hand, audio) {
        next = Some(AudioChoices { channels, ..now.clone() });
    }
    if by_jack {
        // JACK has its own settings for these.
        for (place, id, title) in [
            (input, "Input", MessageKey::InputDevice),
            (rate, "Rate", MessageKey::SampleRate),
            (output, "Output", MessageKey::OutputDevice),
            (period, "Period", MessageKey::Period),
        ] {
            let all = [((), hand.text(MessageKey::DecidedByJack).to_owned())];
            ui.add_enabled_ui(false, |ui| widgets::choice(ui, place, id, hand.text(title), &(), &all));
        }
        return next;
    }
    if let Some(input) = devices(ui, input, "Input", MessageKey::InputDevice, hand, audio) {
        next = Some(AudioChoices { input, ..now.clone() });
    }
    if let Some(rate) = rates(ui, rate, hand, now.rate) {
        next = Some(AudioChoices { rate, ..now.clone() });
    }
    if let Some(output) = devices(ui, output, "Output", MessageKey::OutputDevice, hand, audio) {
        next = Some(AudioChoices { output, ..now.clone() });
    }
    if let Some(period) = periods(ui, period, hand, now.period) {
        next = Some(AudioChoices { period, ..now.clone() });
    }
    next
}

/// The middle one is wide: devices have long names.
fn thirds(row: Rect) -> [Rect; 3] {
    let side = (row.width() * 0.27).round();
    let mut rest = Cut(row);
    let (left, _, right, _) = (rest.left(side), rest.left(UNIT), rest.right(side), rest.right(UNIT));
    [left, rest.0, right]
}

fn systems(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, audio: &AudioState) -> Option<BackendChoice> {
    let all = [
        (BackendChoice::Auto, hand.text(MessageKey::Auto).to_owned()),
        (BackendChoice::Jack, "JACK".to_owned()),
        (BackendChoice::Cpal, audio.system.clone()),
        (BackendChoice::Dummy, hand.text(MessageKey::AudioDummy).to_owned()),
    ];
    widgets::choice(ui, rect, "System", hand.text(MessageKey::AudioSystem), &audio.choices.backend, &all)
}

/// The devices of one direction, by their names in the settings. The last entry looks for devices again.
fn devices(
    ui: &mut Ui,
    rect: Rect,
    id: &str,
    title: MessageKey,
    hand: &Hand<'_>,
    audio: &AudioState,
) -> Option<String> {
    let is_input = title == MessageKey::InputDevice;
    let now = if is_input { &audio.choices.input } else { &audio.choices.output };
    let fits = audio.devices.iter().flat_map(|devices| devices.iter());
    let fits = fits.filter(|device| if is_input { device.is_input } else { device.is_output });
    let mut all = vec![(Some(String::new()), hand.text(MessageKey::DefaultDevice).to_owned())];
    all.extend(fits.map(|device| (Some(device.id.clone()), device.name.clone())));
    let now = Some(now.clone());
    if let Some(name) = now.clone().filter(|_| !all.iter().any(|(id, _)| *id == now)) {
        all.push((now.clone(), name));
    }
    all.push((None, hand.text(MessageKey::FindDevices).to_owned()));
    let chosen = widgets::choice(ui, rect, id, hand.text(title), &now, &all)?;
    if chosen.is_none() {
        hand.ask_audio(AudioAction::ListDevices);
    }
    chosen
}

/// Pairs and single channels, as many as the device has.
fn input_channels(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, audio: &AudioState) -> Option<InputChannels> {
    let now = audio.choices.channels;
    let there = audio.running.as_ref().map_or(0, |running| running.devices.input_channels);
    let mut all: Vec<InputChannels> = offered_channels(there);
    if !all.contains(&now) {
        all.push(now);
    }
    let text = |channels: &InputChannels| {
        let InputChannels { left, right } = channels;
        if left == right {
            hand.fill(MessageKey::SingleChannel, &[("channel", left)])
        } else {
            hand.fill(MessageKey::ChannelPair, &[("left", left), ("right", right)])
        }
    };
    let all: Vec<_> = all.iter().map(|channels| (*channels, text(channels))).collect();
    let (title, hint) = (hand.text(MessageKey::InputChannels), hand.text(MessageKey::InputChannelsHint));
    widgets::titled_choice(ui, rect, "Input channels", title, hint, &now, &all)
}

/// The choices for a device with `there` channels; 0: unknown.
fn offered_channels(there: u16) -> Vec<InputChannels> {
    let most = if there == 0 { 2 } else { there.min(CHANNELS) } as u8;
    let pairs = (1..most).step_by(2).map(|left| InputChannels { left, right: left + 1 });
    pairs.chain((1..=most).map(InputChannels::single)).collect()
}

fn rates(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, now: RateChoice) -> Option<RateChoice> {
    let set = if let RateChoice::Hz(hz) = now { Some(hz) } else { None };
    let mut all = vec![(RateChoice::Auto, hand.text(MessageKey::Auto).to_owned())];
    all.extend(widgets::with_set(&RATES, set).into_iter().map(|hz| (RateChoice::Hz(hz), format!("{hz} Hz"))));
    widgets::choice(ui, rect, "Rate", hand.text(MessageKey::SampleRate), &now, &all)
}

fn periods(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, now: PeriodChoice) -> Option<PeriodChoice> {
    let set = if let PeriodChoice::Frames(frames) = now { Some(frames) } else { None };
    let mut all = vec![(PeriodChoice::Auto, hand.text(MessageKey::Auto).to_owned())];
    let text = |frames: u32| hand.fill(MessageKey::Frames, &[("frames", &frames)]);
    all.extend(widgets::with_set(&PERIODS, set).into_iter().map(|frames| (PeriodChoice::Frames(frames), text(frames))));
    let (title, hint) = (hand.text(MessageKey::Period), hand.text(MessageKey::PeriodHint));
    widgets::titled_choice(ui, rect, "Period", title, hint, &now, &all)
}

/// The button of the test tone; beside it what runs, and its delay.
fn tone(ui: &mut Ui, rect: Rect, hand: &Hand<'_>, audio: &AudioState) {
    let palette = theme::of(ui);
    let mut rest = Cut(rect);
    let place = rest.left((rect.width() * 0.27).round());
    rest.left(2.0 * UNIT);
    let (look, text) = if audio.tone {
        (ButtonLook::On([palette.accent, palette.on_accent]), MessageKey::StopTone)
    } else {
        (ButtonLook::Plain, MessageKey::TestTone)
    };
    let (text, name) = (hand.text(text), hand.text(MessageKey::TestToneHint));
    let button = ui.add_enabled_ui(audio.running.is_some(), |ui| {
        widgets::button(ui, place, Id::unique("test tone"), look, text, name)
    });
    if button.inner.clicked() {
        hand.ask_audio(AudioAction::ToggleTone);
    }
    let lines = match &audio.running {
        None => [hand.text(MessageKey::AudioStopped).to_owned(), String::new()],
        Some(running) => {
            let (device, rate, frames) = (&running.devices.output, running.rate, running.period);
            let delay = match running.delay {
                None => hand.text(MessageKey::DeviceDelayUnknown).to_owned(),
                Some(delay) => {
                    let ms = [delay.total_ms(), delay.input_ms, delay.output_ms].map(|ms| format!("{ms:.1}"));
                    hand.fill(MessageKey::WholeDeviceDelay, &[("total", &ms[0]), ("input", &ms[1]), ("output", &ms[2])])
                }
            };
            [hand.fill(MessageKey::AudioRuns, &[("device", device), ("rate", &rate), ("frames", &frames)]), delay]
        }
    };
    let half = vec2(0.0, rest.0.height() / 2.0);
    let upper = Rect::from_min_max(rest.0.min, rest.0.max - half);
    for (place, line) in [upper, upper.translate(half)].into_iter().zip(&lines) {
        widgets::label(ui, place, Align2::LEFT_CENTER, SMALL, palette.text, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_pairs_then_singles() {
        let texts = |there| offered_channels(there).iter().map(crate::settings::SettingValue::text).collect::<Vec<_>>();
        assert_eq!(texts(0), ["1,2", "1", "2"]);
        assert_eq!(texts(1), ["1"]);
        assert_eq!(texts(4), ["1,2", "3,4", "1", "2", "3", "4"]);
        assert_eq!(texts(64).len(), 24);
    }
}
