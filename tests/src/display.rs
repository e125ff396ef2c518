//! A virtual screen (Xvfb), with the actions of a window manager, a plugin host and a musician.

use crate::child::Child;
use crate::wait;
use std::process::Command;
use std::time::Duration;
use x11rb::connection::Connection;
use x11rb::protocol::Event;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConnectionExt as _, CreateWindowAux, EventMask, ImageFormat, InputFocus, MapState,
    PropMode, WindowClass,
};
use x11rb::rust_connection::RustConnection;
use x11rb::wrapper::ConnectionExt as _;

/// Time limit for a window to appear.
pub const UP: Duration = Duration::from_secs(20);

/// A running Xvfb.
pub struct Display {
    /// `None` if the display was already there.
    _server: Option<Child>,
    /// Name, such as `:7`.
    pub name: String,
    connection: RustConnection,
    root: u32,
}

impl Display {
    /// Starts Xvfb with one screen; `scale` is the scale that desktops announce by `Xft.dpi`.
    ///
    /// # Panics
    /// If Xvfb is not installed.
    pub fn start(scale: u32) -> Display {
        let mut command = Command::new("Xvfb");
        // Keep the server's properties when the last window closes.
        command.args(["-displayfd", "1", "-noreset", "-nolisten", "tcp", "-screen", "0", "1900x1200x24"]);
        let mut server = Child::start(&mut command, None);
        let number = server.wait_out("a display's number", UP, |line| line.trim().parse::<u32>().ok());
        let display = Display::connect(format!(":{number}"), Some(server));
        let (connection, root) = (&display.connection, display.root);
        if scale > 1 {
            let text = format!("Xft.dpi:\t{}\n", 96 * scale);
            let property = AtomEnum::RESOURCE_MANAGER;
            let changed =
                connection.change_property8(PropMode::REPLACE, root, property, AtomEnum::STRING, text.as_bytes());
            changed.expect("sent").check().expect("set");
        }
        display
    }

    /// The display of this process.
    ///
    /// # Panics
    /// If there is none.
    pub fn ours() -> Display {
        Display::connect(std::env::var("DISPLAY").expect("a display"), None)
    }

    fn connect(name: String, server: Option<Child>) -> Display {
        let (connection, screen) = x11rb::connect(Some(&name)).expect("the display can be opened");
        let root = connection.setup().roots[screen].root;
        Display { _server: server, name, connection, root }
    }

    /// Makes a program use this display.
    pub fn set_for(&self, command: &mut Command) {
        command.env("DISPLAY", &self.name).env_remove("WAYLAND_DISPLAY");
    }

    /// Waits until the window with this title is on the screen, and returns it.
    pub fn window(&self, title: &str) -> u32 {
        wait::until("a window", UP, || self.find(title).filter(|window| self.is_on_screen(*window)))
    }

    fn is_on_screen(&self, window: u32) -> bool {
        let answer = self.connection.get_window_attributes(window).ok().and_then(|cookie| cookie.reply().ok());
        answer.is_some_and(|attributes| attributes.map_state == MapState::VIEWABLE)
    }

    /// The window with this title, if there is one.
    pub fn find(&self, title: &str) -> Option<u32> {
        let children = self.connection.query_tree(self.root).ok()?.reply().ok()?.children;
        children.into_iter().find(|window| {
            let property = self.connection.get_property(false, *window, AtomEnum::WM_NAME, AtomEnum::ANY, 0, 64);
            property.ok().and_then(|cookie| cookie.reply().ok()).is_some_and(|name| name.value == title.as_bytes())
        })
    }

    /// Width and height in pixels.
    pub fn size(&self, window: u32) -> (u16, u16) {
        let geometry = self.connection.get_geometry(window).expect("sent").reply().expect("the window is there");
        (geometry.width, geometry.height)
    }

    /// Pixels of a window, as 0xRRGGBB.
    pub fn picture(&self, window: u32) -> Vec<u32> {
        let (width, height) = self.size(window);
        let image = self.connection.get_image(ImageFormat::Z_PIXMAP, window, 0, 0, width, height, !0);
        let image = image.expect("sent").reply().expect("the window is on the screen");
        image.data.chunks_exact(4).map(|p| u32::from_le_bytes([p[0], p[1], p[2], 0])).collect()
    }

    /// Number of colours that a window shows.
    pub fn colours(&self, window: u32) -> usize {
        self.picture(window).into_iter().collect::<std::collections::HashSet<u32>>().len()
    }

    /// Closes a window as the button of its frame does.
    pub fn close(&self, window: u32) {
        let atom = |name: &str| {
            self.connection.intern_atom(false, name.as_bytes()).expect("sent").reply().expect("answered").atom
        };
        let data = [atom("WM_DELETE_WINDOW"), 0, 0, 0, 0];
        let message = ClientMessageEvent::new(32, window, atom("WM_PROTOCOLS"), data);
        self.connection.send_event(false, window, EventMask::NO_EVENT, message).expect("sent").check().expect("taken");
    }

    /// Runs xdotool, which moves the pointer and presses keys.
    ///
    /// # Panics
    /// If xdotool fails.
    pub fn xdotool(&self, arguments: &[&str]) {
        let mut command = Command::new("xdotool");
        self.set_for(command.args(arguments));
        let mut child = Child::start(&mut command, None);
        assert_eq!(child.wait_exit(UP), 0, "xdotool {arguments:?}: {}", child.transcript());
    }
}

/// A plugin host's window on the display that `$DISPLAY` names, in which an editor is embedded.
pub struct ParentWindow {
    connection: RustConnection,
    /// X11 window id.
    pub id: u32,
}

impl ParentWindow {
    /// Opens a window at `x` that receives key events and has the focus.
    pub fn new(x: i16, size: (u16, u16)) -> ParentWindow {
        let (connection, screen) = x11rb::connect(None).expect("the display can be opened");
        let root = connection.setup().roots[screen].root;
        let id = connection.generate_id().expect("a number");
        let events = EventMask::KEY_PRESS | EventMask::STRUCTURE_NOTIFY;
        let wanted = CreateWindowAux::new().event_mask(events).background_pixel(0);
        connection
            .create_window(0, id, root, x, 0, size.0, size.1, 0, WindowClass::INPUT_OUTPUT, 0, &wanted)
            .expect("sent")
            .check()
            .expect("a window");
        let title = b"Host";
        connection.change_property8(PropMode::REPLACE, id, AtomEnum::WM_NAME, AtomEnum::STRING, title).expect("sent");
        let host = ParentWindow { connection, id };
        host.show(true);
        wait::until("the host's window", UP, || {
            let mapped = matches!(host.connection.poll_for_event(), Ok(Some(Event::MapNotify(_))));
            mapped.then_some(())
        });
        let focus = host.connection.set_input_focus(InputFocus::PARENT, id, x11rb::CURRENT_TIME);
        focus.expect("sent").check().expect("set");
        host
    }

    /// Resizes the window.
    pub fn resize(&self, (width, height): (u32, u32)) {
        let size = x11rb::protocol::xproto::ConfigureWindowAux::new().width(width).height(height);
        self.connection.configure_window(self.id, &size).expect("sent").check().expect("done");
    }

    /// Shows or hides the window with all its children.
    pub fn show(&self, visible: bool) {
        let shown = if visible { self.connection.map_window(self.id) } else { self.connection.unmap_window(self.id) };
        shown.expect("sent").check().expect("done");
    }

    /// Version and flags of `_XEMBED_INFO` of the embedded window, as XEmbed hosts read them.
    ///
    /// # Panics
    /// If there is not exactly one embedded window.
    pub fn embed_info(&self) -> Option<[u32; 2]> {
        let tree = self.connection.query_tree(self.id).expect("sent").reply().expect("a tree");
        let [plug] = tree.children[..] else { panic!("{} windows in the host's", tree.children.len()) };
        // Only if the atom exists: a host does not create it.
        let atom = self.connection.intern_atom(true, b"_XEMBED_INFO").expect("sent").reply().expect("an answer").atom;
        let property = self.connection.get_property(false, plug, atom, atom, 0, 2).expect("sent").reply().ok()?;
        let values: Vec<u32> = property.value32()?.collect();
        values.try_into().ok()
    }

    /// Destroys the window with all its children.
    pub fn destroy(&self) {
        self.connection.destroy_window(self.id).expect("sent").check().expect("gone");
    }

    /// Key codes received since the last call.
    pub fn keys(&self) -> Vec<u8> {
        let events = std::iter::from_fn(|| self.connection.poll_for_event().ok().flatten());
        events.filter_map(|event| if let Event::KeyPress(key) = event { Some(key.detail) } else { None }).collect()
    }
}
