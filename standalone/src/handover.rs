//! The handover: how the audio processor gets to the audio thread and back.
//!
//! There is one processor, and it belongs to one thread at a time. A backend's callback owns an [`AudioThreadEnd`], the main
//! thread the [`MainThreadEnd`]. Changes that allocate (sample rate, source) are made while the main thread has the
//! processor; the audio thread's end is silent meanwhile. If that end is dropped, because its device is gone, it first sends
//! the processor back.
//!
//! ```text
//!  main thread: MainThreadEnd ──to_audio (ring of 1)───▶ AudioThreadEnd: audio thread
//!                             ◀──to_main (ring of 1)────
//!                             ──recall (flag)──────────▶
//! ```
//!
//! Whichever end clears the recall flag decides: the audio thread's end sends the processor back, the main thread's end lets
//! it play on. `tests/models/tests/handover.rs` checks every interleaving of the two ends.

use super::audio_processor::AudioProcessor;
#[cfg(loom)]
use loom::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use ringbuf::traits::{Consumer, Observer, Producer, Split};
use ringbuf::wrap::Wrap;
use ringbuf::{HeapCons, HeapProd, HeapRb};
use rtjam_engine::Outputs;
#[cfg(not(loom))]
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use std::time::{Duration, Instant};

/// The main thread's end.
pub(crate) struct MainThreadEnd {
    to_audio: HeapProd<Box<AudioProcessor>>,
    to_main: HeapCons<Box<AudioProcessor>>,
    recall: Arc<AtomicBool>,
}

/// The audio thread's end. Silent without a processor.
pub(crate) struct AudioThreadEnd {
    to_audio: HeapCons<Box<AudioProcessor>>,
    to_main: HeapProd<Box<AudioProcessor>>,
    recall: Arc<AtomicBool>,
    processor: Option<Box<AudioProcessor>>,
}

/// Both ends, without a processor.
pub(crate) fn handover() -> (MainThreadEnd, AudioThreadEnd) {
    let (audio_producer, audio_consumer) = HeapRb::new(1).split();
    let (main_producer, main_consumer) = HeapRb::new(1).split();
    let recall = Arc::new(AtomicBool::new(false));
    let main_end = MainThreadEnd { to_audio: audio_producer, to_main: main_consumer, recall: Arc::clone(&recall) };
    (main_end, AudioThreadEnd { to_audio: audio_consumer, to_main: main_producer, recall, processor: None })
}

impl MainThreadEnd {
    /// Sends the processor to the audio thread's end. Returns it if another one is on its way, which cannot happen with one
    /// processor.
    pub(crate) fn give(&mut self, processor: Box<AudioProcessor>) -> Result<(), Box<AudioProcessor>> {
        self.recall.store(false, Ordering::Release);
        self.to_audio.try_push(processor)
    }

    /// Asks for the processor and waits for at most about `timeout`: an audio thread that does not run never answers.
    pub(crate) fn recall(&mut self, timeout: Duration) -> Option<Box<AudioProcessor>> {
        let until = Instant::now() + timeout;
        self.recall_while(|| {
            std::thread::sleep(Duration::from_micros(500));
            Instant::now() < until
        })
    }

    /// Like [`recall`](Self::recall), but calls `wait` between attempts until it returns false. After `None`, the processor
    /// plays on.
    pub(crate) fn recall_while(&mut self, mut wait: impl FnMut() -> bool) -> Option<Box<AudioProcessor>> {
        self.recall.store(true, Ordering::Release);
        loop {
            if let Some(processor) = self.to_main.try_pop() {
                return Some(processor);
            }
            // If the flag is no longer set, the audio thread's end has cleared it and is about to push the processor.
            if !wait() && self.recall.swap(false, Ordering::AcqRel) {
                return None;
            }
        }
    }

    /// Takes the processor back after the audio thread's end was dropped, also one that the audio thread's end never received.
    pub(crate) fn take_back(&mut self) -> Option<Box<AudioProcessor>> {
        self.to_main.try_pop().or_else(|| {
            let audio_end_is_dropped = !self.to_audio.read_is_held();
            audio_end_is_dropped.then(|| HeapCons::new(self.to_audio.rb_ref().clone()).try_pop()).flatten()
        })
    }
}

impl AudioThreadEnd {
    /// Audio thread. Processes one period; always writes all outputs.
    pub(crate) fn process(&mut self, inputs: [&[f32]; 2], outputs: &mut Outputs<'_>) {
        if self.processor.is_none() {
            self.processor = self.to_audio.try_pop();
        }
        if self.processor.is_some()
            && self.recall.load(Ordering::Relaxed)
            && self.recall.swap(false, Ordering::AcqRel)
            && let Some(processor) = self.processor.take()
        {
            // The ring has space, since there is only one processor. Without space it would play on.
            self.processor = self.to_main.try_push(processor).err();
        }
        match &mut self.processor {
            Some(processor) => processor.process(inputs, outputs),
            None => silence(outputs),
        }
    }
}

/// Audio thread. Writes zeros to all outputs.
pub(crate) fn silence(outputs: &mut Outputs<'_>) {
    for channel in &mut outputs.main {
        channel.fill(0.0);
    }
    for slot in outputs.slots.iter_mut().flatten() {
        for channel in slot {
            channel.fill(0.0);
        }
    }
}

impl Drop for AudioThreadEnd {
    fn drop(&mut self) {
        if let Some(processor) = self.processor.take().or_else(|| self.to_audio.try_pop()) {
            let _ = self.to_main.try_push(processor);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::sources::Source;
    use super::super::test_tone::test_tone;
    use super::*;
    use rtjam_client::Clock;
    use rtjam_engine::SLOTS;
    use rtjam_ui::settings::SourceChoice;

    fn processor() -> Box<AudioProcessor> {
        let (engine, _network, _console) = rtjam_engine::engine(7, || {});
        let mut processor = Box::new(AudioProcessor::new(engine, Clock::new(), test_tone().1));
        processor.prepare(48_000, 64, Source::prepare(&SourceChoice::Demo, 48_000).expect("always there"));
        processor
    }

    /// The highest peak in ten periods. A new engine's monitor is at unity.
    fn peak(audio: &mut AudioThreadEnd) -> f32 {
        let silent = [0.0; 64];
        let mut peak = 0.0_f32;
        for _ in 0..10 {
            let [mut left, mut right] = [[9.0; 64]; 2];
            let mut outputs = Outputs { main: [&mut left, &mut right], slots: [const { None }; SLOTS] };
            audio.process([&silent, &silent], &mut outputs);
            peak = left.iter().chain(&right).fold(peak, |m, s| m.max(s.abs()));
        }
        peak
    }

    #[test]
    fn audio_end_is_silent_without_processor() {
        let (mut main_end, mut audio) = handover();
        assert_eq!(peak(&mut audio), 0.0);
        assert!(main_end.give(processor()).is_ok());
        assert!(peak(&mut audio) > 0.01);
        let thread = std::thread::spawn(move || {
            while peak(&mut audio) > 0.0 {}
            audio
        });
        let processor = main_end.recall(Duration::from_secs(5)).expect("the audio thread runs");
        let mut audio = thread.join().expect("no panic");
        assert!(main_end.give(processor).is_ok());
        assert!(peak(&mut audio) > 0.01);
    }

    #[test]
    fn dropped_audio_end_returns_processor() {
        for played in [false, true] {
            let (mut main_end, mut audio) = handover();
            assert!(main_end.give(processor()).is_ok());
            if played {
                peak(&mut audio);
            }
            assert!(main_end.recall(Duration::from_millis(2)).is_none());
            drop(audio);
            assert!(main_end.take_back().is_some());
        }
    }

    #[test]
    fn processor_given_too_late_comes_back() {
        let (mut main_end, audio) = handover();
        drop(audio);
        assert!(main_end.give(processor()).is_ok());
        assert!(main_end.take_back().is_some());
    }
}
