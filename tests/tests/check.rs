//! `rtjam check` on this machine: with a JACK server, with xruns, and without a server.

use rtjam_tests::child::Child;
use rtjam_tests::jackd::Jackd;
use rtjam_tests::programs;
use serde_json::Value;
use std::process::Command;
use std::time::Duration;

/// Time limit for a measurement of three seconds, also on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// `rtjam check` with the JACK server of this name.
fn start(jack: &str, arguments: &[&str]) -> Child {
    let mut command = Command::new(programs::rtjam());
    command.arg("check").args(arguments).env("JACK_DEFAULT_SERVER", jack).env("LC_ALL", "C.UTF-8");
    Child::start(&mut command, None)
}

/// The report and the exit code.
fn report(mut child: Child) -> (Value, i32) {
    let code = child.wait_exit(SOON);
    let line = child.out().all().concat();
    (serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {}", child.transcript())), code)
}

fn finding<'a>(report: &'a Value, part: &str) -> &'a Value {
    let findings = report["findings"].as_array().expect("a list");
    findings.iter().find(|f| f["part"] == part).unwrap_or_else(|| panic!("no {part} in {report}"))
}

/// The exit code says what the worst verdict says.
fn agree(report: &Value, code: i32) {
    let words: Vec<&str> =
        report["findings"].as_array().expect("a list").iter().filter_map(|f| f["verdict"].as_str()).collect();
    let worst = ["bad", "warn", "ok"].into_iter().find(|word| words.contains(word)).expect("findings");
    assert_eq!(report["verdict"], worst, "{report}");
    assert_eq!(
        code,
        match worst {
            "ok" => 0,
            "warn" => 3,
            _ => 1,
        },
        "{report}"
    );
}

/// Rate and period are the server's, and the parts that Linux describes are examined.
#[test]
fn running_jack_server_is_measured() {
    let Some(jackd) = Jackd::start(48_000, 64) else { return };
    let (report, code) = report(start(&jackd.name, &["--seconds", "1", "--json"]));
    agree(&report, code);
    let measured = &report["measured"];
    assert_eq!(
        (&measured["backend"], &measured["rate"], &measured["period"]),
        (&"jack".into(), &48_000.into(), &64.into())
    );
    assert!(measured["seconds"].as_u64() >= Some(1) && measured["xruns"].is_u64() && measured["wake_ups"].is_null());
    assert_eq!(finding(&report, "JACK")["verdict"], "ok");
    for part in ["real-time priority", "locked memory", "audio interface", "kernel", "xruns"] {
        assert!(finding(&report, part)["seen"].as_str().is_some_and(|text| !text.is_empty()), "{part}");
    }
}

/// A paused server is an xrun, which is counted and warned about; so is a long period.
#[test]
fn xruns_and_long_periods_are_warned_about() {
    let Some(jackd) = Jackd::start(48_000, 1024) else { return };
    let mut child = start(&jackd.name, &["--seconds", "4", "--json"]);
    child.wait_err("Measuring", SOON);
    jackd.pause(Duration::from_millis(300));
    let (report, code) = report(child);
    agree(&report, code);
    assert!(report["measured"]["xruns"].as_u64() >= Some(1), "{report}");
    let (xruns, jack) = (finding(&report, "xruns"), finding(&report, "JACK"));
    assert!(xruns["verdict"] == "warn" && xruns["advice"].as_str().is_some_and(|a| a.contains("-p 2048")), "{report}");
    assert!(jack["verdict"] == "warn" && jack["advice"].as_str().is_some_and(|a| a.contains("-p 64")), "{report}");
}

/// Without a server, wake-ups are measured, and the advice says how to get one. The text has a line for each finding.
#[test]
fn wake_ups_are_measured_without_jack() {
    let none = "rtjam-check-none";
    let (report, code) = report(start(none, &["--seconds", "1", "--json"]));
    agree(&report, code);
    assert_eq!(report["measured"]["backend"], "dummy");
    let wake_ups = &report["measured"]["wake_ups"];
    assert!(wake_ups["max_us"].as_u64() >= wake_ups["p999_us"].as_u64() && wake_ups["max_us"].as_u64() > Some(0));
    let advice = finding(&report, "JACK")["advice"].as_str().expect("advice");
    assert!(advice.contains("Start it") || advice.contains("Install it"), "{advice}");

    let mut text = start(none, &["--seconds", "1"]);
    assert_eq!(text.wait_exit(SOON), code, "{}", text.transcript());
    let lines = text.out().all();
    assert!(lines.iter().any(|l| l.starts_with("warn  JACK ") || l.starts_with("bad   JACK ")), "{lines:?}");
    assert!(lines.iter().any(|l| l.starts_with("      -> ")), "{lines:?}");
    assert!(lines.iter().any(|l| l.contains(" wake-ups ") && l.contains("µs (99.9 %)")), "{lines:?}");
}
