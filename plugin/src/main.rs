//! `rtjam`, the standalone program: a musician's end on JACK or on the system's own audio, without a plugin host.

use std::process::ExitCode;

fn main() -> ExitCode {
    rtjam::standalone::main()
}
