//! Mixes that replace the packets of everyone else.

mod support;

use rtjam_protocol::audio::Peak;
use rtjam_protocol::control::{ClientMessage, DownstreamMode, MixBalance, MixRequest, SeatRole, ServerMessage};
use rtjam_protocol::{Micros, SourceId};
use std::time::{Duration, Instant};
use support::media::{Received, TestMusician};
use support::{Server, TempDir, invite};

const SOON: Duration = Duration::from_secs(10);

/// Musicians who each play one constant value, in packets of 16 frames.
struct Band<'a> {
    playing: Vec<(&'a mut TestMusician, i16)>,
    began: Instant,
    sent: u32,
}

impl Band<'_> {
    /// Sends the packets that are due.
    fn play(&mut self) {
        let due = (self.began.elapsed().as_micros() * 3 / 1000) as u32;
        while self.sent < due {
            for (musician, level) in &mut self.playing {
                musician.send_audio(self.sent, &[*level; 32]);
            }
            self.sent += 1;
        }
    }

    /// Plays until the listener, or the musician `at`, has received a wanted frame.
    fn until(
        &mut self,
        what: &str,
        listener: Option<&mut TestMusician>,
        at: usize,
        wanted: impl Fn(&Received) -> bool,
    ) {
        let mut listener = listener;
        let deadline = Instant::now() + SOON;
        loop {
            assert!(Instant::now() < deadline, "timed out waiting for {what}");
            self.play();
            let receiver = match &mut listener {
                Some(listener) => &mut **listener,
                None => &mut *self.playing[at].0,
            };
            if receiver.listen_for(Duration::from_millis(1)).iter().any(&wanted) {
                return;
            }
        }
    }

    /// Plays for 200 ms and returns the sources that one musician receives.
    fn hears(&mut self, at: usize) -> Vec<SourceId> {
        let (until, mut sources) = (Instant::now() + Duration::from_millis(200), Vec::new());
        while Instant::now() < until {
            self.play();
            let heard = self.playing[at].0.listen_for(Duration::from_millis(1));
            sources.extend(heard.iter().filter_map(Received::source));
        }
        sources.dedup();
        sources
    }
}

/// Whether a frame is a mix with these values in its 128 frames.
fn is_mix_of(heard: &Received, left: i16, right: i16) -> bool {
    let Received::Audio(SourceId::MIX, _, payload) = heard else { return false };
    let samples: Vec<i16> = payload.as_chunks::<2>().0.iter().map(|b| i16::from_be_bytes(*b)).collect();
    samples.len() == 256 && samples[..128].iter().all(|s| *s == left) && samples[128..].iter().all(|s| *s == right)
}

fn take(musician: &mut TestMusician, take: DownstreamMode, balances: Vec<MixBalance>) {
    musician.control.say(&ClientMessage::Mix(MixRequest { mode: Some(take), balances, ..MixRequest::default() }));
}

/// A mix is the exact sum of the others with the gains of its receiver.
#[test]
fn mix_is_the_exact_sum() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut cat = TestMusician::join_as(&invite(&dir, &["--role", "listener"]), 3, SeatRole::Listener);
    assert_eq!(cat.joined.mix, DownstreamMode::Mixed);
    let (mut ann, mut ben) = (TestMusician::join(&server.link, 1), TestMusician::join(&server.link, 2));
    let (anns, bens) = (ann.joined.source, ben.joined.source);
    let half = MixBalance { source: bens, gains: [5000, 0], pans: [None; 2], layout: None };
    take(&mut ann, DownstreamMode::Mixed, vec![half]);
    let mut band = Band { playing: vec![(&mut ann, 8192), (&mut ben, 4096)], began: Instant::now(), sent: 0 };
    band.until("Ben at Ann's gain", None, 0, |h| is_mix_of(h, 2048, 0));
    band.until("everyone in the listener's mix", Some(&mut cat), 0, |h| is_mix_of(h, 12_288, 12_288));
    assert_eq!(band.hears(0), [SourceId::MIX], "a mix replaces all other streams");
    assert_eq!(band.hears(1), [anns], "without a mix, everyone is received separately");

    take(band.playing[0].0, DownstreamMode::Mixed, vec![]);
    band.until("Ben at unity", None, 0, |h| is_mix_of(h, 4096, 4096));
    take(band.playing[0].0, DownstreamMode::Forwarded, vec![]);
    band.until("Ben's own stream", None, 0, |h| h.source() == Some(bens));
    let deadline = Instant::now() + SOON;
    while band.hears(0) != [bens] {
        assert!(Instant::now() < deadline, "the mix does not end");
    }
    let told =
        |m: &ServerMessage| matches!(m, ServerMessage::Mix(m) if m.mode == DownstreamMode::Forwarded).then_some(());
    ann.control.wait_for(told);
}

/// Members who do not choose get what the room sets, and are told how long audio waits for the mix.
#[test]
fn room_sets_the_default_mode() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    invite(&dir, &["lobby", "--mix", "one"]);
    let mut ann = TestMusician::join(&server.link, 1);
    let mut ben = TestMusician::join(&server.link, 2);
    assert_eq!(ann.joined.mix, DownstreamMode::Mixed);
    let mut band = Band { playing: vec![(&mut ann, 8192), (&mut ben, 4096)], began: Instant::now(), sent: 0 };
    band.until("Ben in Ann's mix", None, 0, |h| is_mix_of(h, 4096, 4096));
    assert_eq!(band.hears(0), [SourceId::MIX]);
    // The mixer measures waits twice a second.
    band.hears(0);
    band.hears(0);
    band.hears(0);
    let wait = ann.control.wait_for(|m| if let ServerMessage::Mix(m) = m { m.wait_us } else { None });
    println!("audio waits {wait} us before it is mixed");
    assert!(wait > 0);
}

/// The receiver of a mix is told the level and the wait of everyone in it.
#[test]
fn mix_reports_levels_and_waits() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let (mut ann, mut ben) = (TestMusician::join(&server.link, 1), TestMusician::join(&server.link, 2));
    let (anns, bens) = (ann.joined.source, ben.joined.source);
    // Levels are measured before the receiver's gains.
    let off = MixBalance { source: bens, gains: [0, 0], pans: [None; 2], layout: None };
    take(&mut ann, DownstreamMode::Mixed, vec![off]);
    let mut band = Band { playing: vec![(&mut ann, 8192), (&mut ben, 4096)], began: Instant::now(), sent: 0 };
    let level = [Peak(4096); 2];
    let tells = |heard: &Received| match heard {
        Received::MixReport(told) => {
            assert!(told.iter().all(|m| m.source != anns), "nobody is in their own mix");
            told.iter().any(|m| {
                (m.source, m.rms, m.peak, m.frames) == (bens, level, level, 16) && m.wait < Micros::from_millis(500)
            })
        }
        _ => false,
    };
    band.until("Ben's level", None, 0, tells);
    let deadline = Instant::now() + Duration::from_millis(500);
    while Instant::now() < deadline {
        band.play();
        let heard = band.playing[1].0.listen_for(Duration::from_millis(1));
        assert!(heard.iter().all(|h| !matches!(h, Received::MixReport(_))), "without a mix there are no reports");
    }
}

/// A musician who takes the seat of another one has unity gain.
#[test]
fn gains_end_with_their_musician() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let (mut ann, mut ben) = (TestMusician::join(&server.link, 1), TestMusician::join(&server.link, 2));
    let off = MixBalance { source: ben.joined.source, gains: [0, 0], pans: [None; 2], layout: None };
    take(&mut ann, DownstreamMode::Mixed, vec![off]);
    let mut band = Band { playing: vec![(&mut ann, 8192), (&mut ben, 4096)], began: Instant::now(), sent: 0 };
    band.until("silence", None, 0, |h| is_mix_of(h, 0, 0));
    drop(band);
    ben.control.say(&ClientMessage::Bye);
    ann.control.wait_for_a_leave();
    let mut again = TestMusician::join(&server.link, 2);
    assert_eq!(again.joined.source, off.source);
    let mut band = Band { playing: vec![(&mut ann, 8192), (&mut again, 4096)], began: Instant::now(), sent: 0 };
    band.until("the new musician at unity gain", None, 0, |h| is_mix_of(h, 4096, 4096));
}
