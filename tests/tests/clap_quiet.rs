//! The plugin never writes to its host's standard error, not even in a host without a log.

#![cfg(target_os = "linux")]

use clap_sys::ext::gui::CLAP_WINDOW_API_X11;
use clap_sys::ext::state::{CLAP_EXT_STATE, clap_plugin_state};
use clap_sys::stream::clap_ostream;
use rtjam_tests::claphost::{AudioThread, IDS, Library, Plugin, project};
use rtjam_tests::display::{ParentWindow, UP};
use rtjam_tests::hosting::on_a_quiet_screen;
use rtjam_tests::musician::{JOIN, Musician, Options};
use rtjam_tests::room::Room;
use rtjam_tests::wait;
use std::ffi::c_void;

/// Makes the plugin panic: a stream claims to have written more than it was given.
fn panic_in(plugin: &Plugin) -> bool {
    unsafe extern "C" fn too_much(_stream: *const clap_ostream, _buffer: *const c_void, size: u64) -> i64 {
        size as i64 + 1
    }
    let state: &clap_plugin_state = plugin.extension(CLAP_EXT_STATE);
    let stream = clap_ostream { ctx: std::ptr::null_mut(), write: Some(too_much) };
    // SAFETY: the plugin lives, and the stream until the end of the call.
    !unsafe { state.save.expect("it has one")(plugin.raw().as_ptr(), &stream) }
}

/// Number of crash logs.
fn fault_logs() -> usize {
    let home = std::env::var("XDG_STATE_HOME").expect("the test's own home");
    std::fs::read_dir(std::path::Path::new(&home).join("rtjam/faults")).map_or(0, Iterator::count)
}

/// The host's standard error stays empty from load to unload.
#[test]
fn plugin_writes_nothing_to_stderr() {
    on_a_quiet_screen("plugin_writes_nothing_to_stderr", |display| {
        let room = Room::start();
        let mut cleo = Musician::start(&Options::demo("Cleo", &room.invite));
        cleo.wait_joined();
        for with_log in [true, false] {
            for id in IDS {
                let library = Library::load();
                let plugin = if with_log { library.plugin(id) } else { library.plugin_without_log(id) };
                // Input that it refuses.
                assert!(!plugin.load(b"nonsense"));
                assert!(plugin.value(999_999).is_none() && plugin.parse(1, "loud").is_none());
                assert!(!plugin.editor().set_parent(CLAP_WINDOW_API_X11, 0) && !plugin.editor().set_transient(1));
                // A room, audio and an editor.
                assert!(plugin.load(project("Dora", &room.invite, "").as_bytes()));
                let host = AudioThread::start(&plugin, 48_000, 128, if id == IDS[0] { 1 } else { 13 }, vec![0.1]);
                cleo.wait_new("Dora's packets", JOIN, |s| {
                    s["musicians"].as_array()?.iter().find(|m| m["packets"].as_u64() > Some(100)).map(|_| ())
                });
                let window = plugin.editor().open(Some(1.0), |(width, height)| {
                    let window = ParentWindow::new(0, (width as u16, height as u16));
                    (window.id, window)
                });
                wait::until("a picture", UP, || (display.colours(window.id) > 30).then_some(()));
                plugin.editor().destroy();
                // A panic is logged to a file.
                let before = fault_logs();
                assert!(panic_in(&plugin));
                assert!(fault_logs() > before || before > 0, "the panic is logged");
                assert!(!plugin.save().is_empty(), "the plugin continues");
                drop(host);
                drop(plugin);
                drop(library);
                cleo.wait_new("Dora has left", JOIN, |s| s["musicians"].as_array()?.is_empty().then_some(()));
            }
        }
    });
}
