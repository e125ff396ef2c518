//! Playout between hosts that stall: each cause alone and some in pairs, three traces of each with packets and blocks of 64
//! and 128 frames, through the real engine in virtual time.
//!
//! `lab table --stall WHO:HOW:MS:EVERY` shows the figures.

use rtjam_lab::model::Model;
use rtjam_lab::stall::Stall;
use rtjam_lab::table::{self, Plan, Row};

/// Of the traces; stalls begin after 6 s.
const SECONDS: f64 = 16.0;
const STALLS_UNTIL: f64 = 12.0;

/// The mean delay while stalls last, over that of the constant delay that is best in hindsight by the price of late packets.
const OVER_ORACLE: f64 = 1.15;

/// The delay is back so long after the last stall, in s.
const BACK_S: f64 = 2.0;

fn stalls(texts: &[&str]) -> Vec<Stall> {
    texts.iter().map(|text| text.parse().expect("a stall")).collect()
}

fn play(model: Model, texts: &[&str]) -> Vec<Row> {
    let plan = Plan {
        models: vec![model],
        seconds: SECONDS,
        seeds: 3,
        stalls: stalls(texts),
        stalls_until: STALLS_UNTIL,
        ..Plan::default()
    };
    table::run(&plan).expect("settings fit")
}

/// Packets that a stall can touch at most.
fn touched(stall: &Stall, packet: usize) -> f64 {
    (stall.ms * 48.0 / packet as f64).ceil() + 1.0
}

/// The same on average, of stalls that come as often as they do.
fn touched_each(stalls: &[Stall], packet: usize) -> f64 {
    let often = |stall: &Stall| 1.0 / stall.every_ms;
    stalls.iter().map(|stall| touched(stall, packet) * often(stall)).sum::<f64>()
        / stalls.iter().map(often).sum::<f64>()
}

/// Plays each of these causes, and fails with every trace that is out of bounds. The network itself makes up to `besides`
/// packets late.
fn assert_bounds(model: Model, causes: &[&[&str]], besides: f64) {
    let mut wrong = String::new();
    for texts in causes {
        for row in play(model, texts) {
            for (seed, report) in (1..).zip(&row.reports) {
                let aftermath = report.aftermath.expect("there were stalls");
                let ratio = aftermath.mean_ms / aftermath.oracle_ms;
                let each = touched_each(&stalls(texts), row.packet);
                let late = report.late as f64 - besides;
                if ratio > OVER_ORACLE || aftermath.back_s > BACK_S || late > each * aftermath.stalls as f64 {
                    wrong += &format!(
                        "{model} {texts:?} {}/{} seed {seed}: {ratio:.3} of the oracle, back after {:.2} s, {late} late in \
                         {} stalls\n",
                        row.packet, row.block, aftermath.back_s, aftermath.stalls
                    );
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Guards: callbacks of the sender that come late, or never, cost no delay that is not worth it, and none for long.
#[test]
fn a_sender_that_stalls_costs_little() {
    assert_bounds(Model::Lan, &[&["sender:late:4:1000"], &["sender:lost:4:1000"], &["sender:reset:4:1000"]], 0.0);
    assert_bounds(Model::Fiber, &[&["sender:reset:30:2000"]], 4.0);
}

/// Guards: callbacks of the receiver that come late, or never, cost next to nothing.
#[test]
fn a_receiver_that_stalls_costs_nothing() {
    let causes: &[&[&str]] = &[&["receiver:late:4:1000"], &["receiver:lost:4:1000"], &["receiver:reset:4:1000"]];
    assert_bounds(Model::Lan, causes, 0.0);
    assert_bounds(Model::Fiber, &[&["receiver:reset:30:2000"]], 4.0);
}

/// Guards: what both hosts of one machine lose together is no delay for either.
#[test]
fn both_hosts_that_stall_together_cost_little() {
    assert_bounds(Model::Lan, &[&["both:lost:4:1000"], &["both:reset:4:1000"]], 0.0);
    assert_bounds(Model::Fiber, &[&["both:late:4:1000"], &["both:reset:4:1000"]], 4.0);
}

/// Guards: what the server holds back regularly is late, and nothing else is.
#[test]
fn a_server_that_stalls_costs_little() {
    assert_bounds(Model::Lan, &[&["server:late:4:1000"], &["server:late:10:1000"]], 0.0);
}

/// Guards: causes that come together are each answered as if they came alone.
#[test]
fn causes_in_pairs_cost_no_more_than_each_alone() {
    let causes: &[&[&str]] = &[
        &["sender:reset:4:1000", "receiver:lost:4:700"],
        &["sender:lost:4:1000", "server:late:4:900"],
        &["receiver:reset:4:1000", "server:late:6:800"],
        &["both:reset:4:1000", "sender:late:4:600"],
    ];
    assert_bounds(Model::Fiber, causes, 4.0);
}
