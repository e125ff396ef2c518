//! Whom a crowded room hears: `server/src/media/crowd.rs` itself. `arc-swap` is not followed by loom; its operations count as
//! single steps.

#[path = "../../../server/src/media/crowd.rs"]
#[allow(dead_code, unreachable_pub)]
mod crowd;

/// A mutex with `try_lock` only. Loom's own does not explore every order in which a `try_lock` can fail.
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
        /// `None` while the guard is being dropped.
        value: Option<MutPtr<T>>,
    }

    // SAFETY: only the holder of the one guard accesses the value, and loom checks that.
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

use crowd::Crowd;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;
use rtjam_protocol::audio::{AudioHeader, Codec, Layout, Peak, encode};
use rtjam_protocol::datagram::write_audio;
use rtjam_protocol::{FramePosition, Micros, RoomName, Sequence, SourceId, StreamId};

/// Needs more steps than the default: each decision reads the levels of 256 sources.
fn model(check: impl Fn() + Send + Sync + 'static) {
    let mut model = Builder::new();
    model.max_branches = 20_000;
    model.check(check);
}

fn crowd() -> Arc<Crowd> {
    Arc::new(Crowd::new(RoomName::new("r").expect("a name")))
}

/// Reports sound from a source.
fn hear(crowd: &Crowd, now: Micros, source: u16) {
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
    crowd.hear(now, SourceId(source), &frames);
}

/// A selection that could not be announced is announced later, whatever another thread decides meanwhile.
#[test]
fn failed_announcement_is_repeated() {
    model(|| {
        let crowd = crowd();
        let at = Micros::from_millis;
        hear(&crowd, at(5000), 1);
        assert!(crowd.decide(at(5000)).is_some());
        let other = {
            let crowd = Arc::clone(&crowd);
            thread::spawn(move || assert!(crowd.decide(at(5200)).is_none(), "too soon to announce again"))
        };
        crowd.not_told();
        other.join().expect("no panic");
        assert!(crowd.decide(at(6000)).is_some());
    });
}

/// Two threads that find a selection due at the same time announce it once.
#[test]
fn simultaneous_decisions_announce_once() {
    model(|| {
        let crowd = crowd();
        let at = Micros::from_millis;
        hear(&crowd, at(5000), 1);
        let decide = move |crowd: &Crowd| usize::from(crowd.decide(at(5000)).is_some());
        let other = {
            let crowd = Arc::clone(&crowd);
            thread::spawn(move || decide(&crowd))
        };
        let told = decide(&crowd) + other.join().expect("no panic");
        assert_eq!(told, 1);
        let order = crowd.choice().as_ref().map(|choice| choice.order.clone());
        assert_eq!(order, Some(vec![SourceId(1)]));
    });
}
