//! Load on a room server: `load --join LINK --musicians N`; see `--help`. The last line is one JSON object.

use clap::Parser as _;
use rtjam_load::{self as load, Options};
use std::process::ExitCode;

fn main() -> ExitCode {
    let options = Options::parse();
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
        Err(sentence) => {
            eprintln!("load: {sentence}");
            ExitCode::FAILURE
        }
    }
}
