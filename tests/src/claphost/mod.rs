//! A small CLAP host that loads the plugin and calls it correctly, or deliberately incorrectly.
//!
//! It calls the plugin's own function pointers: a host that cannot make mistakes would hide how the plugin handles those
//! of other hosts. All calls are `unsafe` underneath; the plugin under test provides the pointers, which are valid until
//! it is dropped.

mod audio_thread;
mod buffers;
mod editor;
mod host;
mod state;

pub use audio_thread::{AudioThread, HostRecording};
pub use buffers::{Buffers, Events, STALE, call, port};
pub use editor::Editor;
pub use host::HostCalls;
pub use state::Param;

use crate::machine::Scratch;
use clack_host::host::HostInfo;
use clack_host::plugin::PluginInstance;
use clack_host::prelude::PluginEntry;
use clap_sys::plugin::clap_plugin;
use std::ffi::{CStr, CString, c_void};
use std::path::Path;
use std::sync::{Arc, OnceLock};

/// Ids of the two plugins.
pub const IDS: [&str; 2] = ["org.rtjam.rtjam", "org.rtjam.rtjam-multi"];

/// A project that joins a room, muted, as soon as audio runs. `more` holds further JSON fields, or nothing.
pub fn project(name: &str, link: &str, more: &str) -> String {
    format!("{{\"rtjam\":1,\"name\":\"{name}\",\"link\":\"{link}\",\"keep_key\":true,\"rejoin\":true{more}}}")
}

/// Gives this process its own home folder, shared by all instances. Call it first in a test that joins a room.
pub fn use_private_home() -> &'static Path {
    static HOME: OnceLock<Scratch> = OnceLock::new();
    let home = HOME.get_or_init(|| {
        let home = Scratch::new("home");
        for name in ["HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"] {
            // SAFETY: the tests of this package run one after the other, and no instance lives yet.
            unsafe { std::env::set_var(name, home.path()) };
        }
        home
    });
    home.path()
}

/// The plugin's library, loaded.
pub struct Library {
    entry: PluginEntry,
}

impl Library {
    /// Loads the library.
    ///
    /// # Panics
    /// If the library does not exist or does not load.
    pub fn load() -> Library {
        Library::load_from(&crate::programs::plugin())
    }

    /// Loads the library from a file.
    ///
    /// # Panics
    /// If the file does not exist or does not load.
    pub fn load_from(path: &Path) -> Library {
        // SAFETY: it is the library under test.
        let entry = unsafe { PluginEntry::load(path) };
        Library { entry: entry.unwrap_or_else(|e| panic!("{}: {e}", path.display())) }
    }

    /// Ids and names of the plugins in the library.
    pub fn plugins(&self) -> Vec<(String, String)> {
        let factory = self.entry.get_plugin_factory().expect("it makes plugins");
        let text = |s: Option<&CStr>| s.map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
        factory.plugin_descriptors().map(|d| (text(d.id()), text(d.name()))).collect()
    }

    /// Creates an instance.
    ///
    /// # Panics
    /// If it cannot be created.
    pub fn plugin(&self, id: &str) -> Plugin {
        self.plugin_in(id, true)
    }

    /// Creates an instance in a host without a log.
    ///
    /// # Panics
    /// If it cannot be created.
    pub fn plugin_without_log(&self, id: &str) -> Plugin {
        self.plugin_in(id, false)
    }

    fn plugin_in(&self, id: &str, logs: bool) -> Plugin {
        let host_calls = Arc::new(HostCalls::default());
        let info = HostInfo::new("RTJam tests", "RTJam", "", "1").expect("texts without zeros");
        let id = CString::new(id).expect("an id");
        let shared = Arc::clone(&host_calls);
        let instance = PluginInstance::<host::TestHost>::new(
            |_| host::Shared { host_calls: shared, logs },
            |shared| host::MainThread(shared),
            &self.entry,
            &id,
            &info,
        );
        Plugin { instance: instance.expect("an instance"), host_calls }
    }
}

/// A plugin instance. Main thread, unless a method says otherwise.
pub struct Plugin {
    instance: PluginInstance<host::TestHost>,
    /// Calls that the plugin made to its host.
    pub host_calls: Arc<HostCalls>,
}

/// A plugin on another thread, valid as long as its [`Plugin`] lives.
#[derive(Clone, Copy)]
pub struct Raw(*const clap_plugin);

// SAFETY: CLAP defines for each function on which threads it may be called.
unsafe impl Send for Raw {}

impl Plugin {
    /// The plugin, for calls on other threads.
    pub fn raw(&self) -> Raw {
        Raw(self.instance.raw_instance())
    }

    /// Activates the plugin and returns whether it succeeded.
    pub fn activate(&self, rate: f64, most_frames: u32) -> bool {
        let raw = self.raw().0;
        // SAFETY: see the module.
        unsafe { (*raw).activate.is_some_and(|f| f(raw, rate, 1, most_frames)) }
    }

    /// Deactivates the plugin.
    pub fn deactivate(&self) {
        let raw = self.raw().0;
        // SAFETY: see the module.
        unsafe { (*raw).deactivate.expect("it has one")(raw) };
    }

    /// Runs the call on the main thread that the plugin requested.
    pub fn on_main_thread(&self) {
        let raw = self.raw().0;
        // SAFETY: see the module.
        unsafe { (*raw).on_main_thread.expect("it has one")(raw) };
    }

    /// One of the plugin's extensions, as CLAP's C structure.
    ///
    /// # Panics
    /// If the plugin does not have it.
    pub fn extension<T>(&self, name: &CStr) -> &T {
        self.raw().extension(name)
    }
}

impl Raw {
    /// See [`Plugin::extension`].
    ///
    /// # Panics
    /// If the plugin does not have it.
    pub fn extension<'a, T>(self, name: &CStr) -> &'a T {
        // SAFETY: see the module; the name determines the structure.
        unsafe {
            let found: *const c_void = (*self.0).get_extension.expect("it has one")(self.0, name.as_ptr());
            found.cast::<T>().as_ref().unwrap_or_else(|| panic!("no extension {name:?}"))
        }
    }

    /// The pointer that CLAP's functions take.
    pub fn as_ptr(self) -> *const clap_plugin {
        self.0
    }

    /// Starts processing. Audio thread.
    pub fn start(self) -> bool {
        // SAFETY: see the module.
        unsafe { (*self.0).start_processing.is_some_and(|f| f(self.0)) }
    }

    /// Stops processing. Audio thread.
    pub fn stop(self) {
        // SAFETY: see the module.
        unsafe { (*self.0).stop_processing.expect("it has one")(self.0) };
    }
}
