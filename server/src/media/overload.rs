//! What a media thread does when it has more to forward than it can: fair queueing gives each room with packets an equal
//! share, and load shedding drops the oldest packets of the rooms that take more.
//!
//! Fair queueing is start-time fair queueing (Goyal, Vin, Cheng 1996): each room has a tag, which grows by the work that is
//! done for the room. The room with the lowest tag is next. A room that had no packets starts at the tag of the others, so
//! it cannot save up a share. As long as the thread keeps up, it serves every room in every round, and only the order
//! differs.
//!
//! Load shedding keeps fresh what an overloaded thread forwards. A single stall is not overload; after it everything is
//! forwarded, late.

use rtjam_protocol::Micros;

/// Work of one turn, in forwarded datagrams: what a room may have before another room's turn.
pub(super) const TURN: usize = 1024;

/// What one room has had of a thread.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoomShare {
    finish: u64,
}

/// The rooms that have packets in this round. Keeps its memory.
#[derive(Debug, Default)]
pub(super) struct FairQueue {
    now: u64,
    waiting: Vec<RoomTurn>,
}

/// Packets of one room, by their indices in the forward queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RoomTurn {
    tag: u64,
    pub(super) begin: usize,
    pub(super) end: usize,
}

impl FairQueue {
    /// Begins a round.
    pub(super) fn begin(&mut self) {
        self.waiting.clear();
    }

    /// Adds a room that has the packets `begin..end`.
    pub(super) fn add(&mut self, share: RoomShare, begin: usize, end: usize) {
        if begin < end {
            self.waiting.push(RoomTurn { tag: share.finish.max(self.now), begin, end });
        }
    }

    /// The next room's packets.
    pub(super) fn next(&mut self) -> Option<RoomTurn> {
        let (at, turn) = self.waiting.iter().copied().enumerate().min_by_key(|(_, turn)| (turn.tag, turn.begin))?;
        self.waiting.swap_remove(at);
        self.now = turn.tag;
        Some(turn)
    }

    /// Records that the turn's packets before `end` have been forwarded, as `work` datagrams. The others wait for their next
    /// turn.
    pub(super) fn record_served(&mut self, turn: RoomTurn, share: &mut RoomShare, end: usize, work: usize) {
        share.finish = turn.tag + work as u64;
        self.add(*share, end, turn.end);
    }
}

/// In overload, packets that have waited for longer are dropped: the duration of two packets.
const TOO_OLD: Micros = Micros::from_millis(6);

/// A room is overloaded when some of its packets have been too old for this long without a break.
const PATIENCE: Micros = Micros::from_millis(50);

/// Detects the overload of one room at one thread.
#[derive(Debug, Default)]
pub(super) struct Shedder {
    behind_since: Option<Micros>,
    last_checked: Micros,
}

impl Shedder {
    /// The greatest age of packets that may be forwarded now, given the age of the room's oldest packet. `None` permits any
    /// age.
    pub(super) fn oldest_allowed(&mut self, now: Micros, oldest: Micros) -> Option<Micros> {
        let paused = now.since(std::mem::replace(&mut self.last_checked, now)) >= PATIENCE;
        if oldest <= TOO_OLD {
            self.behind_since = None;
        } else if paused || self.behind_since.is_none() {
            self.behind_since = Some(now);
        }
        self.behind_since.filter(|since| now.since(*since) >= PATIENCE).map(|_| TOO_OLD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A room whose packets are their times of arrival.
    struct Room {
        share: RoomShare,
        shedder: Shedder,
        /// Packets a millisecond, and recipients of each.
        offers: (usize, usize),
        queue: Vec<Micros>,
        forwarded: usize,
        dropped: usize,
        longest: Micros,
    }

    fn room(packets: usize, recipients: usize) -> Room {
        let (share, shedder) = <(RoomShare, Shedder)>::default();
        let longest = Micros::ZERO;
        Room { share, shedder, offers: (packets, recipients), queue: Vec::new(), forwarded: 0, dropped: 0, longest }
    }

    /// Two seconds of a thread that can forward 1000 datagrams a millisecond.
    fn run(rooms: &mut [Room]) {
        let mut fair = FairQueue::default();
        for ms in 0..2000 {
            let now = Micros::from_millis(ms);
            fair.begin();
            for (n, room) in rooms.iter_mut().enumerate() {
                room.queue.extend(std::iter::repeat_n(now, room.offers.0));
                let oldest = room.queue.first().map_or(Micros::ZERO, |at| now.since(*at));
                if let Some(limit) = room.shedder.oldest_allowed(now, oldest) {
                    let before = room.queue.len();
                    room.queue.retain(|at| now.since(*at) <= limit);
                    room.dropped += before - room.queue.len();
                }
                // Each room has a million indices of its own, so a turn tells which room it belongs to.
                fair.add(room.share, n * 1_000_000, n * 1_000_000 + room.queue.len());
            }
            let mut left = 1000;
            while let Some(turn) = fair.next().filter(|_| left > 0) {
                let room = &mut rooms[turn.begin / 1_000_000];
                let count = (TURN.min(left) / room.offers.1).clamp(1, turn.end - turn.begin);
                let work = count * room.offers.1;
                left = left.saturating_sub(work);
                room.queue.drain(..count).for_each(|at| room.longest = room.longest.max(now.since(at)));
                room.forwarded += count;
                fair.record_served(turn, &mut room.share, turn.begin + count, work);
            }
        }
    }

    /// A room that offers three times what the thread can do delays no other room and gets all that they leave.
    #[test]
    fn greedy_room_loses_alone() {
        let mut rooms = [room(48, 63), room(2, 3), room(4, 10), room(1, 1)];
        run(&mut rooms);
        for room in &rooms[1..] {
            assert_eq!((room.forwarded, room.dropped), (2000 * room.offers.0, 0));
            assert!(room.longest <= Micros::from_millis(1), "{:?}", room.longest);
        }
        let forwards = rooms[0].forwarded * 63;
        assert!(forwards > 2000 * 900 && rooms[0].dropped > 0, "{forwards}");
    }

    /// Two rooms that both offer too much get equal shares.
    #[test]
    fn greedy_rooms_share_equally() {
        let mut rooms = [room(48, 63), room(200, 10), room(2, 3)];
        run(&mut rooms);
        let [a, b, _] = [0, 1, 2].map(|n| rooms[n].forwarded * rooms[n].offers.1);
        assert!(a.abs_diff(b) * 50 < a, "{a} and {b}");
        assert_eq!(rooms[2].dropped, 0);
    }

    /// A room that was idle for long has not saved up a share.
    #[test]
    fn idle_room_saves_no_share() {
        let (mut fair, mut busy) = (FairQueue::default(), RoomShare::default());
        for _ in 0..1000 {
            fair.begin();
            fair.add(busy, 0, 1);
            let turn = fair.next().expect("its turn");
            fair.record_served(turn, &mut busy, 1, 50);
        }
        let mut late = RoomShare::default();
        fair.begin();
        fair.add(busy, 0, 10);
        fair.add(late, 10, 1010);
        let mut before = 0;
        while let Some(turn) = fair.next().filter(|turn| turn.begin >= 10) {
            before += 1;
            fair.record_served(turn, &mut late, turn.begin + 1, 50);
        }
        assert!(before <= 2, "{before}");
    }

    const LONG: Micros = Micros::from_millis(30);

    #[test]
    fn single_stall_drops_nothing() {
        let mut shedder = Shedder::default();
        for ms in (0..1000).step_by(40) {
            assert_eq!(shedder.oldest_allowed(Micros::from_millis(ms), LONG), None);
            assert_eq!(shedder.oldest_allowed(Micros::from_millis(ms + 1), Micros::ZERO), None);
        }
    }

    /// Overload drops old packets until the thread keeps up again.
    #[test]
    fn overload_drops_old_packets() {
        let mut shedder = Shedder::default();
        let dropped = (0..100).filter(|ms| shedder.oldest_allowed(Micros::from_millis(*ms), LONG).is_some()).count();
        assert_eq!(dropped, 50);
        assert_eq!(shedder.oldest_allowed(Micros::from_millis(100), TOO_OLD), None);
        assert_eq!(shedder.oldest_allowed(Micros::from_millis(101), LONG), None);
    }

    /// Two stalls with silence between them are not one long overload.
    #[test]
    fn pause_ends_overload() {
        let mut shedder = Shedder::default();
        for second in 0..10 {
            assert_eq!(shedder.oldest_allowed(Micros::from_secs(second), LONG), None);
        }
    }
}
