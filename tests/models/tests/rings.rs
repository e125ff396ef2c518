//! The rings between threads: `ringbuf` with loom's atomics, and the engine's use of it.

use loom::cell::UnsafeCell;
use loom::sync::{Arc, Notify};
use loom::thread;
use ringbuf::HeapRb;
use ringbuf::traits::{Consumer, Producer, Split};
use rtjam_engine::{Engine, Outputs, SLOTS, engine};
use rtjam_models::times;
use rtjam_protocol::Micros;
use rtjam_protocol::audio::{AudioFrame, AudioHeader, Codec, Layout, Peak, encode};
use rtjam_protocol::{FramePosition, Sequence, SourceId, StreamId};

/// An item whose memory loom watches: reading it before the write has finished is an error.
struct Item(UnsafeCell<u32>);

impl Item {
    fn new(value: u32) -> Item {
        let item = Item(UnsafeCell::new(0));
        // SAFETY: no other thread has the item yet.
        item.0.with_mut(|cell| unsafe { *cell = value });
        item
    }

    fn value(&self) -> u32 {
        // SAFETY: loom fails the test if another thread writes at the same time.
        self.0.with(|cell| unsafe { *cell })
    }
}

/// Each pushed item comes out once, complete and in order; an item that does not fit is returned to its producer.
#[test]
fn ring_keeps_order_and_items() {
    loom::model(|| {
        let (mut producer, mut consumer) = HeapRb::new(2).split();
        let items = times(3, 5);
        let writer =
            thread::spawn(move || (1..=items as u32).filter(|n| producer.try_push(Item::new(*n)).is_ok()).collect());
        let mut taken: Vec<u32> = (0..items).filter_map(|_| consumer.try_pop()).map(|item| item.value()).collect();
        let pushed: Vec<u32> = writer.join().expect("no panic");
        taken.extend(consumer.pop_iter().map(|item| item.value()));
        assert_eq!(taken, pushed);
        assert!(pushed.starts_with(&[1, 2]), "there was room for two");
    });
}

const FRAMES: usize = 64;

/// Spawns a thread whose stack has room for an engine: 1 MB, in words.
fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::Builder::new().stack_size(0x2_0000).spawn(run).expect("loom starts it")
}

/// Runs a model that contains an engine.
fn model(check: fn()) {
    loom::model(move || spawn(check).join().expect("no panic"));
}

/// Processes one block: makes one packet and drains all that have arrived.
fn process(engine: &mut Engine, block: u64) {
    let silence = [0.0; FRAMES];
    let [mut left, mut right] = [[0.0; FRAMES]; 2];
    let mut outputs = Outputs { main: [&mut left, &mut right], slots: [const { None }; SLOTS] };
    engine.process(Micros(1_000_000 + block * 1333), [&silence, &silence], &mut outputs);
}

/// The sending thread sleeps until the audio thread wakes it, then drains the ring. No packet waits for a later wake.
#[test]
fn wake_follows_its_packet() {
    model(|| {
        let bell = Arc::new(Notify::new());
        let ring = Arc::clone(&bell);
        let (mut engine, mut network, _console) = engine(1, move || ring.notify());
        engine.configure(48_000, FRAMES);
        let blocks = times(2, 3);
        let audio = spawn(move || (0..blocks as u64).for_each(|block| process(&mut engine, block)));
        let mut sequences = Vec::new();
        while sequences.len() < blocks {
            bell.wait();
            sequences.extend(std::iter::from_fn(|| network.outgoing.pop()).map(|packet| packet.sequence.0));
        }
        assert!(sequences.windows(2).all(|pair| pair[1] == pair[0] + 1));
        audio.join().expect("no panic");
    });
}

/// Each packet that the receiving thread pushes reaches the mixer, complete and counted, whenever the audio thread polls.
#[test]
fn audio_thread_receives_every_packet() {
    model(|| {
        let (mut engine, mut network, console) = engine(1, || {});
        engine.configure(48_000, FRAMES);
        let packets = times(2, 3);
        let receiver = spawn(move || {
            let mut payload = Vec::new();
            encode(Codec::Pcm16, &[0.25; 2 * FRAMES], &mut payload);
            for n in 0..packets as u32 {
                let header = AudioHeader {
                    source: SourceId(7),
                    stream: StreamId(1),
                    sequence: Sequence(n),
                    position: FramePosition(u64::from(n) * FRAMES as u64),
                    codec: Codec::Pcm16,
                    layout: Layout::Stereo,
                    frames: FRAMES as u16,
                    peak: [Peak(0); 2],
                };
                let now = Micros(1_000_000 + u64::from(n) * 1333);
                network.incoming.push(now, &AudioFrame { header, payload: &payload }).expect("there is room");
            }
        });
        process(&mut engine, 1);
        process(&mut engine, 2);
        receiver.join().expect("no panic");
        process(&mut engine, 3);
        assert_eq!(console.voice(SourceId(7)).map(|voice| voice.packets), Some(packets as u64));
    });
}
