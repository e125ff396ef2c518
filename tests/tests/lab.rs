//! Playout on bad networks, through the real engine: one trace of 60 s per network.
//!
//! The bounds leave a margin to the current engine; they are not targets. `lab table` prints the figures, `lab plot` shows
//! when in a trace they occur.

use rtjam_lab::conceal::{self, Method};
use rtjam_lab::material::Material;
use rtjam_lab::measure::measure;
use rtjam_lab::model::{Model, STEP_MS};
use rtjam_lab::replay::Settings;
use rtjam_lab::report::Report;
use rtjam_lab::sound::chord;
use rtjam_lab::table::{self, TablePlan};
use rtjam_lab::trace::Trace;
use rtjam_protocol::Micros;

const SECONDS: f64 = 60.0;

/// A network played with packets and blocks of 128 frames, measured from 3 s on.
fn heard_over(model: Model) -> Report {
    let trace = model.generate(SECONDS, 1, 128);
    measure(&trace, &chord(60 * 48_000), &Settings::default()).expect("trace and settings fit").report
}

/// Frames concealed that no playout delay could have saved, in ms per minute.
fn lost_ms_per_min(report: &Report) -> f64 {
    report.lost as f64 * (128.0 / 48.0) * 60.0 / report.measured_s
}

#[track_caller]
fn assert_within(report: &Report, over_oracle: f64, late_pct: f64, damaged_pct: f64) {
    let ratio = report.delay_over_oracle().expect("the oracle may conceal what was lost");
    assert!(ratio <= over_oracle, "delay {ratio} times the oracle's: {report:?}");
    assert!(report.late_pct() <= late_pct, "late {} %: {report:?}", report.late_pct());
    assert!(report.damaged_pct <= damaged_pct, "damaged {} %: {report:?}", report.damaged_pct);
}

/// A quiet network costs only the grid of the callbacks, and nothing is ever damaged.
#[test]
fn lan_costs_nothing() {
    let report = heard_over(Model::Lan);
    assert_within(&report, 1.01, 0.0, 0.0);
    assert_eq!(report.concealed_ms_per_min, 0.0);
}

/// A stall of 4 ms every 20 s is not worth any delay, and a lost packet is heard as one packet.
#[test]
fn fiber_ignores_rare_stalls() {
    let report = heard_over(Model::Fiber);
    assert_within(&report, 1.05, 0.1, 0.15);
    assert!(report.playout.p95 < 11.5, "{report:?}");
}

/// With jitter of 0.8 ms and stalls of 8 ms few packets are late at 16 ms, of which the network has 12.
#[test]
fn cable_balances_delay_and_loss() {
    let report = heard_over(Model::Cable);
    assert_within(&report, 1.05, 0.3, 0.5);
    assert!(report.playout.mean < 16.0, "{report:?}");
}

/// Stalls every second are weighed against delay; the delay does not grow to the longest stall.
#[test]
fn wifi_stalls_are_weighed() {
    let report = heard_over(Model::Wifi);
    assert_within(&report, 1.05, 1.0, 1.6);
    assert!(report.playout.mean < 18.7, "{report:?}");
}

/// The same on a mobile network.
#[test]
fn mobile_stalls_are_weighed() {
    let report = heard_over(Model::Mobile);
    assert_within(&report, 1.08, 1.0, 1.8);
    assert!(report.playout.mean < 35.0, "{report:?}");
}

/// The playout follows a step of the network delay within 200 ms, by no more than the step and a period; after a step down
/// it returns in less than 10 s.
#[test]
fn delay_steps_are_followed() {
    let plan = TablePlan {
        models: vec![Model::Step],
        seconds: SECONDS,
        seeds: 1..4,
        settings: Settings::default(),
        ..TablePlan::default()
    };
    for row in table::run(&plan).expect("settings fit") {
        let period = row.packet.max(row.block) as f64 / 48.0;
        for (step, report) in row.steps.iter().zip(&row.reports) {
            assert!(step.late_ms > 0.0 && step.late_ms < 200.0 && step.gaps_up == 0, "{step:?} {report:?}");
            assert!(step.back_s < 10.0, "{step:?} {report:?}");
            assert!(report.longest_gap_ms < 50.0, "{report:?}");
            assert!(report.late as f64 * (row.packet as f64) / 48.0 < 100.0, "{report:?}");
            assert!(report.playout.max < 8.0 + STEP_MS + 2.0 * period + 2.0, "{report:?}");
            assert!(report.delay_over_oracle().is_some_and(|ratio| ratio <= 1.0), "{report:?}");
            let end = f64::from(report.engine[1].expect("heard").playout_delay_ms);
            assert!(end < 2.0 + period, "{end} ms above the network: {report:?}");
        }
    }
}

/// A lone stall of 30 to 60 ms adds no delay afterwards.
#[test]
fn lone_spike_adds_no_delay() {
    let report = heard_over(Model::Spike);
    assert!(report.playout.p95 < 11.5, "{report:?}");
    assert_within(&report, 1.1, 0.8, 0.8);
}

/// Losses add no delay, because waiting does not bring the packets back, and damage no more than themselves.
#[test]
fn losses_add_no_delay() {
    let report = heard_over(Model::Burst);
    assert_within(&report, 1.05, 0.05, 2.5);
    assert!(report.playout.mean < 11.5, "{report:?}");
    assert!(report.concealed_ms_per_min < lost_ms_per_min(&report) + 20.0, "{report:?}");
}

/// Reordered packets are used if they arrive in time.
#[test]
fn reordered_packets_are_used() {
    let report = heard_over(Model::Reorder);
    assert_within(&report, 1.08, 0.5, 0.5);
    assert!(report.playout.mean < 20.0, "{report:?}");
}

/// A packet that arrives twice is heard once.
#[test]
fn duplicates_change_nothing() {
    let report = heard_over(Model::Duplicate);
    assert_within(&report, 1.01, 0.0, 0.0);
    assert_eq!(report.concealed_ms_per_min, 0.0);
}

/// Reports without retransmission, and with it at a round trip of 20 ms; packets and blocks of `frames`.
fn recovered(trace: &Trace, frames: usize) -> [Report; 2] {
    [None, Some(Micros(20_000))].map(|recovery| {
        let settings = Settings { packet: frames, block: frames, recovery, ..Settings::default() };
        measure(trace, &chord(60 * 48_000), &settings).expect("trace and settings fit").report
    })
}

/// A single lost packet is retransmitted one packet later, except for the first: playout waits for one packet, and the
/// retransmitted volume is bounded.
#[test]
fn lone_losses_are_retransmitted() {
    for frames in [64, 128] {
        let mut trace = Model::Duplicate.generate(SECONDS, 1, frames);
        trace.packets.iter_mut().skip(40).step_by(211).for_each(|p| p.arrived.clear());
        let [without, with] = recovered(&trace, frames);
        let share = with.concealed_ms_per_min / without.concealed_ms_per_min;
        assert!(share <= 0.1, "{share} remains: {with:?}");
        let more = with.playout.mean - without.playout.mean;
        assert!(more < frames as f64 / 48.0 + 0.1, "{more} ms more: {with:?}");
        assert!(with.recovered > 90 && with.extra_pct <= 100.0, "{with:?}");
    }
}

/// If a packet is lost every ten seconds, retransmission is active from the second loss on: of the losses that it can repair
/// only the first is heard, and playout waits for no more than a packet.
#[test]
fn rare_losses_are_retransmitted() {
    for frames in [64, 128] {
        let mut trace = Model::Duplicate.generate(SECONDS, 1, frames);
        let second = 48_000 / frames;
        trace.packets.iter_mut().skip(7 * second).step_by(10 * second + 1).for_each(|p| p.arrived.clear());
        let [without, with] = recovered(&trace, frames);
        assert!(without.lost == 6 && with.lost == 1, "{with:?}");
        let share = with.concealed_ms_per_min / without.concealed_ms_per_min;
        assert!(share <= 0.17, "{share} remains: {with:?}");
        assert!(with.playout.mean - without.playout.mean < frames as f64 / 48.0 + 0.1, "{with:?}");
    }
}

/// Of burst losses, as much is repaired as one more packet of delay allows, and almost nothing is retransmitted without
/// losses. `lab table --recovery on` prints the figures.
#[test]
fn burst_losses_are_retransmitted() {
    for model in [Model::Cable, Model::Wifi, Model::Mobile, Model::Burst] {
        let [without, with] = recovered(&model.generate(SECONDS, 1, 128), 128);
        let least = without.oracle_with_copies.expect("the oracle may conceal what was lost");
        let left = with.concealed_ms_per_min;
        assert!(left < least + 0.1 * without.concealed_ms_per_min, "{model}: {left} remain, {least} could: {with:?}");
        let more = with.playout.mean - without.playout.mean;
        assert!(more < 128.0 / 48.0 + 1.0, "{model}: {more} ms more: {with:?}");
        assert!(with.extra_pct <= 100.0, "{model}: {with:?}");
    }
    for model in [Model::Lan, Model::Step, Model::Spike, Model::Reorder, Model::Duplicate] {
        let [without, with] = recovered(&model.generate(20.0, 1, 128), 128);
        assert!(with.extra_pct < 1.0, "{model}: {with:?}");
        assert!((with.playout.mean - without.playout.mean).abs() < 0.1, "{model}: {with:?}");
    }
}

/// In every material, concealment resembles the lost sound more than silence or a repeated packet does, and more than
/// linear prediction, except for drums.
#[test]
fn concealment_beats_simpler_methods() {
    for row in conceal::run(6, 128, 1) {
        let of = |method| {
            let at = Method::ALL.iter().position(|m| *m == method).expect("one of them");
            row.distances[at].loudness_pct()
        };
        let ours = of(Method::Ours);
        assert!(ours < 0.8 * of(Method::Silence) && ours < 0.8 * of(Method::Repeat), "{row:?}");
        let drums = if row.material == Material::Percussive { 2.0 } else { 0.8 };
        assert!(ours < drums * of(Method::Prediction(128)), "{row:?}");
    }
}

/// Clock drift is followed from one moment on, by one splice; no frame is missing then or later. It costs the filter's
/// 0.27 ms and little more.
#[test]
fn clock_drift_is_followed() {
    let trace = Model::Lan.generate(24.0, 1, 64);
    for drift_ppm in [-200.0, -100.0, 100.0, 200.0] {
        let settings = Settings { packet: 64, block: 64, drift_ppm, ..Settings::default() };
        let report = measure(&trace, &chord(24 * 48_000), &settings).expect("trace and settings fit").report;
        let [Some(begin), Some(end)] = report.engine else { panic!("{drift_ppm}: {report:?}") };
        assert_eq!(end.concealed_frames - begin.concealed_frames, 0, "{drift_ppm}: {report:?}");
        assert!(end.delay_changes - begin.delay_changes <= 1, "{drift_ppm}: {report:?}");
        let over = report.playout.mean - report.oracle_delay_ms.expect("nothing was lost");
        assert!(over < 0.4 && report.damaged_pct < 0.1, "{drift_ppm}: {report:?}");
        assert_eq!((report.late, report.concealed_ms_per_min), (0, 0.0), "{drift_ppm}: {report:?}");
    }
}
