//! The editor as VST3, in hosts with and without a run loop, closed early, late and twice. Each test runs in its own host
//! process on a virtual screen.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test fails by a panic that says what is missing")]

use egui::Id;
use rtjam_stage::stage::place;
use rtjam_tests::display::{Display, ParentWindow, UP};
use rtjam_tests::hosting::on_a_screen;
use rtjam_tests::vst3host::{Buffers, Call, Edit, FrameSupport, Module};
use rtjam_tests::wait;

const MONITOR: u32 = 1;
const SEND_MUTE: u32 = 3;
/// A project that rejoins a room which does not exist.
const REJOINS: &[u8] = br#"{"rtjam":1,"link":"rtjam://127.0.0.1:9/lobby#AQEHBwcHBwcHBwcHBwcHBwcH","rejoin":true}"#;
const NAMES: [&str; 2] = ["RTJam", "RTJam Multi"];
const SUPPORTS: [FrameSupport; 3] = [FrameSupport::Nothing, FrameSupport::Frame, FrameSupport::RunLoop];

fn wait_drawn(display: &Display, host: &ParentWindow) {
    wait::until("a picture", UP, || (display.colours(host.id) > 30).then_some(()));
}

/// The editor opens repeatedly, whatever the host supports.
#[test]
fn editor_reopens_in_every_host() {
    on_a_screen("editor_reopens_in_every_host", 1, |display| {
        let module = Module::load();
        assert_eq!(module.effects(), NAMES);
        for (name, offer) in NAMES.iter().flat_map(|name| SUPPORTS.map(|offer| (name, offer))) {
            let effect = module.effect(name);
            // Some hosts never ask for the size; some never remove the view.
            for round in 0..4 {
                let view = effect.view(offer);
                assert!(view.is_supported());
                if round % 2 == 0 {
                    assert_eq!(view.size(), (760, 480), "{name} {offer:?} {round}");
                }
                let host = ParentWindow::new(0, (760, 480));
                assert!(view.attach(host.id));
                // The SDK's editorhost fails without this property, and if it says that the window is already mapped.
                assert_eq!(host.embed_info(), Some([0, 0]), "{name} {offer:?} {round}");
                wait_drawn(display, &host);
                assert_eq!((view.run() > 0, view.timers()), (offer == FrameSupport::RunLoop, 0));
                assert_eq!(view.size(), (760, 480), "{name} {offer:?} {round}");
                assert_eq!(view.adjust((100, 100)), (520, 320));
                assert!(view.set_size((900, 600)));
                host.resize((900, 600));
                assert_eq!(view.size(), (900, 600));
                assert!(view.set_size((760, 480)));
                host.resize((760, 480));
                match round {
                    0 => view.remove(),
                    1 => {
                        view.remove();
                        drop(host);
                        let other = ParentWindow::new(0, (760, 480));
                        assert!(view.attach(other.id));
                        wait_drawn(display, &other);
                    }
                    2 => host.destroy(),
                    _ => {}
                }
                view.run();
            }
        }
    });
}

/// The editor resizes with the host's scale.
#[test]
fn editor_follows_host_scale() {
    on_a_screen("editor_follows_host_scale", 1, |display| {
        let module = Module::load();
        let effect = module.effect(NAMES[1]);
        let view = effect.view(FrameSupport::RunLoop);
        assert!(view.set_scale(2.0));
        assert_eq!(view.size(), (1520, 960));
        let host = ParentWindow::new(0, (1520, 960));
        assert!(view.attach(host.id));
        wait_drawn(display, &host);
        assert!(view.set_scale(1.0));
        view.run();
        assert_eq!(view.requested_size(), Some((760, 480)));
        host.resize((760, 480));
        assert!(view.set_size((760, 480)));
        wait::until("the smaller window", UP, || (view.size() == (760, 480)).then_some(()));
    });
}

/// Moving a fader informs the host: on its main thread if it has a run loop, otherwise on any thread.
#[test]
fn fader_edits_reach_every_host() {
    on_a_screen("fader_edits_reach_every_host", 1, |display| {
        let module = Module::load();
        for (name, offer) in NAMES.iter().flat_map(|name| SUPPORTS.map(|offer| (name, offer))) {
            let effect = module.effect(name);
            let view = effect.view(offer);
            assert_eq!(view.size(), (760, 480));
            let host = ParentWindow::new(0, (760, 480));
            assert!(view.attach(host.id));
            wait_drawn(display, &host);
            drag_the_monitor(display);
            wait::until("the end of the gesture", UP, || {
                view.run();
                effect.edits.all().contains(&Edit::End(MONITOR)).then_some(())
            });
            let edits = effect.edits.all();
            assert_eq!((edits[0], edits[edits.len() - 1]), (Edit::Begin(MONITOR), Edit::End(MONITOR)), "{edits:?}");
            let set = |edit: &Edit| matches!(edit, Edit::Perform(MONITOR, value) if (0.0..=1.0).contains(value));
            assert!(edits.len() > 3 && edits[1..edits.len() - 1].iter().all(set), "{edits:?}");
            assert_eq!(edits[edits.len() - 2], Edit::Perform(MONITOR, effect.value(MONITOR)));
            assert!(offer != FrameSupport::RunLoop || effect.edits.came_here(), "{offer:?}: on another thread");
        }
    });
}

/// Drags the fader of the own level down.
fn drag_the_monitor(display: &Display) {
    let fader = place(Id::unique("monitor"), (760, 480), 0).center();
    let (x, y) = ((fader.x as i32).to_string(), fader.y as i32);
    display.xdotool(&["mousemove", &x, &y.to_string(), "mousedown", "1"]);
    for step in 1..=5 {
        display.xdotool(&["mousemove", &x, &(y + 8 * step).to_string(), "sleep", "0.05"]);
    }
    display.xdotool(&["mouseup", "1", "mousemove", "400", "300"]);
}

/// Loading a project mutes. After the host unmutes, opening an editor must not repeat the mute.
#[test]
fn late_editor_does_not_mute() {
    on_a_screen("late_editor_does_not_mute", 1, |display| {
        let module = Module::load();
        for (name, outputs) in NAMES.iter().zip([1, 13]) {
            let effect = module.effect(name);
            assert!(effect.set_state(REJOINS));
            effect.start(48_000.0, 64);
            let mut buffers = Buffers::new(64, outputs);
            let (_, told) = buffers.play(&effect, &Call::default());
            assert_eq!((told, effect.value(SEND_MUTE)), (vec![(SEND_MUTE, 1.0)], 1.0));
            let unmute = Call { changes: Some(&[(SEND_MUTE, 0, 0.0)]), ..Call::default() };
            assert_eq!(buffers.play(&effect, &unmute).1, []);
            let view = effect.view(FrameSupport::RunLoop);
            let host = ParentWindow::new(0, (760, 480));
            assert!(view.attach(host.id));
            wait_drawn(display, &host);
            for _ in 0..20 {
                view.run();
                assert_eq!(buffers.play(&effect, &Call::default()).1, []);
            }
            let edits = effect.edits.all();
            assert!(edits.iter().all(|edit| matches!(edit, Edit::Restart(_))), "{edits:?}");
            assert_eq!(effect.value(SEND_MUTE), 0.0);
            effect.stop();
        }
    });
}

/// Several views of an instance may open and close in any order.
#[test]
fn views_open_in_any_order() {
    on_a_screen("views_open_in_any_order", 1, |display| {
        let module = Module::load();
        let effect = module.effect(NAMES[1]);
        let (one, other) = (effect.view(FrameSupport::RunLoop), effect.view(FrameSupport::RunLoop));
        drop(effect.create_view());
        let (covered, window) = (ParentWindow::new(0, (760, 480)), ParentWindow::new(0, (760, 480)));
        assert!(one.attach(covered.id) && other.attach(window.id));
        wait_drawn(display, &window);
        drop(one);
        assert_eq!(other.size(), (760, 480));
        drag_the_monitor(display);
        wait::until("the end of the gesture", UP, || {
            other.run();
            effect.edits.all().contains(&Edit::End(MONITOR)).then_some(())
        });
        assert!(effect.edits.came_here(), "on another thread");
        other.remove();
        other.remove();
        drop(other);
        let again = effect.view(FrameSupport::Nothing);
        assert!(again.attach(window.id));
        wait_drawn(display, &window);
    });
}

/// A host may keep a view after it has terminated the instance.
#[test]
fn view_outlives_its_instance() {
    on_a_screen("view_outlives_its_instance", 1, |display| {
        let module = Module::load();
        for release in [false, true] {
            let effect = module.effect(NAMES[0]);
            let (open, never_open) = (effect.view(FrameSupport::RunLoop), effect.view(FrameSupport::Frame));
            let window = ParentWindow::new(0, (760, 480));
            assert!(open.attach(window.id));
            wait_drawn(display, &window);
            effect.terminate();
            assert!(effect.create_view().is_none(), "a terminated instance makes no editor");
            if release {
                drop(effect);
            }
            // All of these calls come too late; none may crash.
            assert!(!never_open.attach(window.id));
            open.run();
            open.size();
            open.set_size((900, 600));
            open.remove();
        }
    });
}
