//! Many musicians at once: no packet is lost or duplicated.

use clap::Parser as _;
use rtjam_load::{LoadOptions, LoadReport};
use rtjam_tests::room::{Room, START};

/// Legacy clients receive each packet of the others exactly once.
#[test]
fn legacy_clients_lose_nothing() {
    let report = legacy_load("--musicians 4 --seconds 2");
    assert_nothing_lost(&report, 4 * 750, 4 * 750 * 3);
    assert_eq!(report.heard_pct, [100.0; 2]);
}

fn load(room: &Room, more: &str) -> LoadReport {
    run(&format!("load --join {} --pid {} {more}", room.invite, room.child.pid()))
}

/// Runs a load of legacy clients on their own server.
fn legacy_load(more: &str) -> LoadReport {
    let mut room = Room::start_with(&["--classic", "127.0.0.1:0"]);
    let address =
        room.child.wait_out("line with the legacy port", START, |l| l.strip_prefix("classic: ").map(str::to_owned));
    run(&format!("load --classic {address} {more}"))
}

fn run(line: &str) -> LoadReport {
    let options = LoadOptions::try_parse_from(line.split(' ')).expect("flags");
    let report = rtjam_load::run(&options, |_| {}).expect("a run");
    eprintln!("{}", report.json());
    report
}

fn assert_nothing_lost(report: &LoadReport, sent: u64, expected: u64) {
    assert_eq!((report.sent, report.expected), (sent, expected));
    assert_eq!((report.lost, report.duplicated, report.own_drops), (0, 0, 0), "{}", report.json());
}

/// Overload drops packets of all musicians alike, and ends with its cause.
#[test]
fn overload_is_shared_then_ends() {
    let room = Room::start_with(&["--media-threads", "1"]);
    let too_much = load(&room, "--musicians 32 --packet 32 --seconds 3");
    let [least, most] = too_much.heard_pct;
    assert!(least > most / 2.0, "{}", too_much.json());
    let after = load(&room, "--musicians 4 --seconds 2");
    assert!(after.lost * 1000 <= after.expected * LOST_PER_MILLE, "{}", after.json());
}

/// With a mix, the number of packets does not depend on the number of musicians.
#[test]
fn mixed_musicians_get_one_stream() {
    let room = Room::start();
    let report = load(&room, "--musicians 6 --seconds 2 --mix one");
    assert!((6 * 700..=6 * 760).contains(&report.received), "{}", report.json());
}

/// A flood of garbage.
const FLOOD: &str = "--garbage 50000";

/// Packets per thousand that a busy machine may lose.
const LOST_PER_MILLE: u64 = 10;

/// The garbage got no answer, and the audio continued.
fn assert_unaffected(report: &LoadReport) {
    let garbage = report.garbage.expect("garbage was sent");
    assert_eq!(garbage.answers, 0, "of {garbage:?}");
    assert!(report.lost * 1000 <= report.expected * LOST_PER_MILLE, "{}", report.json());
}

/// A flood of garbage gets no answer and costs the musicians nothing.
#[test]
fn garbage_costs_musicians_nothing() {
    let room = Room::start();
    assert_unaffected(&load(&room, &format!("--musicians 8 --seconds 4 {FLOOD}")));
}

/// The same at the legacy port.
#[test]
fn garbage_costs_legacy_clients_nothing() {
    assert_unaffected(&legacy_load(&format!("--musicians 4 --seconds 4 {FLOOD}")));
}

/// At a modest load each packet arrives exactly once.
#[test]
fn modest_load_loses_nothing() {
    let room = Room::start();
    assert_nothing_lost(&load(&room, "--musicians 6 --seconds 2"), 6 * 750, 6 * 750 * 5);
}

/// Rooms do not hear each other, and packets that arrive together are heard once.
#[test]
fn rooms_are_separate() {
    let room = Room::start();
    let report = load(&room, "--musicians 9 --rooms 3 --packet 256 --seconds 2 --arrivals aligned");
    assert_nothing_lost(&report, 9 * 375, 9 * 375 * 2);
    assert_eq!(report.heard_pct, [100.0; 2]);
}

/// Musicians that only read headers count the same packets.
#[test]
fn header_counting_is_complete() {
    let room = Room::start();
    let report = load(&room, "--musicians 21 --rooms 7 --packet 256 --seconds 1");
    assert_eq!(report.opened_share, 16);
    assert_nothing_lost(&report, 21 * 187, 21 * 187 * 2);
}
