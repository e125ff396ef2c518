//! Results as a table and as JSON.

use crate::outcome::{AttackOutcome, Figure};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// The result of an attack.
pub enum AttackResult {
    /// It was measured.
    Measured(AttackOutcome),
    /// It could not be run, for this reason.
    Failed(String),
}

impl AttackResult {
    /// Whether it was measured and every figure is within its bound.
    pub fn is_ok(&self) -> bool {
        matches!(self, AttackResult::Measured(outcome) if outcome.is_ok())
    }
}

/// Renders one attack.
pub fn lines(name: &str, ended: &AttackResult) -> String {
    let mut text = String::new();
    match ended {
        AttackResult::Failed(why) => _ = writeln!(text, "{name:<14} could not be run: {why}"),
        AttackResult::Measured(outcome) => {
            let _ = writeln!(text, "{name:<14} {}", outcome.done);
            for figure in &outcome.figures {
                let bound = figure.bound.map(|bound| bound.to_string()).unwrap_or_default();
                let _ = writeln!(text, "  {:<46} {:>16}  {bound:<8} {}", figure.name, figure.text(), verdict(figure));
            }
        }
    }
    text
}

/// Renders one line for each attack.
pub fn summary(all: &[(&str, AttackResult)]) -> String {
    all.iter().fold(String::new(), |mut text, (name, ended)| {
        let _ = match ended {
            AttackResult::Failed(_) => writeln!(text, "{name:<14} FAILED"),
            AttackResult::Measured(outcome) if outcome.is_ok() => writeln!(text, "{name:<14} ok"),
            AttackResult::Measured(outcome) => {
                let broken: Vec<String> = outcome.broken().map(|f| format!("{} {}", f.name, f.text())).collect();
                writeln!(text, "{name:<14} BROKEN  {}", broken.join("; "))
            }
        };
        text
    })
}

/// Renders one object for each attack, whose fields other programs read.
pub fn json(all: &[(&str, AttackResult)]) -> Value {
    let attack = |name: &str, ended: &AttackResult| match ended {
        AttackResult::Failed(why) => json!({ "attack": name, "ok": false, "error": why }),
        AttackResult::Measured(outcome) => json!({
            "attack": name,
            "ok": outcome.is_ok(),
            "done": outcome.done,
            "figures": outcome.figures.iter().map(figure).collect::<Vec<_>>(),
        }),
    };
    all.iter().map(|(name, ended)| attack(name, ended)).collect()
}

fn figure(figure: &Figure) -> Value {
    json!({
        "name": figure.name,
        "value": figure.value,
        "unit": figure.unit,
        "bound": figure.bound.map(|bound| bound.to_string()),
        "ok": figure.is_ok(),
    })
}

fn verdict(figure: &Figure) -> &'static str {
    match (figure.bound, figure.is_ok()) {
        (None, _) => "",
        (_, true) => "ok",
        (_, false) => "BROKEN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Bound;

    /// Lines, summary and JSON mark a figure that is not within its bound.
    #[test]
    fn broken_bounds_are_marked() {
        let mut outcome = AttackOutcome { done: "9 a second".to_owned(), ..AttackOutcome::default() };
        outcome.bounded("lost", 3.0, "packets", Bound::AtMost(0.0));
        let ended = AttackResult::Measured(outcome);
        assert!(lines("flood", &ended).contains("BROKEN"));
        let all = [("flood", ended), ("other", AttackResult::Failed("no root".to_owned()))];
        assert!(summary(&all).starts_with("flood          BROKEN  lost 3 packets\nother          FAILED"));
        assert_eq!(json(&all)[0]["figures"][0]["ok"], false);
        assert_eq!(json(&all)[1]["error"], "no root");
    }
}
