//! What another program copied.

use copypasta::{ClipboardContext, ClipboardProvider};

/// A reader of the clipboard; it begins when it is first asked.
pub(super) fn reader() -> crate::editor::Clipboard {
    let mut context: Option<ClipboardContext> = None;
    Box::new(move || {
        if context.is_none() {
            context = ClipboardContext::new().ok();
        }
        context.as_mut()?.get_contents().ok()
    })
}
