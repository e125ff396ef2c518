//! A second connection to the X server beside the window library's: it knows whether the window is visible, and returns
//! keys to the host that the editor does not need. X sends keys to the window under the pointer even if the host has the
//! focus; without this, the space bar would not start the host's transport while the pointer is over the editor.

use std::error::Error;
use std::os::fd::AsRawFd;
use std::time::Instant;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    ChangeWindowAttributesAux, ConnectionExt as _, EventMask, KeyButMask, KeyPressEvent, MapState, PropMode, Visibility,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

/// See the module.
pub(crate) struct SideConnection {
    connection: RustConnection,
    window: u32,
    /// The window that gets the keys, if any.
    parent: Option<u32>,
    covered: bool,
    /// Key codes of undo and redo, together with the control key.
    undo_keys: Vec<u8>,
}

/// The desktop's scale (`Xft.dpi` over 96). `None` without a display.
pub(crate) fn screen_scale() -> Option<f64> {
    let (connection, _) = x11rb::connect(None).ok()?;
    let resources = x11rb::resource_manager::new_from_default(&connection).ok()?;
    let dpi = resources.get_value::<u32>("Xft.dpi", "").ok().flatten().filter(|dpi| *dpi > 0);
    Some(dpi.map_or(1.0, |dpi| f64::from(dpi) / 96.0))
}

/// Marks a window as embeddable (XEmbed protocol 0.5: version 0, not mapped yet). VST3 requires it on X11, and some hosts
/// crash without it. Must be called before the window is mapped.
pub(crate) fn mark_embeddable(window: u32) {
    let mark = || -> Result<(), Box<dyn Error>> {
        let (connection, _) = x11rb::connect(None)?;
        let info = connection.intern_atom(false, b"_XEMBED_INFO")?.reply()?.atom;
        // Such hosts look this atom up and expect it to exist.
        connection.intern_atom(false, b"_XEMBED")?.reply()?;
        Ok(connection.change_property32(PropMode::REPLACE, window, info, info, &[0, 0])?.check()?)
    };
    // Other hosts do not need it.
    let _ = mark();
}

impl SideConnection {
    /// `None` if the display cannot be queried: the window then counts as visible and keeps its keys.
    pub(crate) fn new(window: u32, parent: Option<u32>) -> Option<SideConnection> {
        let (connection, _) = x11rb::connect(None).ok()?;
        let events = EventMask::KEY_PRESS | EventMask::KEY_RELEASE | EventMask::VISIBILITY_CHANGE;
        let wanted = ChangeWindowAttributesAux::new().event_mask(events);
        connection.change_window_attributes(window, &wanted).ok()?.check().ok()?;
        let undo_keys = keys_of(&connection, &[u32::from(b'z'), u32::from(b'y')]).unwrap_or_default();
        Some(SideConnection { connection, window, parent, covered: false, undo_keys })
    }

    /// Whether any part of the window may be visible; `None` if it is gone, perhaps with its parent.
    pub(crate) fn is_visible(&self) -> Option<bool> {
        let attributes = self.connection.get_window_attributes(self.window).ok()?.reply().ok()?;
        Some(!self.covered && attributes.map_state == MapState::VIEWABLE)
    }

    /// Until that time, passes keys to the parent unless `keeps` says that the editor needs them. `keeps` is told whether
    /// the key is one of undo and redo.
    ///
    /// # Errors
    /// The display is gone.
    pub(crate) fn return_keys(&mut self, until: Instant, keeps: impl Fn(bool) -> bool) -> Result<(), Box<dyn Error>> {
        loop {
            while let Some(event) = self.connection.poll_for_event()? {
                match event {
                    Event::KeyPress(key) if !keeps(self.is_undo(key)) => self.send_on(key, EventMask::KEY_PRESS)?,
                    Event::KeyRelease(key) if !keeps(self.is_undo(key)) => self.send_on(key, EventMask::KEY_RELEASE)?,
                    Event::VisibilityNotify(seen) => self.covered = seen.state == Visibility::FULLY_OBSCURED,
                    _ => {}
                }
            }
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return Ok(());
            };
            let mut wait = libc::pollfd { fd: self.connection.stream().as_raw_fd(), events: libc::POLLIN, revents: 0 };
            let ms = i32::try_from(left.as_millis()).unwrap_or(i32::MAX).max(1);
            // SAFETY: one `pollfd` that outlives the call, with a socket that the connection keeps open.
            unsafe { libc::poll(&raw mut wait, 1, ms) };
            if wait.revents & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) != 0 {
                return Err("the display hung up".into());
            }
        }
    }

    fn is_undo(&self, key: KeyPressEvent) -> bool {
        key.state.contains(KeyButMask::CONTROL) && self.undo_keys.contains(&key.detail)
    }

    fn send_on(&self, key: KeyPressEvent, mask: EventMask) -> Result<(), Box<dyn Error>> {
        if let Some(parent) = self.parent {
            // To every listener from the parent upwards.
            self.connection.send_event(
                true,
                parent,
                mask,
                KeyPressEvent { event: parent, child: self.window, ..key },
            )?;
            self.connection.flush()?;
        }
        Ok(())
    }
}

/// Key codes of these symbols without shift. Later changes of the keyboard layout are not followed.
fn keys_of(connection: &RustConnection, symbols: &[u32]) -> Option<Vec<u8>> {
    let setup = connection.setup();
    let (first, last) = (setup.min_keycode, setup.max_keycode);
    let mapping = connection.get_keyboard_mapping(first, last - first + 1).ok()?.reply().ok()?;
    let keys = mapping.keysyms.chunks(usize::from(mapping.keysyms_per_keycode.max(1)));
    let bears = |key: &[u32]| key.first().is_some_and(|symbol| symbols.contains(symbol));
    Some((first..=last).zip(keys).filter(|(_, key)| bears(key)).map(|(number, _)| number).collect())
}
