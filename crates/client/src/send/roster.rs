//! Who else is in the room, on which strip, and since when we count.

use crate::shared::{Heard, Present};
use crate::slots::{Seating, Who};
use rtjam_engine::{Balance, Console};
use rtjam_protocol::SourceId;
use rtjam_protocol::control::{MixBalance, RosterEntry};
use std::collections::BTreeMap;

/// The others.
#[derive(Debug, Default)]
pub(super) struct Roster {
    entries: Vec<RosterEntry>,
    is_new: bool,
    seated: Vec<(RosterEntry, Present)>,
    /// Whose sound a number is, and their counts when they first came: whoever is back after an interruption is counted
    /// on.
    counted: BTreeMap<SourceId, (Who, Heard)>,
    /// Whether the server has said who is in the room.
    known: bool,
    listeners: u16,
}

impl Roster {
    /// The server says who is in the room.
    pub(super) fn replace(&mut self, musicians: Vec<RosterEntry>, listeners: u16) {
        (self.entries, self.is_new, self.known, self.listeners) = (musicians, true, true, listeners);
    }

    /// Another session has begun: what follows is its roster.
    pub(super) fn expect_another(&mut self) {
        self.known = false;
    }

    pub(super) fn is_new(&self) -> bool {
        self.is_new
    }

    /// How many others there are; `None` before the server has said.
    pub(super) fn others(&self) -> Option<usize> {
        self.known.then_some(self.seated.len())
    }

    /// How many listen, this end among them where it does.
    pub(super) fn listeners(&self) -> u16 {
        self.listeners
    }

    /// How everyone's sound is to be mixed, where it is not at unity.
    pub(super) fn balances(&self, console: &Console) -> Vec<MixBalance> {
        let balances = self.seated.iter().map(|(entry, _)| (entry.source, console.balance(entry.source)));
        balances.filter(|(_, balance)| *balance != Balance::default()).map(|(s, b)| told(s, &b)).collect()
    }

    /// The numbers of those others who have these names.
    pub(super) fn named(&self, names: &[String]) -> Vec<SourceId> {
        let named = self.seated.iter().filter(|(entry, _)| names.contains(&entry.name));
        named.map(|(entry, _)| entry.source).collect()
    }

    pub(super) fn present(&self) -> Vec<Present> {
        self.seated.iter().map(|(_, present)| present.clone()).collect()
    }

    /// Gives everyone but `me` their strip. Returns whether the slot map has changed.
    pub(super) fn seat_everyone(&mut self, me: Option<SourceId>, seating: &mut Seating, console: &Console) -> bool {
        self.is_new = false;
        let entries = std::mem::take(&mut self.entries);
        let others = || entries.iter().filter(|entry| Some(entry.source) != me);
        let changed = seating.update(others().map(|entry| (who(entry), entry.name.as_str())));
        let seated: Vec<_> = others().map(|entry| (entry.clone(), self.seat(entry, seating, console))).collect();
        for (gone, _) in self.seated.iter().filter(|(old, _)| !seated.iter().any(|(new, _)| new.source == old.source)) {
            console.assign(gone.source, None);
        }
        for (entry, present) in &seated {
            console.assign(entry.source, present.strip);
        }
        self.seated = seated;
        changed
    }

    /// Nobody plays on a strip any more.
    pub(super) fn clear(&mut self, console: &Console) {
        for (gone, _) in self.seated.drain(..) {
            console.assign(gone.source, None);
        }
    }

    fn seat(&mut self, entry: &RosterEntry, seating: &Seating, console: &Console) -> Present {
        let heard_before = match self.counted.get(&entry.source) {
            Some((whose, heard)) if *whose == who(entry) => *heard,
            _ => console.voice(entry.source).as_ref().map(Heard::of).unwrap_or_default(),
        };
        self.counted.insert(entry.source, (who(entry), heard_before));
        Present {
            source: entry.source,
            name: entry.name.clone(),
            strip: seating.strip(who(entry)),
            classic: !entry.via.is_direct(),
            heard_before,
        }
    }
}

/// A balance as the server is told it.
fn told(source: SourceId, balance: &Balance) -> MixBalance {
    // Casts saturate; gains and pans are within their ranges.
    let gains = balance.gains.map(|gain| (gain.factor() * MixBalance::UNITY as f32).round() as u32);
    let pans = balance.pans.map(|pan| pan.map(|pan| (pan.position() * 1000.0).round() as i16));
    MixBalance { source, gains, pans, layout: balance.layout }
}

fn who(entry: &RosterEntry) -> Who {
    Who { musician: entry.musician, instance: entry.instance }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtjam_protocol::MusicianId;
    use rtjam_protocol::control::MemberAccess;

    fn entry(source: u16, n: u8) -> RosterEntry {
        RosterEntry {
            source: SourceId(source),
            name: format!("M{n}"),
            musician: MusicianId([n; 32]),
            instance: 0,
            via: MemberAccess::Direct,
        }
    }

    fn strips(console: &Console, sources: [u16; 3]) -> [Option<usize>; 3] {
        sources.map(|s| console.strip_of(SourceId(s)))
    }

    #[test]
    fn what_is_turned_here_is_what_the_server_mixes_by() {
        let (_engine, _network, console) = rtjam_engine::engine(1, || {});
        let (mut roster, mut seating) = (Roster::default(), Seating::default());
        roster.replace(vec![entry(1, 1), entry(2, 2), entry(3, 3)], 0);
        roster.seat_everyone(Some(SourceId(2)), &mut seating, &console);
        assert_eq!(roster.balances(&console), []);
        let channels = |strip: usize| console.strip(strip).expect("a strip").channels();
        channels(0)[1].set_gain(rtjam_engine::Gain::db(-6.0));
        channels(0)[0].set_pan(Some(rtjam_engine::Pan::new(-0.25)));
        channels(1).iter().for_each(|channel| channel.set_mute(true));
        let told = |source, gains, pans| MixBalance { source: SourceId(source), gains, pans, layout: None };
        let quiet = told(1, [10_000, 5012], [Some(-250), None]);
        assert_eq!(roster.balances(&console), [quiet, told(3, [0, 0], [None; 2])]);
        channels(1)[0].set_mute(false);
        channels(1)[0].set_solo(true);
        let alone = told(3, [10_000, 0], [None; 2]);
        assert_eq!(roster.balances(&console), [MixBalance { gains: [0, 0], ..quiet }, alone]);
    }

    #[test]
    fn everyone_else_plays_on_the_strip_of_their_slot_and_leaves_it_empty() {
        let (_engine, _network, console) = rtjam_engine::engine(1, || {});
        let (mut roster, mut seating) = (Roster::default(), Seating::default());
        assert_eq!(roster.others(), None);
        roster.replace(vec![entry(1, 1), entry(2, 2), entry(3, 3)], 0);
        assert!(roster.seat_everyone(Some(SourceId(2)), &mut seating, &console));
        assert_eq!(strips(&console, [1, 2, 3]), [Some(0), None, Some(1)]);
        assert_eq!(roster.others(), Some(2));

        // They come back under other numbers: the slots are theirs all the same.
        roster.replace(vec![entry(1, 3), entry(3, 1)], 0);
        roster.seat_everyone(Some(SourceId(2)), &mut seating, &console);
        assert_eq!(strips(&console, [1, 2, 3]), [Some(1), None, Some(0)]);

        roster.replace(vec![entry(2, 2)], 0);
        assert!(!roster.seat_everyone(Some(SourceId(2)), &mut seating, &console));
        assert_eq!(strips(&console, [1, 2, 3]), [None; 3]);
        assert_eq!(roster.others(), Some(0));
    }
}
