//! One mix in place of everyone's packets, as a musician's end gets it.

mod support;

use rtjam_protocol::audio::Peak;
use rtjam_protocol::control::{ClientMessage, DownstreamMode, MixBalance, MixRequest, SeatRole, ServerMessage};
use rtjam_protocol::{Micros, SourceId};
use std::time::{Duration, Instant};
use support::media::{Heard, Musician};
use support::{Server, TempDir, invite};

const SOON: Duration = Duration::from_secs(10);

/// Musicians who each play one value for ever, in packets of 16 frames.
struct Band<'a> {
    playing: Vec<(&'a mut Musician, i16)>,
    began: Instant,
    sent: u32,
}

impl Band<'_> {
    /// Plays what is due.
    fn play(&mut self) {
        let due = (self.began.elapsed().as_micros() * 3 / 1000) as u32;
        while self.sent < due {
            for (musician, level) in &mut self.playing {
                musician.send_audio(self.sent, &[*level; 32]);
            }
            self.sent += 1;
        }
    }

    /// Plays until one of them, or a listener, has heard what is wanted.
    fn until(&mut self, what: &str, listener: Option<&mut Musician>, at: usize, wanted: impl Fn(&Heard) -> bool) {
        let mut listener = listener;
        let deadline = Instant::now() + SOON;
        loop {
            assert!(Instant::now() < deadline, "waited in vain for {what}");
            self.play();
            let ear = match &mut listener {
                Some(listener) => &mut **listener,
                None => &mut *self.playing[at].0,
            };
            if ear.listen_for(Duration::from_millis(1)).iter().any(&wanted) {
                return;
            }
        }
    }

    /// What one of them hears in the next 200 ms of playing.
    fn hears(&mut self, at: usize) -> Vec<SourceId> {
        let (until, mut sources) = (Instant::now() + Duration::from_millis(200), Vec::new());
        while Instant::now() < until {
            self.play();
            let heard = self.playing[at].0.listen_for(Duration::from_millis(1));
            sources.extend(heard.iter().filter_map(Heard::source));
        }
        sources.dedup();
        sources
    }
}

/// A mix, 128 frames of that value on the left and on the right.
fn is_mix_of(heard: &Heard, left: i16, right: i16) -> bool {
    let Heard::Audio(SourceId::MIX, _, payload) = heard else { return false };
    let samples: Vec<i16> = payload.as_chunks::<2>().0.iter().map(|b| i16::from_be_bytes(*b)).collect();
    samples.len() == 256 && samples[..128].iter().all(|s| *s == left) && samples[128..].iter().all(|s| *s == right)
}

fn take(musician: &mut Musician, take: DownstreamMode, balances: Vec<MixBalance>) {
    musician.control.say(&ClientMessage::Mix(MixRequest { mode: Some(take), balances, ..MixRequest::default() }));
}

#[test]
fn everyone_is_sent_one_exact_sum_of_the_others_with_their_own_gains() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut cat = Musician::join_as(&invite(&dir, &["--role", "listener"]), 3, SeatRole::Listener);
    assert_eq!(cat.joined.mix, DownstreamMode::Mixed);
    let (mut ann, mut ben) = (Musician::join(&server.link, 1), Musician::join(&server.link, 2));
    let (anns, bens) = (ann.joined.source, ben.joined.source);
    let half = MixBalance { source: bens, gains: [5000, 0], pans: [None; 2], layout: None };
    take(&mut ann, DownstreamMode::Mixed, vec![half]);
    let mut band = Band { playing: vec![(&mut ann, 8192), (&mut ben, 4096)], began: Instant::now(), sent: 0 };
    band.until("Ben at Ann's gain", None, 0, |h| is_mix_of(h, 2048, 0));
    band.until("all in the listener's mix", Some(&mut cat), 0, |h| is_mix_of(h, 12_288, 12_288));
    assert_eq!(band.hears(0), [SourceId::MIX], "one stream");
    assert_eq!(band.hears(1), [anns], "who did not ask for a mix hears everyone separately");

    take(band.playing[0].0, DownstreamMode::Mixed, vec![]);
    band.until("Ben at unity", None, 0, |h| is_mix_of(h, 4096, 4096));
    take(band.playing[0].0, DownstreamMode::Forwarded, vec![]);
    band.until("Ben by himself", None, 0, |h| h.source() == Some(bens));
    let deadline = Instant::now() + SOON;
    while band.hears(0) != [bens] {
        assert!(Instant::now() < deadline, "the mix goes on");
    }
    let told =
        |m: &ServerMessage| matches!(m, ServerMessage::Mix(m) if m.mode == DownstreamMode::Forwarded).then_some(());
    ann.control.wait_for(told);
}

#[test]
fn the_room_says_what_those_get_who_do_not_choose_and_the_wait_is_told() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    invite(&dir, &["lobby", "--mix", "one"]);
    let mut ann = Musician::join(&server.link, 1);
    let mut ben = Musician::join(&server.link, 2);
    assert_eq!(ann.joined.mix, DownstreamMode::Mixed);
    let mut band = Band { playing: vec![(&mut ann, 8192), (&mut ben, 4096)], began: Instant::now(), sent: 0 };
    band.until("Ben in Ann's mix", None, 0, |h| is_mix_of(h, 4096, 4096));
    assert_eq!(band.hears(0), [SourceId::MIX]);
    // Waits are looked at twice a second.
    band.hears(0);
    band.hears(0);
    band.hears(0);
    let wait = ann.control.wait_for(|m| if let ServerMessage::Mix(m) = m { m.wait_us } else { None });
    println!("sound waits {wait} us before it is mixed");
    assert!(wait > 0);
}

#[test]
fn who_takes_a_mix_is_told_the_level_and_the_wait_of_everyone_in_it() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let (mut ann, mut ben) = (Musician::join(&server.link, 1), Musician::join(&server.link, 2));
    let (anns, bens) = (ann.joined.source, ben.joined.source);
    // Levels are before the gains of whoever listens.
    let off = MixBalance { source: bens, gains: [0, 0], pans: [None; 2], layout: None };
    take(&mut ann, DownstreamMode::Mixed, vec![off]);
    let mut band = Band { playing: vec![(&mut ann, 8192), (&mut ben, 4096)], began: Instant::now(), sent: 0 };
    let level = [Peak(4096); 2];
    let tells = |heard: &Heard| match heard {
        Heard::MixReport(told) => {
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
        assert!(heard.iter().all(|h| !matches!(h, Heard::MixReport(_))), "who takes no mix is told nothing");
    }
}

#[test]
fn a_musician_who_comes_to_the_seat_of_another_has_a_gain_of_their_own() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let (mut ann, mut ben) = (Musician::join(&server.link, 1), Musician::join(&server.link, 2));
    let off = MixBalance { source: ben.joined.source, gains: [0, 0], pans: [None; 2], layout: None };
    take(&mut ann, DownstreamMode::Mixed, vec![off]);
    let mut band = Band { playing: vec![(&mut ann, 8192), (&mut ben, 4096)], began: Instant::now(), sent: 0 };
    band.until("silence", None, 0, |h| is_mix_of(h, 0, 0));
    drop(band);
    ben.control.say(&ClientMessage::Bye);
    ann.control.wait_for_a_leave();
    let mut again = Musician::join(&server.link, 2);
    assert_eq!(again.joined.source, off.source);
    let mut band = Band { playing: vec![(&mut ann, 8192), (&mut again, 4096)], began: Instant::now(), sent: 0 };
    band.until("their sound", None, 0, |h| is_mix_of(h, 4096, 4096));
}
