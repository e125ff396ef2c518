//! What `rtjam check` and `rtjam-server check` share.
//!
//! A check examines one part of the machine and returns a [`Finding`]: what it saw, whether that suits, and what to do. The
//! worst [`Verdict`] of all findings is the exit code.
//!
//! ```
//! use rtjam_check::{Finding, Verdict, worst_verdict};
//!
//! let findings = [Finding::good("clock", "read by tsc"), Finding::warn("disk", "12 MiB free", "Make room.")];
//! assert_eq!(findings[1].to_string(), "warn  disk                12 MiB free\n      -> Make room.");
//! assert_eq!(worst_verdict(&findings), Verdict::Warn);
//! ```

mod finding;
mod processor;

pub use finding::{Finding, Verdict, worst_verdict};
pub use processor::{GOVERNOR_ADVICE, lateness, speeds_up_slowly};
