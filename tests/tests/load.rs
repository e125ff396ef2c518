//! Many musicians at once: nothing lost, nothing twice.

use clap::Parser as _;
use rtjam_load::{self, LoadOptions, LoadReport};
use rtjam_tests::room::{Room, START};

#[test]
fn classic_clients_hear_each_other_whole() {
    let report = classic_load("--musicians 4 --seconds 2");
    assert_whole(&report, 4 * 750, 4 * 750 * 3);
    assert_eq!(report.heard_pct, [100.0; 2]);
}

fn load(room: &Room, more: &str) -> Report {
    run(&format!("load --join {} --pid {} {more}", room.invite, room.child.pid()))
}

/// Of classic clients, at a server of their own.
fn classic_load(more: &str) -> Report {
    let mut room = Room::start_with(&["--classic", "127.0.0.1:0"]);
    let address = room.child.wait_out("classic line", START, |l| l.strip_prefix("classic: ").map(str::to_owned));
    run(&format!("load --classic {address} {more}"))
}

fn run(line: &str) -> Report {
    let options = Options::try_parse_from(line.split(' ')).expect("flags");
    let report = rtjam_load::run(&options, |_| {}).expect("a run");
    eprintln!("{}", report.json());
    report
}

fn assert_whole(report: &Report, sent: u64, expected: u64) {
    assert_eq!((report.sent, report.expected), (sent, expected));
    assert_eq!((report.lost, report.duplicated, report.own_drops), (0, 0, 0), "{}", report.json());
}

#[test]
fn what_is_too_much_is_dropped_of_everyone_alike_and_once_it_is_over_nothing_is_lost() {
    let room = Room::start_with(&["--media-threads", "1"]);
    let too_much = load(&room, "--musicians 32 --packet 32 --seconds 3");
    let [least, most] = too_much.heard_pct;
    assert!(least > most / 2.0, "{}", too_much.json());
    let after = load(&room, "--musicians 4 --seconds 2");
    assert!(after.lost * 1000 <= after.expected * LOST_PER_MILLE, "{}", after.json());
}

#[test]
fn takers_of_a_mix_get_one_packet_a_tick_however_many_play() {
    let room = Room::start();
    let report = load(&room, "--musicians 6 --seconds 2 --mix one");
    assert!((6 * 700..=6 * 760).contains(&report.received), "{}", report.json());
}

/// What a flood is.
const FLOOD: &str = "--garbage 50000";

/// Of a thousand packets, those that a machine may lose that is busy with something else.
const LOST_PER_MILLE: u64 = 10;

/// Nothing came back, and the music went on.
fn assert_unmoved(report: &Report) {
    let garbage = report.garbage.expect("it was thrown");
    assert_eq!(garbage.answers, 0, "of {garbage:?}");
    assert!(report.lost * 1000 <= report.expected * LOST_PER_MILLE, "{}", report.json());
}

#[test]
fn a_flood_of_garbage_is_not_answered_and_takes_nothing_from_the_musicians() {
    let room = Room::start();
    assert_unmoved(&load(&room, &format!("--musicians 8 --seconds 4 {FLOOD}")));
}

#[test]
fn a_flood_of_garbage_is_not_answered_by_the_classic_port_and_takes_nothing_from_classic_clients() {
    assert_unmoved(&classic_load(&format!("--musicians 4 --seconds 4 {FLOOD}")));
}

#[test]
fn at_a_modest_load_nothing_is_lost_or_heard_twice() {
    let room = Room::start();
    assert_whole(&load(&room, "--musicians 6 --seconds 2"), 6 * 750, 6 * 750 * 5);
}

#[test]
fn rooms_are_apart_and_packets_that_come_all_at_once_are_heard_once() {
    let room = Room::start();
    let report = load(&room, "--musicians 9 --rooms 3 --packet 256 --seconds 2 --arrivals aligned");
    assert_whole(&report, 9 * 375, 9 * 375 * 2);
    assert_eq!(report.heard_pct, [100.0; 2]);
}

#[test]
fn musicians_counted_by_header_alone_are_counted_whole() {
    let room = Room::start();
    let report = load(&room, "--musicians 21 --rooms 7 --packet 256 --seconds 1");
    assert_eq!(report.opened_share, 16);
    assert_whole(&report, 21 * 187, 21 * 187 * 2);
}
