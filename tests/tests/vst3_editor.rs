//! The editor as VST3, in a host with a run loop and in hosts without. Each test is a host process of its own on a
//! screen that nobody sees.

#![cfg(target_os = "linux")]
#![allow(clippy::expect_used, reason = "a test ends by a panic that says what is missing")]

use egui::Id;
use rtjam_tests::display::{Display, HostWindow, UP};
use rtjam_tests::hosting::on_a_screen;
use rtjam_tests::places::place;
use rtjam_tests::vst3host::{Module, Offer};
use rtjam_tests::wait;

const MONITOR: u32 = 1;
const NAMES: [&str; 2] = ["RTJam", "RTJam Multi"];
const OFFERS: [Offer; 3] = [Offer::Nothing, Offer::Frame, Offer::RunLoop];

fn wait_drawn(display: &Display, host: &HostWindow) {
    wait::until("a picture", UP, || (display.colours(host.id) > 30).then_some(()));
}

#[test]
fn it_opens_again_and_again_whatever_the_host_offers() {
    on_a_screen("it_opens_again_and_again_whatever_the_host_offers", 1, |display| {
        let module = Module::load();
        assert_eq!(module.effects(), NAMES);
        for (name, offer) in NAMES.iter().flat_map(|name| OFFERS.map(|offer| (name, offer))) {
            let effect = module.effect(name);
            // Some never ask for the size; some never take the view out.
            for round in 0..4 {
                let view = effect.view(offer);
                assert!(view.is_supported());
                if round % 2 == 0 {
                    assert_eq!(view.size(), (760, 480), "{name} {offer:?} {round}");
                }
                let host = HostWindow::new(0, (760, 480));
                assert!(view.attach(host.id));
                wait_drawn(display, &host);
                assert_eq!(view.run() > 0, offer == Offer::RunLoop);
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
                        let other = HostWindow::new(0, (760, 480));
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

#[test]
fn it_follows_the_hosts_scale() {
    on_a_screen("it_follows_the_hosts_scale", 1, |display| {
        let module = Module::load();
        let effect = module.effect(NAMES[1]);
        let view = effect.view(Offer::RunLoop);
        assert!(view.set_scale(2.0));
        assert_eq!(view.size(), (1520, 960));
        let host = HostWindow::new(0, (1520, 960));
        assert!(view.attach(host.id));
        wait_drawn(display, &host);
        assert!(view.set_scale(1.0));
        view.run();
        assert_eq!(view.asked_for(), Some((760, 480)));
        host.resize((760, 480));
        assert!(view.set_size((760, 480)));
        wait::until("the smaller window", UP, || (view.size() == (760, 480)).then_some(()));
    });
}

#[test]
fn a_hand_on_a_fader_reaches_the_host_where_there_is_a_run_loop() {
    on_a_screen("a_hand_on_a_fader_reaches_the_host_where_there_is_a_run_loop", 1, |display| {
        let module = Module::load();
        for (name, offer) in NAMES.iter().flat_map(|name| OFFERS.map(|offer| (name, offer))) {
            let effect = module.effect(name);
            let view = effect.view(offer);
            assert_eq!(view.size(), (760, 480));
            let host = HostWindow::new(0, (760, 480));
            assert!(view.attach(host.id));
            wait_drawn(display, &host);
            let fader = place(Id::unique("monitor"), (760, 480), 0).center();
            let (x, y) = ((fader.x as i32).to_string(), fader.y as i32);
            let before = display.picture(host.id);
            display.hands(&["mousemove", &x, &y.to_string(), "mousedown", "1"]);
            for step in 1..=5 {
                display.hands(&["mousemove", &x, &(y + 8 * step).to_string(), "sleep", "0.05"]);
            }
            display.hands(&["mouseup", "1", "mousemove", "400", "300"]);
            // The editor shows it at once; the host hears of it with the next block, where it has a run loop for that.
            wait::until("the thumb", UP, || (display.picture(host.id) != before).then_some(()));
            view.run();
            if offer == Offer::RunLoop {
                wait::until("the hand lets go", UP, || {
                    effect.play_a_block(if *name == NAMES[0] { 1 } else { 13 });
                    view.run();
                    let ends = effect.edits.0.borrow().iter().filter(|(_, value)| value.is_none()).count();
                    (ends == 2).then_some(())
                });
                let edits = effect.edits.0.borrow();
                let values: Vec<f64> = edits.iter().filter_map(|(_, value)| *value).collect();
                assert!(edits.iter().all(|(param, _)| *param == MONITOR), "{edits:?}");
                assert!(values.len() >= 2 && values.iter().all(|v| (0.0..=1.0).contains(v)), "{edits:?}");
            }
        }
    });
}
