//! A room in which musicians join, leave, disappear and change their address, on a bad network: whether the server's
//! resources stay constant, and how soon each musician is back.

mod guest;
mod report;

pub use report::ServerReport;

use guest::{Guest, Impairments, PACKET_US};
use report::{Return, Sample};
use rtjam_client::Clock;
use rtjam_load::batch_receiver::BatchReceiver;
use rtjam_load::control::ControlConnections;
use rtjam_load::process::{self, ProcessUsage};
use rtjam_protocol::Micros;
use rtjam_protocol::link::{InviteLink, Trust};
use rtjam_tests::room::Room;
use rtjam_tests::wait;
use std::net::SocketAddr;
use std::time::Duration;

/// Musicians in the room.
const MUSICIANS: usize = 20;

/// Loss of what each musician sends and of what each would receive.
const LOSS_PERCENT: u64 = 2;

/// Normal limit of a round of the loop; above it, this machine is busy with something else.
const ROUND: Micros = Micros::from_millis(20);

/// The server ends a session after 5 s, and closes an unresponsive connection after 10 s.
const QUIET: Duration = Duration::from_secs(20);

/// Interval at which the server's memory is sampled.
const SAMPLE_EVERY: Micros = Micros::from_secs(20);

/// A running soak test.
struct Soak<'a> {
    clock: Clock,
    control: ControlConnections,
    impairments: Impairments,
    receiver: BatchReceiver,
    guests: Vec<Guest>,
    /// Mean interval between disturbances.
    every: Micros,
    next_disturbance: Micros,
    last_round: Micros,
    /// Total time that this machine has withheld.
    stalled: Micros,
    returns: Vec<Return>,
    say: &'a mut dyn FnMut(&str),
}

/// Usage of the server when it is fully running (it answers) and nobody is connected any more.
fn figures_at_rest(pid: u32, server: SocketAddr) -> ProcessUsage {
    report::figures_of(server);
    let (mut last, mut same) = (process::usage(pid), 0);
    wait::until("a server at rest", QUIET, || {
        let now = process::usage(pid);
        same = if now.descriptors == last.descriptors { same + 1 } else { 0 };
        last = now;
        (same == 20).then_some(now)
    })
}

/// Plays for `length`; the first fifth of it, at most a minute, is the warm-up. `say` receives an occasional line.
///
/// # Panics
/// If the server does not start, or its link is invalid.
pub fn run(length: Duration, mut say: impl FnMut(&str)) -> ServerReport {
    let room = Room::start();
    let pid = room.child.pid();
    let link: InviteLink = room.invite.parse().expect("a link");
    let Some(Trust::Pinned(pin)) = link.key.as_ref().map(|key| key.trust) else { panic!("no pin in {}", room.invite) };
    let server = SocketAddr::from(([127, 0, 0, 1], room.port));
    let idle = figures_at_rest(pid, server);

    let clock = Clock::new();
    let now = clock.now();
    let mut soak = Soak {
        clock,
        control: ControlConnections::open(server, pin),
        impairments: Impairments::new(0x50A4, LOSS_PERCENT),
        receiver: BatchReceiver::default(),
        guests: (0..MUSICIANS).map(|_| Guest::new(link.clone(), server, now)).collect(),
        // Twenty minutes contain more than a thousand disturbances, half a minute still fifty.
        every: if length > Duration::from_secs(120) { Micros::from_millis(1000) } else { Micros::from_millis(400) },
        next_disturbance: Micros::from_secs(u64::MAX / 2_000_000),
        last_round: now,
        stalled: Micros::ZERO,
        returns: Vec::new(),
        say: &mut say,
    };
    let warm_up = (length / 5).min(Duration::from_secs(60));
    // Everyone at once first: this is the most memory that the room needs.
    soak.play(micros(warm_up / 2), pid);
    soak.next_disturbance = soak.clock.now();
    soak.play(micros(warm_up / 2), pid);
    let before = process::usage(pid);
    let samples = soak.play(micros(length), pid);
    let after = process::usage(pid);
    let figures = report::figures_of(server);
    let Soak { returns, stalled, .. } = soak.everyone_leaves();

    // The server gives up on musicians who disappeared after a while. Asking needs a connection, too, so ask first.
    wait::within(QUIET, || (report::figures_of(server).musicians == 0).then_some(()));
    let left = report::figures_of(server).musicians;
    wait::within(QUIET, || (process::usage(pid).descriptors <= idle.descriptors).then_some(()));
    let end = process::usage(pid);
    ServerReport { idle, before, after, end, samples, returns, stalled, figures, left }
}

fn micros(span: Duration) -> Micros {
    Micros(u64::try_from(span.as_micros()).unwrap_or(u64::MAX))
}

impl Soak<'_> {
    fn play(&mut self, length: Micros, pid: u32) -> Vec<Sample> {
        let start = self.clock.now();
        let (mut samples, mut next) = (Vec::new(), start);
        loop {
            let now = self.clock.now();
            if now.since(start) >= length {
                return samples;
            }
            if now >= next {
                next = now + SAMPLE_EVERY;
                let sample = Sample { at: now.since(start), figures: process::usage(pid) };
                (self.say)(&format!("{sample}, {} returns so far", self.returns.len()));
                samples.push(sample);
            }
            self.round(now);
            std::thread::park_timeout(Duration::from_micros(PACKET_US / 8));
        }
    }

    fn round(&mut self, now: Micros) {
        let took = now.since(self.last_round);
        if took > ROUND {
            self.stalled += took;
        }
        self.last_round = now;
        while let Some((connection, event)) = self.control.poll() {
            if let Some(guest) = self.guests.iter_mut().find(|g| g.is_called(connection)) {
                guest.handle(now, connection, event, &self.control);
            }
        }
        for guest in &mut self.guests {
            guest.hear(now, &mut self.receiver, &mut self.impairments, &self.control);
            guest.run_timers(now, self.stalled, &self.control);
            guest.play(now, &mut self.impairments);
        }
        if now >= self.next_disturbance {
            self.next_disturbance = now + Micros(self.impairments.below(2 * self.every.0));
            let who = self.impairments.below(MUSICIANS as u64) as usize;
            self.guests[who].disturb(now, self.stalled, &mut self.impairments, &self.control);
        }
        self.note_returns(now);
    }

    /// A musician is back when they hear all undisturbed musicians, and all of those hear them.
    fn note_returns(&mut self, now: Micros) {
        for n in 0..self.guests.len() {
            let Some(away) = self.guests[n].away() else { continue };
            let me = &self.guests[n];
            let mut others = self.guests.iter().enumerate().filter(|(m, other)| *m != n && other.is_settled());
            if !me.hears_anyone(away.since)
                || !others.all(|(_, other)| me.has_heard(other, away.since) && other.has_heard(me, away.since))
            {
                continue;
            }
            // Time that this machine withheld from everyone is not the server's.
            let stalled = self.stalled.since(away.stalled);
            self.returns.push(Return { how: away.how, took: now.since(away.since), stalled });
            self.guests[n].settle();
        }
    }

    /// Everyone says goodbye.
    fn everyone_leaves(mut self) -> Self {
        let now = self.clock.now();
        for guest in &mut self.guests {
            guest.leave(now, &self.control);
        }
        let _ = wait::within(Duration::from_millis(200), || None::<()>);
        self
    }
}
