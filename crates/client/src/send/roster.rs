//! The other musicians in the room: their strips, and where their counts started.

use crate::slots::{Seating, SlotOwner};
use crate::snapshot::Present;
use crate::voice_counts::VoiceCounts;
use rtjam_engine::{Balance, Console};
use rtjam_protocol::SourceId;
use rtjam_protocol::control::{MixBalance, RosterEntry};
use std::collections::BTreeMap;

/// Everyone else in the room.
#[derive(Debug, Default)]
pub(super) struct StripRoster {
    /// This client's own source number.
    pub(super) own: Option<SourceId>,
    entries: Vec<RosterEntry>,
    changed: bool,
    seated: Vec<(RosterEntry, Present)>,
    /// The owner of each source number and their counts when they joined: after an interruption counting goes on.
    counts_before: BTreeMap<SourceId, (SlotOwner, VoiceCounts)>,
    /// The server has sent the roster of this session.
    known: bool,
    listeners: u16,
}

impl StripRoster {
    /// Takes the server's roster.
    pub(super) fn replace(&mut self, musicians: Vec<RosterEntry>, listeners: u16) {
        (self.entries, self.changed, self.known, self.listeners) = (musicians, true, true, listeners);
    }

    /// A new session has begun, whose roster will follow.
    pub(super) fn start_session(&mut self) {
        self.known = false;
    }

    pub(super) fn has_changed(&self) -> bool {
        self.changed
    }

    /// The number of other musicians; `None` before the roster has arrived.
    pub(super) fn others(&self) -> Option<usize> {
        self.known.then_some(self.seated.len())
    }

    /// The number of listeners, including this client if it is one.
    pub(super) fn listeners(&self) -> u16 {
        self.listeners
    }

    /// The balance of everyone who is not at unity, for the server's mix.
    pub(super) fn balances(&self, console: &Console) -> Vec<MixBalance> {
        let balances = self.seated.iter().map(|(entry, _)| (entry.source, console.balance(entry.source)));
        balances.filter(|(_, balance)| *balance != Balance::default()).map(|(s, b)| mix_balance(s, &b)).collect()
    }

    /// The source numbers of the musicians with these names.
    pub(super) fn named(&self, names: &[String]) -> Vec<SourceId> {
        let named = self.seated.iter().filter(|(entry, _)| names.contains(&entry.name));
        named.map(|(entry, _)| entry.source).collect()
    }

    pub(super) fn present(&self) -> Vec<Present> {
        self.seated.iter().map(|(_, present)| present.clone()).collect()
    }

    /// Gives everyone else their strip. Returns whether the user's slot map has changed.
    pub(super) fn assign_strips(&mut self, seating: &mut Seating, console: &Console) -> bool {
        self.changed = false;
        let (own, entries) = (self.own, std::mem::take(&mut self.entries));
        let others = || entries.iter().filter(|entry| Some(entry.source) != own);
        let changed = seating.update(others().map(|entry| (owner(entry), entry.name.as_str())));
        let seated: Vec<_> =
            others().map(|entry| (entry.clone(), self.present_on_strip(entry, seating, console))).collect();
        for (gone, _) in self.seated.iter().filter(|(old, _)| !seated.iter().any(|(new, _)| new.source == old.source)) {
            console.assign(gone.source, None);
        }
        for (entry, present) in &seated {
            console.assign(entry.source, present.strip);
        }
        self.seated = seated;
        changed
    }

    pub(super) fn clear(&mut self, console: &Console) {
        for (gone, _) in self.seated.drain(..) {
            console.assign(gone.source, None);
        }
    }

    fn present_on_strip(&mut self, entry: &RosterEntry, seating: &Seating, console: &Console) -> Present {
        let counts_before = match self.counts_before.get(&entry.source) {
            Some((whose, counts)) if *whose == owner(entry) => *counts,
            _ => console.voice(entry.source).as_ref().map(VoiceCounts::of).unwrap_or_default(),
        };
        self.counts_before.insert(entry.source, (owner(entry), counts_before));
        Present {
            source: entry.source,
            name: entry.name.clone(),
            strip: seating.strip(owner(entry)),
            legacy: !entry.via.is_direct(),
            counts_before,
        }
    }
}

/// A balance in the server's units.
fn mix_balance(source: SourceId, balance: &Balance) -> MixBalance {
    // Gains and pans are within their ranges; casts would saturate.
    let gains = balance.gains.map(|gain| (gain.factor() * MixBalance::UNITY as f32).round() as u32);
    let pans = balance.pans.map(|pan| pan.map(|pan| (pan.position() * 1000.0).round() as i16));
    MixBalance { source, gains, pans, layout: balance.layout }
}

fn owner(entry: &RosterEntry) -> SlotOwner {
    SlotOwner { musician: entry.musician, instance: entry.instance }
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

    /// The server mixes by the gains, pans, mutes and solos set here.
    #[test]
    fn balances_follow_the_console() {
        let (_engine, _network, console) = rtjam_engine::engine(1, || {});
        let mut roster = StripRoster { own: Some(SourceId(2)), ..StripRoster::default() };
        let mut seating = Seating::default();
        roster.replace(vec![entry(1, 1), entry(2, 2), entry(3, 3)], 0);
        roster.assign_strips(&mut seating, &console);
        assert_eq!(roster.balances(&console), []);
        let channels = |strip: usize| console.strip(strip).expect("a strip").channels();
        channels(0)[1].set_gain(rtjam_engine::Gain::db(-6.0));
        channels(0)[0].set_pan(Some(rtjam_engine::Pan::new(-0.25)));
        channels(1).iter().for_each(|channel| channel.set_mute(true));
        let balance = |source, gains, pans| MixBalance { source: SourceId(source), gains, pans, layout: None };
        let quiet = balance(1, [10_000, 5012], [Some(-250), None]);
        assert_eq!(roster.balances(&console), [quiet, balance(3, [0, 0], [None; 2])]);
        channels(1)[0].set_mute(false);
        channels(1)[0].set_solo(true);
        let alone = balance(3, [10_000, 0], [None; 2]);
        assert_eq!(roster.balances(&console), [MixBalance { gains: [0, 0], ..quiet }, alone]);
    }

    /// Everyone else plays on the strip of their slot until they leave.
    #[test]
    fn musicians_play_on_their_strips() {
        let (_engine, _network, console) = rtjam_engine::engine(1, || {});
        let mut roster = StripRoster { own: Some(SourceId(2)), ..StripRoster::default() };
        let mut seating = Seating::default();
        assert_eq!(roster.others(), None);
        roster.replace(vec![entry(1, 1), entry(2, 2), entry(3, 3)], 0);
        assert!(roster.assign_strips(&mut seating, &console));
        assert_eq!(strips(&console, [1, 2, 3]), [Some(0), None, Some(1)]);
        assert_eq!(roster.others(), Some(2));

        // Back under other source numbers, they have the same slots.
        roster.replace(vec![entry(1, 3), entry(3, 1)], 0);
        roster.assign_strips(&mut seating, &console);
        assert_eq!(strips(&console, [1, 2, 3]), [Some(1), None, Some(0)]);

        roster.replace(vec![entry(2, 2)], 0);
        assert!(!roster.assign_strips(&mut seating, &console));
        assert_eq!(strips(&console, [1, 2, 3]), [None; 3]);
        assert_eq!(roster.others(), Some(0));
    }
}
