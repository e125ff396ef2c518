//! All models side by side.

use super::aftermath::Aftermath;
use super::delay_step::StepResponse;
use super::measure::measure;
use super::model::Model;
use super::replay::{Settings, Unplayable};
use super::report::Report;
use super::sound::chord;
use super::stall::Stall;
use super::statistics::round;
use rtjam_protocol::audio::WIRE_RATE;
use serde_json::{Value, json};
use std::fmt::Write;
use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Packet and block sizes of the table, in frames.
pub const SIZES: [(usize, usize); 4] = [(64, 64), (64, 128), (128, 64), (128, 128)];

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct TablePlan {
    /// The networks.
    pub models: Vec<Model>,
    /// Length of each trace, in seconds.
    pub seconds: f64,
    /// One trace per model and size for each.
    pub seeds: Range<u64>,
    /// Everything except packet and block size.
    pub settings: Settings,
    /// Additional stalls.
    pub stalls: Vec<Stall>,
    /// End of the stalls, in seconds.
    pub stalls_until: f64,
}

/// A row: one model with one packet and block size.
#[derive(Clone, Debug)]
pub struct TableRow {
    /// The network.
    pub model: Model,
    /// Frames per packet.
    pub packet: usize,
    /// Frames per block.
    pub block: usize,
    /// One report per seed.
    pub reports: Vec<Report>,
    /// One response per seed, for the step model.
    pub steps: Vec<StepResponse>,
    /// Reports without retransmission, if the table compares both.
    pub without: Vec<Report>,
}

impl TableRow {
    fn mean(&self, figure: impl Fn(&Report) -> f64) -> f64 {
        self.reports.iter().map(figure).sum::<f64>() / self.reports.len().max(1) as f64
    }

    fn most(&self, figure: impl Fn(&Report) -> f64) -> f64 {
        self.reports.iter().map(figure).fold(0.0, f64::max)
    }

    /// Mean over the seeds of the ratio to the oracle.
    pub fn delay_over_oracle(&self) -> f64 {
        self.mean(|r| r.delay_over_oracle().unwrap_or(f64::NAN))
    }

    fn line(&self) -> String {
        let figures = format!(
            "{:<10}{:>4}/{:<4}{:>7.2}{:>7.2}{:>7.2}{:>8.2}{:>8.3}{:>9.3}{:>9.3}{:>9.0}{:>8.1}{:>9.2}{:>9.1}",
            self.model.name(),
            self.packet,
            self.block,
            self.mean(|r| r.playout.mean),
            self.mean(|r| r.playout.p95),
            self.most(|r| r.playout.max),
            self.mean(|r| r.oracle_delay_ms.unwrap_or(f64::NAN)),
            self.delay_over_oracle(),
            self.mean(Report::lost_pct),
            self.mean(Report::late_pct),
            self.mean(|r| r.concealed_ms_per_min),
            self.most(|r| r.longest_gap_ms),
            self.mean(|r| r.damaged_pct),
            self.mean(changes_per_min),
        );
        figures + &self.recovery() + &self.aftermath()
    }

    /// Benefit and cost of retransmission, concealment without it, and the best possible rest.
    fn recovery(&self) -> String {
        if self.without.is_empty() {
            return String::new();
        }
        let concealed = self.mean_without(|r| r.concealed_ms_per_min);
        let Remainder { ours, least } = self.left().unwrap_or(Remainder { ours: f64::NAN, least: f64::NAN });
        format!(
            "{:>9.1}{:>8.1}{concealed:>9.0}{ours:>7.2}{least:>7.2}",
            self.mean(|r| r.recovered as f64),
            self.mean(|r| r.extra_pct),
        )
    }

    /// Effects of stalls, if there were any: the largest of all traces.
    fn aftermath(&self) -> String {
        let of = |figure: fn(&Aftermath) -> f64| {
            self.reports.iter().filter_map(|r| r.aftermath.as_ref()).map(figure).fold(f64::NAN, f64::max)
        };
        if of(|a| a.oracle_ms).is_nan() {
            return String::new();
        }
        let late = self.reports.iter().filter_map(|r| Some(r.late as f64 / r.aftermath?.stalls.max(1) as f64));
        format!(
            "{:>9.2}{:>8.3}{:>7.2}{:>8.2}",
            of(|a| a.oracle_ms),
            of(|a| a.cost_over_oracle),
            of(|a| a.back_s),
            late.fold(0.0, f64::max),
        )
    }

    /// What retransmission leaves; `None` if the table is not about retransmission, or nothing was lost.
    pub fn left(&self) -> Option<Remainder> {
        let concealed = self.mean_without(|r| r.concealed_ms_per_min);
        let lost = self.without.iter().any(|r| r.lost > 0);
        lost.then(|| Remainder {
            ours: self.mean(|r| r.concealed_ms_per_min) / concealed,
            least: self.mean_without(|r| r.oracle_with_copies.unwrap_or(f64::NAN)) / concealed,
        })
    }

    fn mean_without(&self, figure: impl Fn(&Report) -> f64) -> f64 {
        self.without.iter().map(figure).sum::<f64>() / self.without.len().max(1) as f64
    }
}

/// Concealment with retransmission, relative to that without.
#[derive(Clone, Copy, Debug)]
pub struct Remainder {
    /// With the engine.
    pub ours: f64,
    /// At the oracle's delay plus one packet, with a copy in every packet from the beginning of the trace on.
    pub least: f64,
}

impl Remainder {
    /// Whether it is possible that only a quarter remains.
    pub fn allows_a_quarter(&self) -> bool {
        self.least <= 0.25
    }
}

fn changes_per_min(report: &Report) -> f64 {
    let [Some(begin), Some(end)] = report.engine else { return f64::NAN };
    (end.delay_changes - begin.delay_changes) as f64 * 60.0 / report.measured_s
}

/// Runs the plan, with as many parallel replays as there are processors.
///
/// # Errors
/// If the settings do not fit.
pub fn run(plan: &TablePlan) -> Result<Vec<TableRow>, Unplayable> {
    let mut rows = Vec::new();
    for &model in &plan.models {
        rows.extend(SIZES.map(|(packet, block)| TableRow {
            model,
            packet,
            block,
            reports: Vec::new(),
            steps: Vec::new(),
            without: Vec::new(),
        }));
    }
    let jobs: Vec<(usize, u64)> = (0..rows.len()).flat_map(|row| plan.seeds.clone().map(move |s| (row, s))).collect();
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let sound = chord((plan.seconds * f64::from(WIRE_RATE)) as usize);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while let Some(&(row, seed)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let report = one(&rows[row], seed, plan, &sound);
                    done.lock().expect("no replay panicked").push((row, seed, report));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no replay panicked");
    done.sort_unstable_by_key(|(row, seed, _)| (*row, *seed));
    for (row, _, report) in done {
        let TraceResult { report, step, without } = report?;
        rows[row].reports.push(report);
        rows[row].steps.extend(step);
        rows[row].without.extend(without);
    }
    Ok(rows)
}

/// Results of one trace.
struct TraceResult {
    report: Report,
    /// For the step model.
    step: Option<StepResponse>,
    /// Without retransmission, if the table compares both.
    without: Option<Report>,
}

fn one(row: &TableRow, seed: u64, plan: &TablePlan, sound: &[f32]) -> Result<TraceResult, Unplayable> {
    let trace = row.model.generate_with_stalls(plan.seconds, seed, row.packet, &plan.stalls, plan.stalls_until);
    let settings = Settings { packet: row.packet, block: row.block, ..plan.settings };
    let got = measure(&trace, sound, &settings)?;
    let step = (row.model == Model::Step).then(|| StepResponse::of(&got, plan.seconds));
    let off = Settings { recovery: None, ..settings };
    let without = settings.recovery.map(|_| measure(&trace, sound, &off).map(|m| m.report)).transpose()?;
    Ok(TraceResult { report: got.report, step, without })
}

/// The table as text. Means over the seeds; `max` and `gap` are the largest of all.
pub fn text(rows: &[TableRow]) -> String {
    let mut out = String::from(
        "model     pkt/block   mean    p95    max  oracle   ratio   lost %   late %  conc/min   gap  damaged%  chg/min",
    );
    let recovery = rows.iter().any(|r| !r.without.is_empty());
    out.push_str(if recovery { "  recovered extra%  without  share  least" } else { "" });
    let stalls = rows.iter().any(|r| r.reports.iter().any(|r| r.aftermath.is_some()));
    out.push_str(if stalls { "   priced    cost   back  late/st\n" } else { "\n" });
    for row in rows {
        let _ = writeln!(out, "{}", row.line());
    }
    out.push_str("\ndelays and gap in ms, concealed in ms a minute; ratio: mean delay over the oracle's\n");
    if recovery {
        out.push_str(
            "without: concealed without recovery; share: what of that is left; least: what could be left with copies at \
             the oracle's delay and one packet\n",
        );
    }
    if recovery {
        let allow =
            rows.iter().filter_map(|row| row.left().filter(Remainder::allows_a_quarter).map(|left| (row, left)));
        let each: Vec<String> = allow
            .map(|(row, Remainder { ours, least })| {
                let TableRow { model, packet, block, .. } = row;
                let kept = if ours <= 0.25 { "kept" } else { "MISSED" };
                format!("{model} {packet}/{block} {ours:.3} (least {least:.3}): {kept}")
            })
            .collect();
        let each = if each.is_empty() { "nowhere".to_owned() } else { each.join("; ") };
        let _ = writeln!(out, "at most a quarter left, where packets are lost and that allows it: {each}");
    }
    let mut models: Vec<Model> = rows.iter().map(|r| r.model).collect();
    models.dedup();
    for model in models {
        let _ = writeln!(out, "{:<10} ratio {:.3}", model.name(), ratio(rows, model));
    }
    let steps: Vec<&StepResponse> = rows.iter().flat_map(|r| &r.steps).collect();
    if !steps.is_empty() {
        let most = |figure: fn(&StepResponse) -> f64| steps.iter().map(|s| figure(s)).fold(0.0, f64::max);
        let (late, back) = (most(|s| s.late_ms), most(|s| s.back_s));
        let gaps: [usize; 2] =
            [|s: &StepResponse| s.gaps_up, |s: &StepResponse| s.gaps_down].map(|of| steps.iter().map(|s| of(s)).sum());
        let _ = writeln!(
            out,
            "step: the last sound is missing {late:.0} ms after the jump; back down within {back:.1} s; of {} traces {} \
             gaps later than 200 ms after the jump, {} after the jump back",
            steps.len(),
            gaps[0],
            gaps[1]
        );
    }
    out
}

/// The table as JSON.
pub fn json(rows: &[TableRow]) -> Value {
    let row = |row: &TableRow| {
        json!({
            "model": row.model.name(),
            "packet": row.packet,
            "block": row.block,
            "delay_over_oracle": round(row.delay_over_oracle()),
            "left": row.left().map(|left| round(left.ours)),
            "least_left": row.left().map(|left| round(left.least)),
            "steps": row.steps.iter().map(StepResponse::json).collect::<Vec<_>>(),
            "traces": row.reports.iter().map(Report::json).collect::<Vec<_>>(),
        })
    };
    Value::Array(rows.iter().map(row).collect())
}

/// Mean ratio of a model to the oracle over all its rows.
pub fn ratio(rows: &[TableRow], model: Model) -> f64 {
    let of_model: Vec<f64> = rows.iter().filter(|r| r.model == model).map(TableRow::delay_over_oracle).collect();
    of_model.iter().sum::<f64>() / of_model.len().max(1) as f64
}
