//! Positions of the editor's controls: a frame is laid out without a screen and queried.

use crate::stage::Stage;
use egui::{Id, Pos2, RawInput, Rect, vec2};
use rtjam_ui::audio::AudioState;
use rtjam_ui::editor::Editor;
use rtjam_ui::editor::scene::Watcher;
use rtjam_ui::editor_model::Kind;
use std::time::Duration;

/// A control's rectangle in a window of `size` logical pixels with this many musicians.
///
/// # Panics
/// There is no such control.
pub fn place(control: Id, size: (u32, u32), musicians: usize) -> Rect {
    place_in(control, size, &Stage::of(Kind::Plugin, musicians, false))
}

/// A control's rectangle on the program's audio page, in a window of `size` logical pixels.
///
/// # Panics
/// There is no such control.
pub fn place_on_audio_page(control: Id, size: (u32, u32)) -> Rect {
    let stage = Stage::of(Kind::Standalone, 0, false);
    stage.set_audio(AudioState { is_due: true, ..AudioState::default() });
    place_in(control, size, &stage)
}

fn place_in(control: Id, size: (u32, u32), stage: &Stage) -> Rect {
    let ctx = egui::Context::default();
    let (mut editor, mut watcher) = (Editor::new(Box::new(|| None)), Watcher::default());
    let window = Rect::from_min_size(Pos2::ZERO, vec2(size.0 as f32, size.1 as f32));
    for frame in 1..=2 {
        let scene = watcher.look(stage, Duration::from_millis(33) * frame);
        let input = RawInput { screen_rect: Some(window), ..RawInput::default() };
        ctx.run_ui(input, |ui| editor.show(ui, stage, &scene)).textures_delta.clear();
    }
    ctx.read_response(control).unwrap_or_else(|| panic!("no control {control:?}")).rect
}
