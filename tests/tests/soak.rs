//! Short versions of `cargo xtask soak`.

use rtjam_soak::{memory, server};
use std::time::Duration;

/// The memory of a server and its musicians stays small and constant.
#[test]
fn memory_use_stays_small() {
    let report = memory::run(Duration::from_secs(15), |_| {});
    eprintln!("{report}");
    assert!(report.broken().is_empty(), "{:?}", report.broken());
}

/// Musicians who join, leave, disappear and move leave no trace in the server, and are soon back.
#[test]
fn server_recovers_from_churn() {
    let report = server::run(Duration::from_secs(25), |_| {});
    eprintln!("{report}");
    assert!(report.broken().is_empty(), "{:?}\n{report}", report.broken());
}
