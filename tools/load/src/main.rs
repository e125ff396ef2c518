//! Load on a room server: `load --join LINK --musicians N`; see `--help`. The last line is one JSON object.

use clap::Parser as _;
use rtjam_load::{self as load, LoadOptions};
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = LoadOptions::parse();
    let say = |line: String| {
        if !options.json {
            println!("{line}");
        }
    };
    match load::run(&options, say) {
        Ok(report) => {
            println!("{}", report.json());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::FAILURE
        }
    }
}
