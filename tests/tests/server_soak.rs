//! The short version of `cargo xtask soak server`.

use rtjam_soak::server;
use std::time::Duration;

#[test]
fn people_who_come_go_vanish_and_move_leave_the_server_as_it_was_and_are_soon_back() {
    let report = server::run(Duration::from_secs(25), |_| {});
    eprintln!("{report}");
    assert!(report.broken().is_empty(), "{:?}\n{report}", report.broken());
}
