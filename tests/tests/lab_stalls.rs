//! Playout between hosts that stall: each cause alone and some in pairs, through the real engine in virtual time, with three
//! traces each and packets and blocks of 64 and 128 frames.
//!
//! `lab table --stall WHO:HOW:MS:EVERY` prints the figures.

use rtjam_lab::model::Model;
use rtjam_lab::stall::Stall;
use rtjam_lab::table::{self, TablePlan, TableRow};

/// Length of the traces; stalls begin after 6 s.
const SECONDS: f64 = 16.0;
const STALLS_UNTIL: f64 = 12.0;

/// Mean delay during the stalls, relative to the best constant delay in hindsight at the price of late packets.
const OVER_ORACLE: f64 = 1.15;

/// Seconds after the last stall until the delay is back.
const BACK_S: f64 = 2.0;

fn stalls(texts: &[&str]) -> Vec<Stall> {
    texts.iter().map(|text| text.parse().expect("a stall")).collect()
}

fn play(model: Model, texts: &[&str]) -> Vec<TableRow> {
    let plan = TablePlan {
        models: vec![model],
        seconds: SECONDS,
        seeds: 1..4,
        stalls: stalls(texts),
        stalls_until: STALLS_UNTIL,
        ..TablePlan::default()
    };
    table::run(&plan).expect("settings fit")
}

/// Largest number of packets that one stall can affect.
fn touched(stall: &Stall, packet: usize) -> f64 {
    (stall.ms * 48.0 / packet as f64).ceil() + 1.0
}

/// The mean over stalls of different frequency.
fn touched_each(stalls: &[Stall], packet: usize) -> f64 {
    let often = |stall: &Stall| 1.0 / stall.every_ms;
    stalls.iter().map(|stall| touched(stall, packet) * often(stall)).sum::<f64>()
        / stalls.iter().map(often).sum::<f64>()
}

/// Plays each of these causes and fails with all traces that exceed the bounds. The network itself makes up to `besides`
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

/// Late or missing callbacks of the sender add no delay that is not worth it, and none for long.
#[test]
fn sender_stalls_cost_little() {
    assert_bounds(Model::Lan, &[&["sender:late:4:1000"], &["sender:lost:4:1000"], &["sender:reset:4:1000"]], 0.0);
    assert_bounds(Model::Fiber, &[&["sender:reset:30:2000"]], 4.0);
}

/// Late or missing callbacks of the receiver cost almost nothing.
#[test]
fn receiver_stalls_cost_nothing() {
    let causes: &[&[&str]] = &[&["receiver:late:4:1000"], &["receiver:lost:4:1000"], &["receiver:reset:4:1000"]];
    assert_bounds(Model::Lan, causes, 0.0);
    assert_bounds(Model::Fiber, &[&["receiver:reset:30:2000"]], 4.0);
}

/// Stalls that both hosts of one machine share add no delay for either.
#[test]
fn common_stalls_cost_little() {
    assert_bounds(Model::Lan, &[&["both:lost:4:1000"], &["both:reset:4:1000"]], 0.0);
    assert_bounds(Model::Fiber, &[&["both:late:4:1000"], &["both:reset:4:1000"]], 4.0);
}

/// Packets that the server holds back regularly are late; no others are.
#[test]
fn server_stalls_cost_little() {
    assert_bounds(Model::Lan, &[&["server:late:4:1000"], &["server:late:10:1000"]], 0.0);
}

/// Causes that occur together are handled as if they occurred alone.
#[test]
fn pairs_of_stalls_cost_little() {
    let causes: &[&[&str]] = &[
        &["sender:reset:4:1000", "receiver:lost:4:700"],
        &["sender:lost:4:1000", "server:late:4:900"],
        &["receiver:reset:4:1000", "server:late:6:800"],
        &["both:reset:4:1000", "sender:late:4:600"],
    ];
    assert_bounds(Model::Fiber, causes, 4.0);
}
