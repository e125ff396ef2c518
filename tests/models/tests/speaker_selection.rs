//! Model check of speaker selection: compiles `server/src/media/speaker_selection.rs` itself. Loom does not follow `arc-swap`,
//! so its operations count as single steps.

#[path = "../../../server/src/media/speaker_selection.rs"]
#[allow(dead_code, unreachable_pub)]
mod speaker_selection;

/// A mutex that is only ever tried. Loom's own does not try all orders in which a `try_lock` can fail.
mod try_mutex {
    use loom::cell::{MutPtr, UnsafeCell};
    use loom::sync::atomic::{AtomicBool, Ordering};
    use std::ops::{Deref, DerefMut};

    pub(crate) struct Mutex<T> {
        locked: AtomicBool,
        value: UnsafeCell<T>,
    }

    pub(crate) struct Guard<'a, T> {
        locked: &'a AtomicBool,
        /// `None` once the guard is being dropped.
        value: Option<MutPtr<T>>,
    }

    // SAFETY: only the holder of the one guard reaches the value, and loom checks that.
    unsafe impl<T: Send> Sync for Mutex<T> {}

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Mutex<T> {
            Mutex { locked: AtomicBool::new(false), value: UnsafeCell::new(value) }
        }

        pub(crate) fn try_lock(&self) -> Result<Guard<'_, T>, bool> {
            self.locked.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed)?;
            Ok(Guard { locked: &self.locked, value: Some(self.value.get_mut()) })
        }
    }

    impl<T> Deref for Guard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            // SAFETY: the guard is the only one.
            unsafe { self.value.as_ref().expect("not dropped").deref() }
        }
    }

    impl<T> DerefMut for Guard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            // SAFETY: as above.
            unsafe { self.value.as_ref().expect("not dropped").deref() }
        }
    }

    impl<T> Drop for Guard<'_, T> {
        fn drop(&mut self) {
            self.value = None;
            self.locked.store(false, Ordering::Release);
        }
    }
}

use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;
use rtjam_protocol::audio::{AudioHeader, Codec, Layout, Peak, encode};
use rtjam_protocol::datagram::write_audio;
use rtjam_protocol::{FramePosition, Micros, RoomName, Sequence, SourceId, StreamId};
use speaker_selection::SpeakerSelection;

/// More steps than usual: every decision reads the levels of 256 sources.
fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut model = Builder::new();
    model.max_branches = 20_000;
    model.check(check);
}

fn new_selection() -> Arc<SpeakerSelection> {
    Arc::new(SpeakerSelection::new(RoomName::new("r").expect("a name")))
}

/// A source plays.
fn play(selection: &SpeakerSelection, now: Micros, source: u16) {
    let header = AudioHeader {
        source: SourceId(source),
        stream: StreamId(1),
        sequence: Sequence(1),
        position: FramePosition(0),
        codec: Codec::Pcm16,
        layout: Layout::Stereo,
        frames: 16,
        peak: [Peak(0); 2],
    };
    let (mut payload, mut frames) = (Vec::new(), Vec::new());
    encode(Codec::Pcm16, &[0.5; 32], &mut payload);
    write_audio(&header, &payload, &mut frames);
    selection.measure(now, SourceId(source), &frames);
}

/// A selection that could not be reported is reported later, whatever another thread decides meanwhile.
#[test]
fn undelivered_report_is_repeated() {
    model(|| {
        let selection = new_selection();
        let at = Micros::from_millis;
        play(&selection, at(5000), 1);
        assert!(selection.decide(at(5000)).is_some());
        let other = {
            let selection = Arc::clone(&selection);
            thread::spawn(move || assert!(selection.decide(at(5200)).is_none(), "too soon to report again"))
        };
        selection.repeat_report();
        other.join().expect("no panic");
        assert!(selection.decide(at(6000)).is_some());
    });
}

/// Two threads that find a decision due at the same time report it once.
#[test]
fn two_threads_report_once() {
    model(|| {
        let selection = new_selection();
        let at = Micros::from_millis;
        play(&selection, at(5000), 1);
        let decide = move |selection: &SpeakerSelection| usize::from(selection.decide(at(5000)).is_some());
        let other = {
            let selection = Arc::clone(&selection);
            thread::spawn(move || decide(&selection))
        };
        let reports = decide(&selection) + other.join().expect("no panic");
        assert_eq!(reports, 1);
        let speakers = selection.selection().as_ref().map(|selected| selected.speakers.to_vec());
        assert_eq!(speakers, Some(vec![SourceId(1)]));
    });
}
