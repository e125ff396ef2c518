//! Attacks on a room server; see `abuse --help`.

use std::process::ExitCode;

#[cfg(target_os = "linux")]
fn main() -> ExitCode {
    rtjam_abuse::cli::main()
}

#[cfg(not(target_os = "linux"))]
fn main() -> ExitCode {
    eprintln!("abuse: this program needs Linux, for its network namespaces.");
    ExitCode::FAILURE
}
