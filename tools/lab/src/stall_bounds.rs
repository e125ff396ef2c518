//! Bounds for playout between hosts that stall, and the stalls that `lab stalls` holds against them.

use super::model::Model;
use super::replay::Unplayable;
use super::stall::Stall;
use super::table::{self, TablePlan, TableRow};
use std::fmt;

/// Mean delay during the stalls over the best constant delay in hindsight, at the price of late packets.
const OVER_ORACLE: f64 = 1.15;
/// Seconds after the last stall until the delay is back.
const BACK_S: f64 = 2.0;

/// Sites with the effects that they can have.
const SITES: [(&str, &[&str]); 5] = [
    ("sender", &["late", "lost", "reset", "jump"]),
    ("receiver", &["late", "lost", "reset"]),
    ("both", &["late", "lost", "reset", "jump"]),
    ("machine", &["late", "lost", "reset", "jump"]),
    ("server", &["late"]),
];

/// Duration and interval in ms; `~` stands for irregular stalls.
const TIMES: [&str; 11] = [
    "1:100", "1:1000", "4:250", "4:1000", "10:250", "10:1000", "30:1000", "30:5000", "100:5000", "4:~1000", "10:~1000",
];

/// Stalls that occur together.
const PAIRS: [[&str; 2]; 6] = [
    ["sender:reset:4:1000", "receiver:lost:4:700"],
    ["sender:lost:4:1000", "server:late:4:900"],
    ["receiver:reset:4:1000", "server:late:6:800"],
    ["both:reset:4:1000", "sender:late:4:600"],
    ["sender:reset:10:1000", "receiver:reset:10:1300"],
    ["machine:lost:4:1000", "server:late:10:3000"],
];

/// Every site, effect and time alone, and some in pairs.
pub fn all() -> Vec<Vec<Stall>> {
    let texts = SITES.iter().flat_map(|(site, effects)| effects.iter().map(move |effect| format!("{site}:{effect}")));
    let alone = texts.flat_map(|cause| TIMES.map(|times| vec![format!("{cause}:{times}")]));
    let pairs = PAIRS.iter().map(|pair| pair.map(str::to_owned).to_vec());
    let parsed = |texts: Vec<String>| texts.iter().filter_map(|text| text.parse().ok()).collect();
    alone.chain(pairs).map(parsed).collect()
}

/// How playout kept the bounds on one network: of all packet sizes, blocks and traces the worst.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct StallVerdict {
    /// Mean delay during the stalls over the oracle's.
    pub over_oracle: f64,
    /// Seconds from the last stall until the delay is back.
    pub back_s: f64,
    /// Late packets over those that the stalls affect and those that are late without stalls.
    pub late: f64,
    /// Cost over the oracle's, late packets included; no bound.
    pub cost: f64,
}

impl StallVerdict {
    /// Whether all bounds are kept.
    pub fn is_within(&self) -> bool {
        self.over_oracle <= OVER_ORACLE && self.back_s <= BACK_S && self.late <= 1.0
    }

    fn worst(self, other: Self) -> Self {
        Self {
            over_oracle: self.over_oracle.max(other.over_oracle),
            back_s: self.back_s.max(other.back_s),
            late: self.late.max(other.late),
            cost: self.cost.max(other.cost),
        }
    }
}

impl fmt::Display for StallVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>7.3}{:>7.2}{:>7.2}{:>7.2}", self.over_oracle, self.back_s, self.late, self.cost)
    }
}

/// Plays stalls on one network, with packets and blocks of 64 and 128 frames.
///
/// `calm` are the rows of the same plan without stalls: what is late there does not count.
///
/// # Errors
/// If the settings do not fit.
pub fn judge(plan: &TablePlan, calm: &[TableRow]) -> Result<StallVerdict, Unplayable> {
    let mut worst = StallVerdict::default();
    for (row, calm) in table::run(plan)?.iter().zip(calm) {
        let affected = affected_each(&plan.stalls, row.packet);
        for (report, calm) in row.reports.iter().zip(&calm.reports) {
            let Some(aftermath) = report.aftermath else { continue };
            worst = worst.worst(StallVerdict {
                over_oracle: aftermath.mean_ms / aftermath.oracle_ms,
                back_s: aftermath.back_s,
                late: report.late as f64 / (affected * aftermath.stalls as f64 + calm.late as f64),
                cost: aftermath.cost_over_oracle,
            });
        }
    }
    Ok(worst)
}

/// The same plan without stalls.
///
/// # Errors
/// If the settings do not fit.
pub fn calm(plan: &TablePlan) -> Result<Vec<TableRow>, Unplayable> {
    table::run(&TablePlan { stalls: Vec::new(), ..plan.clone() })
}

/// Most packets that one stall can affect: those that are due meanwhile, and one more. Of stalls of different frequency the
/// mean.
fn affected_each(stalls: &[Stall], packet: usize) -> f64 {
    let often = |stall: &Stall| 1.0 / stall.every_ms;
    let affected = |stall: &Stall| (stall.ms * 48.0 / packet as f64).ceil() + 1.0;
    stalls.iter().map(|stall| affected(stall) * often(stall)).sum::<f64>() / stalls.iter().map(often).sum::<f64>()
}

/// Plays all stalls on all networks of `plan`, and tells `each` as it goes: the stalls, the network and the verdict. Returns
/// how many break a bound, and how many there are.
///
/// # Errors
/// If the settings do not fit.
pub fn run(plan: &TablePlan, mut each: impl FnMut(&[Stall], Model, &StallVerdict)) -> Result<[usize; 2], Unplayable> {
    let calm = plan.models.iter().map(|model| calm(&TablePlan { models: vec![*model], ..plan.clone() }));
    let calm: Vec<Vec<TableRow>> = calm.collect::<Result<_, _>>()?;
    let (mut beyond, mut total) = (0, 0);
    for stalls in all() {
        for (model, calm) in plan.models.iter().zip(&calm) {
            let verdict = judge(&TablePlan { models: vec![*model], stalls: stalls.clone(), ..plan.clone() }, calm)?;
            each(&stalls, *model, &verdict);
            beyond += usize::from(!verdict.is_within());
            total += 1;
        }
    }
    Ok([beyond, total])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// No text of the list is wrong.
    #[test]
    fn all_stalls_are_valid() {
        let alone: usize = SITES.iter().map(|(_, effects)| effects.len() * TIMES.len()).sum();
        assert_eq!(all().iter().filter(|stalls| stalls.len() == 1).count(), alone);
        assert_eq!(all().iter().filter(|stalls| stalls.len() == 2).count(), PAIRS.len());
    }

    /// A stall of 4 ms affects the packets that are due in it, and one more.
    #[test]
    fn longer_packets_are_affected_less() {
        let stalls = ["sender:late:4:1000".parse().expect("a stall")];
        assert_eq!([64, 128].map(|packet| affected_each(&stalls, packet)), [4.0, 3.0]);
    }

    /// Each bound counts.
    #[test]
    fn each_bound_counts() {
        let fine = StallVerdict { over_oracle: 1.15, back_s: 2.0, late: 1.0, cost: 9.0 };
        assert!(fine.is_within());
        assert!(!StallVerdict { over_oracle: 1.16, ..fine }.is_within());
        assert!(!StallVerdict { back_s: 2.1, ..fine }.is_within());
        assert!(!StallVerdict { late: 1.1, ..fine }.is_within());
    }
}
