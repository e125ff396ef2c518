//! What hostile strangers and hostile musicians cost the others: the attacks of the program `abuse`, a few seconds each.
//!
//! Delays are left to the program: a busy machine would break their bounds.

use rtjam_abuse::attacks::{AttackContext, named};
use rtjam_abuse::report::{self, AttackResult};
use rtjam_abuse::testbed::Testbed;
use rtjam_tests::{programs, skip};
use std::time::Duration;

/// Carries an attack out against the server, whose figures must keep to their bounds.
fn withstands(name: &str, seconds: u64) {
    let testbed = match Testbed::build() {
        Ok(testbed) => testbed,
        Err(reason) => return skip::skipped(reason),
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

/// While silent connections flood the server, everybody who joins or resumes is in within three seconds.
#[test]
fn idle_connections_keep_nobody_out() {
    withstands("idle-tcp", 9);
}

/// Gaps in the counters of 64 lanes cost honest musicians nothing, in any room.
#[test]
fn lane_gaps_delay_no_musician() {
    withstands("lane-gaps", 4);
}

/// What a musician sends beyond an audio rate is forwarded to nobody, and costs the others nothing.
#[test]
fn packet_floods_reach_nobody() {
    withstands("packet-flood", 4);
}

/// Datagrams under a musician's session id that do not open cost that musician nothing, and get no answer.
#[test]
fn forged_datagrams_cost_victims_nothing() {
    withstands("forged", 4);
}

/// One absurd sample a packet turns nobody else down, and leaves no slot output above full scale.
#[test]
fn loud_samples_silence_nobody() {
    withstands("loud-sample", 4);
}

/// What a classic client sends beyond an audio rate is forwarded to nobody, and costs the others nothing.
#[test]
fn classic_floods_reach_nobody() {
    withstands("classic-flood", 4);
}

/// Wrong secrets from an address keep nobody who shares it from joining, and tell nobody which rooms there are.
#[test]
fn wrong_secrets_cost_neighbours_nothing() {
    withstands("join-budget", 4);
}

/// One who hears a musician and claims to wait for nothing does not switch retransmission off for the others.
#[test]
fn one_listener_stops_no_retransmission() {
    withstands("nack-zero", 4);
}

/// Renewing a link ends the sessions that the earlier one opened: they neither play on nor resume.
#[test]
fn revoked_links_end_their_sessions() {
    withstands("revoked", 4);
}

/// One link fills no room: seats are capped for each identity and for each address.
#[test]
fn one_link_leaves_seats_for_others() {
    withstands("one-link", 4);
}

/// Three hundred people who join at the same moment are in within five seconds, and the musicians lose nothing.
#[test]
fn crowds_get_in_at_once() {
    withstands("crowd", 8);
}
