//! Figures and their bounds.

use std::fmt;

/// The result of an attack.
#[derive(Clone, Debug, Default)]
pub struct AttackOutcome {
    /// What the attack did, with the rates that it reached.
    pub done: String,
    /// The measurements.
    pub figures: Vec<Figure>,
}

/// A measured value.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its unit; can be empty.
    pub unit: &'static str,
    /// Its bound; `None` for information only.
    pub bound: Option<Bound>,
    /// Whether it depends on the load of the machine.
    pub is_timing: bool,
}

/// The bound of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// At most this value.
    AtMost(f64),
    /// At least this value.
    AtLeast(f64),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Bound::AtMost(limit) => write!(f, "≤ {limit}"),
            Bound::AtLeast(limit) => write!(f, "≥ {limit}"),
        }
    }
}

impl Figure {
    /// Whether the figure is within its bound.
    pub fn is_ok(&self) -> bool {
        match self.bound {
            None => true,
            Some(Bound::AtMost(limit)) => self.value <= limit,
            Some(Bound::AtLeast(limit)) => self.value >= limit,
        }
    }

    /// The value with its unit.
    pub fn text(&self) -> String {
        let number = if self.value.fract() == 0.0 { format!("{}", self.value) } else { format!("{:.2}", self.value) };
        if self.unit.is_empty() { number } else { format!("{number} {}", self.unit) }
    }
}

impl AttackOutcome {
    /// Adds a figure with a bound.
    pub fn bounded(&mut self, name: &str, value: f64, unit: &'static str, bound: Bound) {
        self.figures.push(Figure { name: name.to_owned(), value, unit, bound: Some(bound), is_timing: false });
    }

    /// Adds a figure with a bound that it can exceed on a busy machine.
    pub fn timing(&mut self, name: &str, value: f64, unit: &'static str, bound: Bound) {
        self.figures.push(Figure { name: name.to_owned(), value, unit, bound: Some(bound), is_timing: true });
    }

    /// Adds a figure without a bound.
    pub fn info(&mut self, name: &str, value: f64, unit: &'static str) {
        self.figures.push(Figure { name: name.to_owned(), value, unit, bound: None, is_timing: false });
    }

    /// The figures that are not within their bounds.
    pub fn broken(&self) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(|figure| !figure.is_ok())
    }

    /// Whether every figure is within its bound.
    pub fn is_ok(&self) -> bool {
        self.broken().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bounds include their limits, and a figure without a bound is always fine.
    #[test]
    fn figures_are_checked_against_bounds() {
        let mut outcome = AttackOutcome::default();
        outcome.bounded("lost", 0.0, "", Bound::AtMost(0.0));
        outcome.timing("p99", 1.5, "ms", Bound::AtMost(2.0));
        outcome.info("rate", 9.0, "/s");
        assert!(outcome.is_ok());
        outcome.bounded("joined", 19.0, "", Bound::AtLeast(20.0));
        assert_eq!(outcome.broken().map(|figure| figure.name.as_str()).collect::<Vec<_>>(), ["joined"]);
        assert_eq!(outcome.figures[1].text(), "1.50 ms");
    }
}
