//! Short versions of `cargo xtask soak`.

use rtjam_soak::memory;
use std::time::Duration;

#[test]
fn server_and_musicians_stay_small() {
    let report = memory::run(Duration::from_secs(15), |_| {});
    eprintln!("{report}");
    assert!(report.broken().is_empty(), "{:?}", report.broken());
}
