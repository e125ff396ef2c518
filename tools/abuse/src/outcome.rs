//! Figures and their bounds.

use std::fmt;

/// What an attack did, and what it cost.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was done, with the rates that were reached.
    pub done: String,
    /// What was measured.
    pub figures: Vec<Figure>,
}

/// One figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// What it is.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// Its unit; may be empty.
    pub unit: &'static str,
    /// What it must keep to; `None` for what is told only.
    pub bound: Option<Bound>,
    /// It depends on how busy the machine is with other things.
    pub is_timing: bool,
}

/// What a figure must keep to.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
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
    /// Whether it keeps to its bound.
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

impl Outcome {
    /// Adds a figure with a bound.
    pub fn bounded(&mut self, name: &str, value: f64, unit: &'static str, bound: Bound) {
        self.figures.push(Figure { name: name.to_owned(), value, unit, bound: Some(bound), is_timing: false });
    }

    /// Adds a figure with a bound that a busy machine may break.
    pub fn timing(&mut self, name: &str, value: f64, unit: &'static str, bound: Bound) {
        self.figures.push(Figure { name: name.to_owned(), value, unit, bound: Some(bound), is_timing: true });
    }

    /// Adds a figure that is told only.
    pub fn told(&mut self, name: &str, value: f64, unit: &'static str) {
        self.figures.push(Figure { name: name.to_owned(), value, unit, bound: None, is_timing: false });
    }

    /// The figures that break their bounds.
    pub fn broken(&self) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(|figure| !figure.is_ok())
    }

    /// Whether every figure keeps to its bound.
    pub fn is_ok(&self) -> bool {
        self.broken().next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bounds include their limit, and a figure without one is never broken.
    #[test]
    fn figures_are_held_to_bounds() {
        let mut outcome = Outcome::default();
        outcome.bounded("lost", 0.0, "", Bound::AtMost(0.0));
        outcome.timing("p99", 1.5, "ms", Bound::AtMost(2.0));
        outcome.told("rate", 9.0, "/s");
        assert!(outcome.is_ok());
        outcome.bounded("joined", 19.0, "", Bound::AtLeast(20.0));
        assert_eq!(outcome.broken().map(|figure| figure.name.as_str()).collect::<Vec<_>>(), ["joined"]);
        assert_eq!(outcome.figures[1].text(), "1.50 ms");
    }
}
