//! A connection of our own to the X server, beside the window library's: it tells whether the window is seen, and hands
//! keys back to the host that nobody here wants. X gives keys to the window under the pointer, also when the host has
//! the focus; without this, the space bar would not start the host's transport while the pointer is over the editor.

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
pub(super) struct Side {
    connection: RustConnection,
    window: u32,
    /// Who gets the keys; `None`: nobody.
    parent: Option<u32>,
    covered: bool,
    /// The keys that undo and redo are on, with the control key.
    undo_keys: Vec<u8>,
}

/// What desktops tell programs. `None` without a display.
pub(super) fn screen_scale() -> Option<f64> {
    let (connection, _) = x11rb::connect(None).ok()?;
    let resources = x11rb::resource_manager::new_from_default(&connection).ok()?;
    let dpi = resources.get_value::<u32>("Xft.dpi", "").ok().flatten().filter(|dpi| *dpi > 0);
    Some(dpi.map_or(1.0, |dpi| f64::from(dpi) / 96.0))
}

/// Marks a window as one to embed (XEmbed protocol 0.5: version 0, not mapped yet). VST3 demands it on X11, and some hosts
/// end when a window in theirs lacks it. Must be called before the window is mapped.
pub(super) fn mark_embeddable(window: u32) {
    let mark = || -> Result<(), Box<dyn Error>> {
        let (connection, _) = x11rb::connect(None)?;
        let info = connection.intern_atom(false, b"_XEMBED_INFO")?.reply()?.atom;
        // Such hosts look this atom up and expect that somebody has made it.
        connection.intern_atom(false, b"_XEMBED")?.reply()?;
        Ok(connection.change_property32(PropMode::REPLACE, window, info, info, &[0, 0])?.check()?)
    };
    // Hosts that do not ask for it are served without.
    let _ = mark();
}

impl Side {
    /// `None` where the display cannot be asked: then the window counts as seen, and keeps its keys.
    pub(super) fn new(window: u32, parent: Option<u32>) -> Option<Side> {
        let (connection, _) = x11rb::connect(None).ok()?;
        let events = EventMask::KEY_PRESS | EventMask::KEY_RELEASE | EventMask::VISIBILITY_CHANGE;
        let wanted = ChangeWindowAttributesAux::new().event_mask(events);
        connection.change_window_attributes(window, &wanted).ok()?.check().ok()?;
        let undo_keys = keys_of(&connection, &[u32::from(b'z'), u32::from(b'y')]).unwrap_or_default();
        Some(Side { connection, window, parent, covered: false, undo_keys })
    }

    /// Whether any of the window can be on the screen; `None`: it is gone, perhaps with its parent.
    pub(super) fn is_seen(&self) -> Option<bool> {
        let attributes = self.connection.get_window_attributes(self.window).ok()?.reply().ok()?;
        Some(!self.covered && attributes.map_state == MapState::VIEWABLE)
    }

    /// Until a time, sends keys on to the parent unless `keeps` says that somebody here wants them; it is told whether the
    /// key is one of undo or redo.
    ///
    /// # Errors
    /// The display is gone.
    pub(super) fn hand_back_keys(
        &mut self,
        until: Instant,
        keeps: impl Fn(bool) -> bool,
    ) -> Result<(), Box<dyn Error>> {
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
            // SAFETY: one `pollfd`, which lives longer than the call, of a socket that the connection holds open.
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
            // To whoever listens to keys from the parent on up.
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

/// The numbers of the keys that bear one of these symbols without shift. A keyboard that is changed later is not followed.
fn keys_of(connection: &RustConnection, symbols: &[u32]) -> Option<Vec<u8>> {
    let setup = connection.setup();
    let (first, last) = (setup.min_keycode, setup.max_keycode);
    let mapping = connection.get_keyboard_mapping(first, last - first + 1).ok()?.reply().ok()?;
    let keys = mapping.keysyms.chunks(usize::from(mapping.keysyms_per_keycode.max(1)));
    let bears = |key: &[u32]| key.first().is_some_and(|symbol| symbols.contains(symbol));
    Some((first..=last).zip(keys).filter(|(_, key)| bears(key)).map(|(number, _)| number).collect())
}
