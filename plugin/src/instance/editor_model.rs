//! The instance as the editor sees it.

use super::{Gesture, Instance, panic_log};
use rtjam_client::Status;
use rtjam_engine::Console;
use rtjam_ui::editor_model::{EditorModel, InstanceCondition, JoinError, Kind};
use rtjam_ui::params::{self, Param};
use rtjam_ui::settings::{Change, RecentRoom, RecentRooms, Settings};
use std::sync::atomic::Ordering::Relaxed;

impl EditorModel for Instance {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn status(&self) -> Status {
        self.session().status()
    }

    fn console(&self) -> Console {
        self.console.clone()
    }

    fn condition(&self) -> InstanceCondition {
        let session = self.session();
        let now = self.clock.now();
        if self.failed.load(Relaxed) || session.has_failed() {
            return InstanceCondition::Failed { log: panic_log::log() };
        }
        let playing = self.calls.is_playing(now);
        if self.offline.load(Relaxed) && playing {
            InstanceCondition::Offline
        } else if self.calls.is_left_out(now) && self.kind == Kind::Multi {
            InstanceCondition::NotPlayed
        } else if !playing && session.is_in_room() {
            InstanceCondition::Paused
        } else if self.console.bypass() {
            InstanceCondition::Bypassed
        } else if playing && self.runs_ahead.load(Relaxed) {
            InstanceCondition::RunsAhead
        } else if session.rejoined && self.value(Param::SendMute) > 0.5 {
            InstanceCondition::CameBackMuted
        } else {
            InstanceCondition::Fine
        }
    }

    fn value(&self, param: Param) -> f64 {
        self.values.get(param)
    }

    fn begin(&self, param: Param) {
        self.notify(Gesture::Begin(param));
    }

    fn set(&self, param: Param, value: f64) {
        let value = self.values.set(param, value);
        params::apply(&self.console, param, value);
        self.notify(Gesture::Set(param, value));
    }

    fn end(&self, param: Param) {
        self.notify(Gesture::End(param));
    }

    fn join(&self, link: &str, anyway: bool) -> Result<(), JoinError> {
        self.session().join(link, anyway)?;
        self.wants_room.store(true, Relaxed);
        self.changed();
        Ok(())
    }

    fn leave(&self) {
        self.session().leave();
        self.wants_room.store(false, Relaxed);
    }

    fn resume_sending(&self) {
        self.session().resume_sending();
    }

    fn settings(&self) -> Settings {
        let mut session = self.session();
        let recent = session.recent().iter().take(RecentRooms::LISTED).map(RecentRoom::from).collect();
        let link = session.link.as_ref().map(ToString::to_string);
        Settings { choices: session.choices.clone(), link, recent }
    }

    fn change(&self, change: Change) {
        let mut session = self.session();
        session.choices.apply(change.clone());
        session.apply_choices(&self.console);
        session.remember(&change);
        drop(session);
        self.changed();
    }

    fn restart(&self) {
        let mut session = self.session();
        let link = session.is_in_room().then(|| session.link.clone()).flatten();
        self.wants_room.store(false, Relaxed);
        let mut path = self.take_audio();
        let broken = path.replace(session.renew(&self.console));
        drop(path);
        // Its drop may panic, too.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(broken)));
        self.failed.store(false, Relaxed);
        if let Some(link) = link {
            self.wants_room.store(session.join(&link.to_string(), true).is_ok(), Relaxed);
        }
    }
}

impl Instance {
    /// Makes an edit of RTJam itself. The host learns of it in its next block, unless it sets the parameter before.
    pub(super) fn edit(&self, param: Param, value: f64) {
        let value = self.values.set_and_mark(param, value);
        params::apply(&self.console, param, value);
        if let Some(host) = self.host() {
            host.edited();
        }
    }

    fn notify(&self, gesture: Gesture) {
        self.gestures.put(gesture);
        if let Some(host) = self.host() {
            host.edited();
        }
    }

    fn changed(&self) {
        if let Some(host) = self.host() {
            host.changed();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::HostBuffers;
    use rtjam_engine::{Gain, SLOTS};
    use rtjam_ui::messages::{Language, instance_condition};
    use std::sync::Arc;

    fn instance(kind: Kind) -> Instance {
        let nowhere = std::env::temp_dir().join(format!("rtjam-face-{}", std::process::id()));
        Instance::new(kind, Some(nowhere))
    }

    /// Processes a block of ones. Returns the main output.
    fn play(instance: &Instance) -> [[f32; 64]; 2] {
        let (input, mut out) = ([1.0_f32; 64], [[9.0_f32; 64]; 2]);
        let main = out.each_mut().map(|c| c.as_mut_ptr());
        let slots = [[std::ptr::null_mut(); 2]; SLOTS];
        // SAFETY: all arrays are 64 samples long and live until the end of this function.
        let block = unsafe { HostBuffers::new(64, [input.as_ptr(); 2], main, slots) };
        instance.process(&block);
        out
    }

    #[test]
    fn panic_silences_until_restart() {
        let instance = instance(Kind::Plugin);
        instance.activate(48_000.0, 64);
        assert_eq!(play(&instance)[0][63], 1.0);
        instance.take_audio().fault = true;
        assert_eq!(play(&instance), [[0.0; 64]; 2]);
        instance.take_audio().fault = false;
        assert_eq!(play(&instance), [[0.0; 64]; 2], "it stays silent");
        let InstanceCondition::Failed { log: Some(log) } = instance.condition() else { panic!("not failed") };
        let text = std::fs::read_to_string(&log).expect("the log is there");
        assert!(text.contains("a fault for the test"), "{text}");
        std::fs::remove_file(log).expect("our own");
        instance.set(Param::Monitor, -60.0);
        instance.restart();
        assert_eq!(instance.condition(), InstanceCondition::Fine);
        for _ in 0..100 {
            play(&instance);
        }
        assert_eq!(play(&instance), [[0.0; 64]; 2], "settings survive");
        instance.set(Param::Monitor, 0.0);
        for _ in 0..100 {
            play(&instance);
        }
        assert_eq!(play(&instance)[1][63], 1.0);
    }

    #[test]
    fn bounce_contains_own_signal() {
        let instance = instance(Kind::Multi);
        instance.activate(44_100.0, 64);
        instance.set_offline(true);
        assert_eq!(play(&instance), [[1.0; 64]; 2]);
        assert_eq!(instance.condition(), InstanceCondition::Offline);
        for (level, bypass, heard) in [(-60.0, 0.0, 0.0), (6.0, 0.0, Gain::db(6.0).factor()), (6.0, 1.0, 1.0)] {
            instance.set(Param::Monitor, level);
            instance.set(Param::Bypass, bypass);
            (0..20).for_each(|_| _ = play(&instance));
            assert_eq!(play(&instance), [[heard; 64]; 2], "{level} dB");
        }
        assert_eq!(instance.console().tx().packets, 0);
    }

    /// Packets of silence continue in a room, so that the musician keeps their place.
    #[test]
    fn bypass_passes_own_signal() {
        let instance = instance(Kind::Plugin);
        instance.activate(48_000.0, 64);
        instance.set(Param::Monitor, -60.0);
        instance.wants_room.store(true, Relaxed);
        (0..20).for_each(|_| _ = play(&instance));
        assert_eq!(play(&instance), [[0.0; 64]; 2]);
        instance.set_from_host(Param::Bypass.id(), 1.0);
        let fading = play(&instance);
        assert!(fading[0][0] < 0.01 && fading[0][63] > 0.05 && fading[0][63] < 0.2, "{fading:?}");
        (0..20).for_each(|_| _ = play(&instance));
        let before = instance.console().tx().packets;
        assert_eq!(play(&instance), [[1.0; 64]; 2]);
        assert_eq!(instance.console().tx().packets, before + 1);
        assert_eq!(instance.condition(), InstanceCondition::Bypassed);
        // The other parameters are unchanged.
        assert_eq!(instance.value(Param::Monitor), -60.0);
        assert_eq!(instance.value(Param::SendMute), 0.0);
    }

    #[test]
    fn no_room_sends_nothing() {
        for rate in [44_100.0, 48_000.0] {
            let (alone, joining) = (instance(Kind::Plugin), instance(Kind::Plugin));
            for instance in [&alone, &joining] {
                instance.activate(rate, 64);
                instance.set(Param::Monitor, -7.3);
            }
            for call in 0..200 {
                // Joining changes no bit: at the start, in the fade, and long after it.
                joining.wants_room.store(call / 5 % 3 > 0, Relaxed);
                assert_eq!(play(&alone), play(&joining), "{rate} Hz, call {call}");
            }
            assert_eq!(alone.console().tx().packets, 0);
            assert!(joining.console().tx().packets > 100);
            assert!(alone.console().tx().levels[0].peak_dbfs > -0.1, "the own meter works");
        }
    }

    #[test]
    fn leaving_stops_sending() {
        let folder = std::env::temp_dir().join(format!("rtjam-leaving-{}", std::process::id()));
        let instance = Instance::new(Kind::Plugin, Some(folder.clone()));
        instance.activate(48_000.0, 64);
        // Nothing listens there: the intention to join counts.
        instance.join("rtjam://127.0.0.1:9/lobby#AQEHBwcHBwcHBwcHBwcHBwcH", false).expect("a link");
        (0..10).for_each(|_| _ = play(&instance));
        let packets = |i: &Instance| i.console().tx().packets + i.console().tx().dropped;
        assert_eq!(packets(&instance), 10);
        instance.leave();
        (0..10).for_each(|_| _ = play(&instance));
        assert_eq!(packets(&instance), 10);
        drop(instance);
        std::fs::remove_dir_all(folder).expect("our own");
    }

    /// Repeats `act` until the instance has `condition`. Returns its sentence.
    fn until(instance: &Instance, condition: &InstanceCondition, act: impl Fn()) -> String {
        let began = std::time::Instant::now();
        while instance.condition() != *condition {
            assert!(began.elapsed().as_secs() < 60, "it is {:?}", instance.condition());
            act();
        }
        instance_condition(condition, Language::English).unwrap_or_default()
    }

    #[test]
    fn bursting_host_is_reported() {
        let instance = instance(Kind::Plugin);
        instance.activate(48_000.0, 64);
        let sentence = until(&instance, &InstanceCondition::RunsAhead, || {
            // 100 ms of audio at once, and a pause of the same length.
            for _ in 0..75 {
                play(&instance);
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        });
        assert!(sentence.contains("Anticipative FX") && sentence.contains("ASIO-Guard"), "{sentence}");
    }

    #[test]
    fn missing_outputs_are_reported() {
        let instance = instance(Kind::Multi);
        instance.activate(48_000.0, 64);
        let sentence = until(&instance, &InstanceCondition::NotPlayed, || (0..50).for_each(|_| instance.note_flush()));
        assert!(sentence.contains("Switch all of them on"), "{sentence}");
        until(&instance, &InstanceCondition::Fine, || {
            play(&instance);
        });
    }

    #[test]
    fn unsupported_rates_pass_own_signal() {
        let instance = instance(Kind::Plugin);
        for rate in [1.0, 7_999.0, 384_000.0, 768_000.0, 4e9] {
            instance.activate(rate, 64);
            assert_eq!(play(&instance), [[1.0; 64]; 2], "{rate}");
        }
        for rate in [0.0, -1.0, f64::NAN] {
            instance.activate(rate, 64);
            assert_eq!(play(&instance), [[0.0; 64]; 2], "{rate}");
        }
    }

    #[test]
    fn second_instance_asks_first() {
        let folder = std::env::temp_dir().join(format!("rtjam-twice-{}", std::process::id()));
        let (one, two) =
            (Instance::new(Kind::Plugin, Some(folder.clone())), Instance::new(Kind::Multi, Some(folder.clone())));
        // Nothing listens there: trying to join counts.
        let link = "rtjam://127.0.0.1:9/lobby#AQEHBwcHBwcHBwcHBwcHBwcH";
        assert!(matches!(one.join("hello", false), Err(JoinError::BadLink(_))));
        assert!(!folder.exists(), "an invalid link starts no client");
        one.join(link, false).expect("the first one");
        assert!(matches!(two.join(link, false), Err(JoinError::AlreadyInRoom { .. })));
        two.join(link, true).expect("a second musician");
        two.leave();
        one.leave();
        assert!(two.join(link, false).is_ok());
        // The room and its key are known now.
        assert_eq!(one.settings().recent[0].name, "lobby at 127.0.0.1");
        assert!(one.join("rtjam://127.0.0.1:9/lobby", true).is_ok());
        assert!(matches!(one.join("rtjam://127.0.0.1:9/other", true), Err(JoinError::NoKey)));
        drop((one, two));
        std::fs::remove_dir_all(folder).expect("our own");
    }

    #[test]
    fn own_edits_reach_host_and_engine() {
        struct CountingHost(std::sync::atomic::AtomicU32);
        impl crate::instance::HostNotifier for CountingHost {
            fn edited(&self) {
                self.0.fetch_add(1, Relaxed);
            }
            fn changed(&self) {}
        }
        let instance = instance(Kind::Plugin);
        let host = Arc::new(CountingHost(0.into()));
        instance.set_host(Some(host.clone()));
        instance.edit(Param::SendMute, 0.9);
        let mut told = Vec::new();
        instance.fetch_own_edits(|param, value| {
            told.push((param, value));
            true
        });
        assert_eq!(told, [(Param::SendMute, 1.0)]);
        assert!(instance.console().send_mute());
        assert_eq!(host.0.load(Relaxed), 1);
        instance.set_host(None);
        assert!(instance.host().is_none());
    }
}
