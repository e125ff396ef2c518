//! The table, and JSON.

use crate::outcome::{Figure, Outcome};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// How an attack ended.
pub enum Ended {
    /// It was carried out and measured.
    Measured(Outcome),
    /// It could not be carried out; why.
    Failed(String),
}

impl Ended {
    /// Whether it was measured and every figure keeps to its bound.
    pub fn is_ok(&self) -> bool {
        matches!(self, Ended::Measured(outcome) if outcome.is_ok())
    }
}

/// The lines of one attack.
pub fn lines(name: &str, ended: &Ended) -> String {
    let mut text = String::new();
    match ended {
        Ended::Failed(why) => _ = writeln!(text, "{name:<14} could not be carried out: {why}"),
        Ended::Measured(outcome) => {
            let _ = writeln!(text, "{name:<14} {}", outcome.done);
            for figure in &outcome.figures {
                let bound = figure.bound.map(|bound| bound.to_string()).unwrap_or_default();
                let _ = writeln!(text, "  {:<46} {:>16}  {bound:<8} {}", figure.name, figure.text(), verdict(figure));
            }
        }
    }
    text
}

/// One line for each attack.
pub fn summary(all: &[(&str, Ended)]) -> String {
    all.iter().fold(String::new(), |mut text, (name, ended)| {
        let _ = match ended {
            Ended::Failed(_) => writeln!(text, "{name:<14} FAILED"),
            Ended::Measured(outcome) if outcome.is_ok() => writeln!(text, "{name:<14} ok"),
            Ended::Measured(outcome) => {
                let broken: Vec<String> = outcome.broken().map(|f| format!("{} {}", f.name, f.text())).collect();
                writeln!(text, "{name:<14} BROKEN  {}", broken.join("; "))
            }
        };
        text
    })
}

/// One object an attack; the names are a contract.
pub fn json(all: &[(&str, Ended)]) -> Value {
    let attack = |name: &str, ended: &Ended| match ended {
        Ended::Failed(why) => json!({ "attack": name, "ok": false, "error": why }),
        Ended::Measured(outcome) => json!({
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

    /// A figure beyond its bound is marked in the lines, the summary and the JSON.
    #[test]
    fn broken_bounds_are_marked_everywhere() {
        let mut outcome = Outcome { done: "9 a second".to_owned(), ..Outcome::default() };
        outcome.bounded("lost", 3.0, "packets", Bound::AtMost(0.0));
        let ended = Ended::Measured(outcome);
        assert!(lines("flood", &ended).contains("BROKEN"));
        let all = [("flood", ended), ("other", Ended::Failed("no root".to_owned()))];
        assert!(summary(&all).starts_with("flood          BROKEN  lost 3 packets\nother          FAILED"));
        assert_eq!(json(&all)[0]["figures"][0]["ok"], false);
        assert_eq!(json(&all)[1]["error"], "no root");
    }
}
