//! What copies of lost packets bring: reckoned from when the packets came that would have carried them.
//!
//! A copy that travels so many packets behind its original comes with the packet that carries it. So for every loss it
//! is known which distances would have brought the sound in time, also those that were not tried.

use rtjam_protocol::Sequence;

/// The farthest that a copy is looked for behind its packet, in packets.
pub(crate) const FARTHEST: usize = 32;

/// Packets that are remembered: those that may carry copies of the one that is judged, and what overtakes.
const KEPT: usize = 64;

/// Losses come in runs: the first in half a minute, however long it is, is taken for as many packets in a row.
const FIRST: f32 = 2.0;

/// When all packets come counts as much as when those came that followed so many lost ones.
const FEW: f32 = 4.0;

/// Memory: after so many frames (30 s) an observation counts half.
const HALF_LIFE: f32 = 30.0 * 48_000.0;

/// A stream begins as if so much (2.5 s) had been heard without a loss.
const BEGIN: f32 = 2.5 * 48_000.0;

/// Recovery is at work when it brings at least one lost packet in so many, be it late.
const AT_WORK: f32 = 16.0;

/// It is at work, too, where copies came in the last so many frames (2 s), though none was needed yet.
const COPIES_LATELY: f32 = 96_000.0;

/// Losses of one stream, and what would have mended them. Audio thread.
pub(crate) struct Losses {
    /// By sequence number.
    recent: [Came; KEPT],
    newest: Option<Sequence>,
    /// Frames of the usual packet.
    packet: usize,
    /// Frames judged, of these lost, of these sent again.
    heard: f32,
    lost: f32,
    again: f32,
    /// Frames since a copy came.
    since_copy: f32,
    /// By distance: frames of lost packets whose copy's carrier came, and that it would have brought in time, as it is and
    /// with a packet more of delay.
    carried: [f32; FARTHEST + 1],
    brings: [[f32; 2]; FARTHEST + 1],
    /// Frames of packets that came, by one more than the farthest distance from which they would have brought a copy in
    /// time; 0 for those that were late themselves.
    reach: [f32; FARTHEST + 2],
}

/// How a packet came.
#[derive(Clone, Copy)]
struct Came {
    sequence: Sequence,
    how: How,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum How {
    NotYet,
    /// By itself, with this slack at the place where the stream began.
    Itself(i64),
    /// Sent again.
    Again,
    /// It was before the stream's first.
    Before,
}

/// The distance that brings most, and how much: frames of lost packets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Best {
    /// In packets, from 1; 0 where nothing is brought.
    pub(crate) distance: usize,
    frames: f32,
}

impl Losses {
    pub(crate) fn new() -> Losses {
        Losses {
            recent: [Came { sequence: Sequence(0), how: How::NotYet }; KEPT],
            newest: None,
            packet: 0,
            heard: BEGIN,
            lost: 0.0,
            again: 0.0,
            since_copy: f32::INFINITY,
            carried: [0.0; FARTHEST + 1],
            brings: [[0.0; 2]; FARTHEST + 1],
            reach: [0.0; FARTHEST + 2],
        }
    }

    /// A stream starts.
    pub(crate) fn restart(&mut self) {
        *self = Losses::new();
    }

    /// Frames of the usual packet.
    pub(crate) fn packet(&self) -> usize {
        self.packet
    }

    /// A packet of so many frames came by itself, with this slack. `moved` is by how much the read position was moved
    /// forward, all in all, apart from grace.
    pub(crate) fn came(&mut self, sequence: Sequence, slack: i64, moved: i64, frames: usize) {
        self.packet = frames;
        self.advance(sequence, moved);
        self.note(sequence, How::Itself(slack + moved));
    }

    /// A packet was lost and came again.
    pub(crate) fn came_again(&mut self, sequence: Sequence) {
        if self.newest.is_some_and(|newest| sequence.ahead_of(newest) < 0) {
            self.note(sequence, How::Again);
        }
    }

    /// A copy came, of whatever packet.
    pub(crate) fn copy_came(&mut self) {
        self.since_copy = 0.0;
    }

    /// So many frames of time pass.
    pub(crate) fn forget(&mut self, frames: f32) {
        self.since_copy += frames;
        let kept = (-frames / HALF_LIFE).exp2();
        [&mut self.heard, &mut self.lost, &mut self.again].into_iter().for_each(|v| *v *= kept);
        let all = [self.brings.as_flattened_mut(), &mut self.carried, &mut self.reach];
        all.into_iter().flatten().for_each(|v| *v *= kept);
    }

    /// What copies bring as it is, and with a packet more of delay. Of equals the farthest, which mends the longest run.
    pub(crate) fn best(&self) -> [Best; 2] {
        let came = self.reach.iter().sum::<f32>().max(1.0);
        let mut best = [Best { distance: 0, frames: 0.0 }; 2];
        let mut far = came - self.reach[0];
        for distance in 1..=FARTHEST {
            let nearer = far;
            far -= self.reach[distance];
            for (which, in_time) in [far, nearer].into_iter().enumerate() {
                let frames = self.brought(distance, which, (in_time / came).clamp(0.0, 1.0));
                if frames > 0.0 && frames >= best[which].frames {
                    best[which] = Best { distance, frames };
                }
            }
        }
        best
    }

    /// Frames of lost packets that copies from this distance bring, where this share of all packets would be in time: few
    /// losses say little of when what comes after them comes.
    fn brought(&self, distance: usize, which: usize, in_time: f32) -> f32 {
        let (carried, doubt) = (self.carried[distance], FEW * self.packet as f32);
        if carried > 0.0 { carried * (self.brings[distance][which] + doubt * in_time) / (carried + doubt) } else { 0.0 }
    }

    /// The share of all sound that a packet more of delay brings; 0 where nothing is sent again.
    pub(crate) fn share_brought(&self) -> f32 {
        let [without, with] = self.best();
        let at_work = self.since_copy < COPIES_LATELY || self.again * AT_WORK >= self.lost;
        if at_work { (with.frames - without.frames) / self.heard.max(1.0) } else { 0.0 }
    }

    /// Judges all that is far enough behind the new number.
    fn advance(&mut self, sequence: Sequence, moved: i64) {
        let Some(newest) = self.newest else {
            // What was before the first is not missed.
            for back in 0..KEPT as u32 {
                let before = Sequence(sequence.0.wrapping_sub(back));
                *self.place(before) = Came { sequence: before, how: How::Before };
            }
            self.place(sequence).how = How::NotYet;
            self.newest = Some(sequence);
            return;
        };
        let ahead = sequence.ahead_of(newest);
        if ahead <= 0 {
            return;
        }
        if ahead as usize > FARTHEST {
            // A pause, not a loss.
            self.newest = None;
            return self.advance(sequence, moved);
        }
        for step in 1..=ahead.unsigned_abs() {
            let next = Sequence(newest.0.wrapping_add(step));
            *self.place(next) = Came { sequence: next, how: How::NotYet };
            self.judge(Sequence(next.0.wrapping_sub(FARTHEST as u32 + 1)), moved);
        }
        self.newest = Some(sequence);
    }

    fn judge(&mut self, sequence: Sequence, moved: i64) {
        let (packet, of) = (self.packet as i64, self.packet as f32);
        let how = self.how(sequence);
        self.heard += of;
        match how {
            How::Itself(slack) => {
                let reach = (slack - moved).div_euclid(packet.max(1)).clamp(-1, FARTHEST as i64);
                self.reach[(reach + 1) as usize] += of;
                return;
            }
            How::Before => return,
            How::Again | How::NotYet => {}
        }
        let first = self.lost < of / 2.0;
        self.lost += of;
        self.again += if how == How::Again { of } else { 0.0 };
        for distance in 1..=FARTHEST {
            let How::Itself(slack) = self.how(Sequence(sequence.0.wrapping_add(distance as u32))) else { continue };
            let late = moved + distance as i64 * packet - slack;
            let of = if first && distance > 1 { FIRST * of } else { of };
            self.carried[distance] += of;
            let brings = &mut self.brings[distance];
            brings[0] += if late <= 0 { of } else { 0.0 };
            brings[1] += if late <= packet { of } else { 0.0 };
        }
    }

    fn how(&self, sequence: Sequence) -> How {
        let came = self.recent[sequence.0 as usize % KEPT];
        if came.sequence == sequence { came.how } else { How::NotYet }
    }

    fn note(&mut self, sequence: Sequence, how: How) {
        let place = self.place(sequence);
        if place.sequence == sequence && place.how == How::NotYet {
            place.how = how;
        }
    }

    fn place(&mut self, sequence: Sequence) -> &mut Came {
        &mut self.recent[sequence.0 as usize % KEPT]
    }
}
