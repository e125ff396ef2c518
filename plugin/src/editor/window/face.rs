//! The window's thread: draws the scene that [`super::watch`] took last.

use super::clipboard;
use super::watch::{Shared, Watch, Window};
use crate::board::{Board, Change};
use crate::editor::{Editor, measure, parts};
use baseview::WindowSize;
use egui_baseview::{App, Frame};
use raw_window_handle::{HasWindowHandle, RawWindowHandle};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Draws, until something in it panics: then it is a still red line for the rest of its days.
pub(super) struct Face {
    board: Arc<dyn Board>,
    shared: Arc<Shared>,
    editor: Editor,
    parent: Option<RawWindowHandle>,
    /// Runs while the window is there.
    watch: Option<Watch>,
}

// SAFETY: `RawWindowHandle` is a number or a pointer that is only compared and handed on, never followed here; all
// else in it is `Send` (which the compiler checks in `only_the_handle_is_not_send`).
unsafe impl Send for Face {}

/// What the above rests on.
const fn only_the_handle_is_not_send() {
    const fn is_send<T: Send>() {}
    is_send::<(Arc<dyn Board>, Arc<Shared>, Editor, Option<Watch>)>();
}
const _: () = only_the_handle_is_not_send();

impl Face {
    pub(super) fn new(board: Arc<dyn Board>, shared: Arc<Shared>, parent: Option<RawWindowHandle>) -> Face {
        Face { board, shared, editor: Editor::new(clipboard::reader()), parent, watch: None }
    }

    /// One frame, whatever happens in it.
    fn draw(&mut self, ui: &mut egui::Ui) {
        if !self.shared.has_failed() {
            let Face { board, shared, editor, .. } = self;
            let drawn = catch_unwind(AssertUnwindSafe(|| {
                if let Some(scene) = shared.scene() {
                    editor.show(ui, board.as_ref(), &scene);
                }
            }));
            if drawn.is_err() {
                self.shared.fail();
            }
        }
        if self.shared.has_failed() {
            parts::fault(ui);
        }
    }
}

impl App for Face {
    fn build(&mut self, ctx: egui::Context, frame: &mut Frame) -> Result<(), baseview::HandlerError> {
        #[cfg(target_os = "linux")]
        super::libraries::keep();
        let window = frame.baseview_window();
        let handle = window.window_handle().ok().map(|handle| handle.as_raw());
        if let Some(zoom) = self.shared.zoom(window.scale_factor()) {
            ctx.set_zoom_factor(zoom);
        }
        self.shared.attach(ctx);
        let window = Window::new(handle, self.parent);
        self.watch = Some(Watch::start(Arc::clone(&self.board), Arc::clone(&self.shared), window)?);
        Ok(())
    }

    fn ui(&mut self, ui: &mut egui::Ui, frame: &mut Frame) {
        let ctx = ui.ctx().clone();
        if self.shared.is_closing() {
            frame.baseview_window().request_close();
        }
        if let Some(zoom) = self.shared.zoom(frame.baseview_window().scale_factor())
            && zoom != ctx.zoom_factor()
        {
            ctx.set_zoom_factor(zoom);
        }
        self.draw(ui);
        self.shared.drawn(ctx.egui_wants_keyboard_input());
    }

    fn resized(&mut self, size: WindowSize) {
        let whole = |pixels: f64| pixels.round().clamp(1.0, 1e5) as u32;
        let (width, height) = measure::tidy_size((whole(size.logical.width), whole(size.logical.height)));
        self.board.change(Change::Window(width, height));
    }
}
