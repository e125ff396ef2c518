//! Which room's packets a thread hands on next: each room gets an equal share of the thread, as long as it has packets.
//!
//! Start-time fair queueing (Goyal, Vin, Cheng 1996): each room has a tag, which grows by the work that is done for it. The
//! room with the lowest tag is next. A room that has had nothing to hand on begins where the others are, so nobody saves
//! up a share. As long as the thread keeps up, every room is served in every round, and the order alone differs.

/// Forwards of one turn: what a room may have before another one is looked at.
pub(super) const TURN: usize = 1024;

/// What one room has had of a thread.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Share {
    finish: u64,
}

/// The rooms that have packets in this round. Its memory is kept.
#[derive(Debug, Default)]
pub(super) struct Turns {
    now: u64,
    waiting: Vec<Turn>,
}

/// A room's packets, by where they lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    tag: u64,
    pub(super) begin: usize,
    pub(super) end: usize,
}

impl Turns {
    /// A round begins.
    pub(super) fn begin(&mut self) {
        self.waiting.clear();
    }

    /// A room has the packets from `begin` up to and without `end`.
    pub(super) fn add(&mut self, share: Share, begin: usize, end: usize) {
        if begin < end {
            self.waiting.push(Turn { tag: share.finish.max(self.now), begin, end });
        }
    }

    /// The room that is next.
    pub(super) fn next(&mut self) -> Option<Turn> {
        let (at, turn) = self.waiting.iter().copied().enumerate().min_by_key(|(_, turn)| (turn.tag, turn.begin))?;
        self.waiting.swap_remove(at);
        self.now = turn.tag;
        Some(turn)
    }

    /// The room's first packets, up to `end`, have been handed on, which took `work` forwards. The others wait for their
    /// next turn.
    pub(super) fn served(&mut self, turn: Turn, share: &mut Share, end: usize, work: usize) {
        share.finish = turn.tag + work as u64;
        self.add(*share, end, turn.end);
    }
}

#[cfg(test)]
mod tests {
    use super::super::shed::Shedder;
    use super::*;
    use rtjam_protocol::Micros;

    /// A room whose packets are numbers: when they came.
    struct Room {
        share: Share,
        shedder: Shedder,
        /// Packets a millisecond, and listeners of each.
        offers: (usize, usize),
        queue: Vec<Micros>,
        handed_on: usize,
        dropped: usize,
        longest: Micros,
    }

    fn room(packets: usize, listeners: usize) -> Room {
        let (share, shedder) = <(Share, Shedder)>::default();
        let longest = Micros::ZERO;
        Room { share, shedder, offers: (packets, listeners), queue: Vec::new(), handed_on: 0, dropped: 0, longest }
    }

    /// Two seconds of a thread that can do 1000 forwards a millisecond.
    fn run(rooms: &mut [Room]) {
        let mut turns = Turns::default();
        for ms in 0..2000 {
            let now = Micros::from_millis(ms);
            turns.begin();
            for (n, room) in rooms.iter_mut().enumerate() {
                room.queue.extend(std::iter::repeat_n(now, room.offers.0));
                let oldest = room.queue.first().map_or(Micros::ZERO, |at| now.since(*at));
                if let Some(limit) = room.shedder.oldest_allowed(now, oldest) {
                    let before = room.queue.len();
                    room.queue.retain(|at| now.since(*at) <= limit);
                    room.dropped += before - room.queue.len();
                }
                // A room's packets lie at its thousandth, so a turn tells whose it is.
                turns.add(room.share, n * 1_000_000, n * 1_000_000 + room.queue.len());
            }
            let mut left = 1000;
            while let Some(turn) = turns.next().filter(|_| left > 0) {
                let room = &mut rooms[turn.begin / 1_000_000];
                let count = (TURN.min(left) / room.offers.1).clamp(1, turn.end - turn.begin);
                let work = count * room.offers.1;
                left = left.saturating_sub(work);
                room.queue.drain(..count).for_each(|at| room.longest = room.longest.max(now.since(at)));
                room.handed_on += count;
                turns.served(turn, &mut room.share, turn.begin + count, work);
            }
        }
    }

    /// A room that asks for three times what the thread can do costs the others nothing, and has all that they leave.
    #[test]
    fn a_greedy_room_loses_alone() {
        let mut rooms = [room(48, 63), room(2, 3), room(4, 10), room(1, 1)];
        run(&mut rooms);
        for room in &rooms[1..] {
            assert_eq!((room.handed_on, room.dropped), (2000 * room.offers.0, 0));
            assert!(room.longest <= Micros::from_millis(1), "{:?}", room.longest);
        }
        let forwards = rooms[0].handed_on * 63;
        assert!(forwards > 2000 * 900 && rooms[0].dropped > 0, "{forwards}");
    }

    /// Two rooms that both ask for too much get the same, whatever they ask for.
    #[test]
    fn greedy_rooms_share_equally() {
        let mut rooms = [room(48, 63), room(200, 10), room(2, 3)];
        run(&mut rooms);
        let [a, b, _] = [0, 1, 2].map(|n| rooms[n].handed_on * rooms[n].offers.1);
        assert!(a.abs_diff(b) * 50 < a, "{a} and {b}");
        assert_eq!(rooms[2].dropped, 0);
    }

    /// A room that had nothing for long has not saved up a share with which it could hold up others.
    #[test]
    fn nobody_saves_up_a_share() {
        let (mut turns, mut busy) = (Turns::default(), Share::default());
        for _ in 0..1000 {
            turns.begin();
            turns.add(busy, 0, 1);
            let turn = turns.next().expect("its turn");
            turns.served(turn, &mut busy, 1, 50);
        }
        let mut late = Share::default();
        turns.begin();
        turns.add(busy, 0, 10);
        turns.add(late, 10, 1010);
        let mut before = 0;
        while let Some(turn) = turns.next().filter(|turn| turn.begin >= 10) {
            before += 1;
            turns.served(turn, &mut late, turn.begin + 1, 50);
        }
        assert!(before <= 2, "{before}");
    }
}
