//! Playout between hosts that stall: each cause alone and some in pairs, through the real engine in virtual time, with three
//! traces each and packets and blocks of 64 and 128 frames.
//!
//! `lab table --stall WHO:HOW:MS:EVERY` prints the figures, `lab stalls` plays many more.

use rtjam_lab::model::Model;
use rtjam_lab::stall_bounds::{calm, judge};
use rtjam_lab::table::TablePlan;

/// Plays each of these causes and fails with all that exceed the bounds.
fn assert_bounds(model: Model, causes: &[&[&str]]) {
    let plan =
        TablePlan { models: vec![model], seconds: 16.0, seeds: 1..4, stalls_until: 12.0, ..TablePlan::default() };
    let calm = calm(&plan).expect("settings fit");
    let mut wrong = String::new();
    for texts in causes {
        let stalls = texts.iter().map(|text| text.parse().expect("a stall")).collect();
        let verdict = judge(&TablePlan { stalls, ..plan.clone() }, &calm).expect("settings fit");
        if !verdict.is_within() {
            wrong += &format!("{model} {texts:?}: {verdict:?}\n");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Late or missing callbacks of the sender add no delay that is not worth it, and none for long.
#[test]
fn sender_stalls_cost_little() {
    assert_bounds(Model::Lan, &[&["sender:late:4:1000"], &["sender:lost:4:1000"], &["sender:reset:4:1000"]]);
    assert_bounds(Model::Fiber, &[&["sender:reset:30:2000"]]);
}

/// Late or missing callbacks of the receiver cost almost nothing.
#[test]
fn receiver_stalls_cost_nothing() {
    assert_bounds(Model::Lan, &[&["receiver:late:4:1000"], &["receiver:lost:4:1000"], &["receiver:reset:4:1000"]]);
    assert_bounds(Model::Fiber, &[&["receiver:reset:30:2000"]]);
}

/// Stalls that both hosts of one machine share add no delay for either.
#[test]
fn common_stalls_cost_little() {
    assert_bounds(Model::Lan, &[&["both:lost:4:1000"], &["both:reset:4:1000"]]);
    assert_bounds(Model::Fiber, &[&["both:late:4:1000"], &["both:reset:4:1000"]]);
}

/// Packets that the server holds back regularly are late; no others are.
#[test]
fn server_stalls_cost_little() {
    assert_bounds(Model::Lan, &[&["server:late:4:1000"], &["server:late:10:1000"]]);
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
    assert_bounds(Model::Fiber, causes);
}
