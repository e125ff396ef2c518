//! When a client reports its computer's stalls.

use crate::control::{ClientMessage, StallReport};
use crate::time::Micros;

/// The shortest time between two reports.
const REPORT_EVERY: Micros = Micros::from_secs(10);

/// What the client has reported of its computer's stalls.
#[derive(Default)]
pub(super) struct StallReports {
    last: Option<StallReport>,
    at: Option<Micros>,
}

impl StallReports {
    /// The report that is due if the computer stalls like this.
    pub(super) fn update(&mut self, now: Micros, stalls: Option<StallReport>) -> Option<ClientMessage> {
        let recent = self.at.is_some_and(|at| now.since(at) < REPORT_EVERY);
        if self.last == stalls || recent {
            return None;
        }
        (self.last, self.at) = (stalls, Some(now));
        self.repeat()
    }

    /// The last report, for a new control connection: the server may know an earlier one. `None` if there was none.
    pub(super) fn repeat(&self) -> Option<ClientMessage> {
        self.at.map(|_| ClientMessage::Stalling { stalls: self.last })
    }
}
