//! What hostile strangers and hostile musicians cost the others: the attacks of the program `abuse`, a few seconds each.
//!
//! Delays are not checked here, because a busy machine would exceed their bounds; the program checks them.

use rtjam_abuse::attacks::{AttackContext, named};
use rtjam_abuse::report::{self, AttackResult};
use rtjam_abuse::testbed::Testbed;
use rtjam_tests::{machine, programs};
use std::time::Duration;

/// Runs an attack against a server; its figures must stay within their bounds.
fn withstands(name: &str, seconds: u64) {
    let testbed = match Testbed::build() {
        Ok(testbed) => testbed,
        Err(reason) => return machine::skipped(reason),
    };
    let server = programs::server();
    let context = AttackContext { testbed: &testbed, server: &server, length: Duration::from_secs(seconds) };
    let attack = named(name).expect("an attack of this name");
    let outcome = (attack.run)(&context).unwrap_or_else(|e| panic!("{name}: {e}"));
    let broken = outcome.broken().any(|figure| !figure.is_timing);
    let lines = report::lines(name, &AttackResult::Measured(outcome));
    eprintln!("{lines}");
    assert!(!broken, "{lines}");
}

/// While silent connections flood the server, everybody who joins or resumes succeeds within three seconds.
#[test]
fn idle_connections_keep_nobody_out() {
    withstands("idle-tcp", 9);
}

/// Gaps in the counters of 64 lanes cost honest musicians nothing, in any room.
#[test]
fn lane_gaps_delay_no_musician() {
    withstands("lane-gaps", 4);
}

/// Packets beyond a musician's audio rate are not forwarded and cost the others nothing.
#[test]
fn packet_floods_reach_nobody() {
    withstands("packet-flood", 4);
}

/// Datagrams with a musician's session id that fail to open cost that musician nothing and get no answer.
#[test]
fn forged_datagrams_cost_victims_nothing() {
    withstands("forged", 4);
}

/// An extreme sample in each packet does not attenuate the others, and no aux output exceeds full scale.
#[test]
fn loud_samples_silence_nobody() {
    withstands("loud-sample", 4);
}

/// Packets beyond a legacy client's audio rate are not forwarded and cost the others nothing.
#[test]
fn legacy_floods_reach_nobody() {
    withstands("classic-flood", 4);
}

/// Wrong secrets do not keep others with the same address from joining, and do not reveal which rooms exist.
#[test]
fn wrong_secrets_cost_neighbours_nothing() {
    withstands("join-budget", 4);
}

/// A listener who claims to wait for nothing does not switch retransmission off for the others.
#[test]
fn one_listener_stops_no_retransmission() {
    withstands("nack-zero", 4);
}

/// Renewing a link ends the sessions that the old link opened: they neither play on nor resume.
#[test]
fn revoked_links_end_their_sessions() {
    withstands("revoked", 4);
}

/// One link does not fill a room: seats are limited by identity and by address.
#[test]
fn one_link_leaves_seats_for_others() {
    withstands("one-link", 4);
}

/// Three hundred people who join together are in within five seconds, and the musicians lose nothing.
#[test]
fn crowds_get_in_at_once() {
    withstands("crowd", 8);
}
