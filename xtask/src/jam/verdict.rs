//! Judges whether the jam was good.

use std::fmt::Write as _;

use super::hearing::Hearing;

/// Limit for lost, late and concealed audio together, in each direction.
const MOST_DAMAGED: f64 = 0.01;
/// The received demo must be louder than this, in dBFS.
const LEAST_LEVEL: f64 = -40.0;

/// The sentences of an `Err` name each figure that failed.
pub(super) fn judge(you_hear: &Hearing, demo_hears: &Hearing) -> Result<(), Vec<String>> {
    let mut sentences = Vec::new();
    judge_way(you_hear, "You", "the demo", &mut sentences);
    judge_way(demo_hears, "The demo", "you", &mut sentences);
    if !you_hear.dbfs.is_some_and(|level| level > LEAST_LEVEL) {
        let level = you_hear.dbfs.map_or("without a level".to_owned(), |level| format!("at {level:.1} dBFS"));
        sentences.push(format!("The demo arrived {level}; it should be above {LEAST_LEVEL} dBFS."));
    }
    if sentences.is_empty() { Ok(()) } else { Err(sentences) }
}

fn judge_way(hearing: &Hearing, who: &str, whom: &str, sentences: &mut Vec<String>) {
    if !hearing.is_there {
        sentences.push(format!("{who} did not find {whom} in the room at the end."));
    } else if hearing.counts.packets == 0 {
        sentences.push(format!("{who} received no packet from {whom}."));
    }
    let damaged = hearing.damaged();
    if damaged > MOST_DAMAGED {
        sentences.push(format!(
            "Of what {} received from {whom}, {:.2} % was lost, late or concealed; it should be at most {} %.",
            who.to_lowercase(),
            damaged * 100.0,
            MOST_DAMAGED * 100.0
        ));
    }
}

/// One line per direction.
pub(super) fn summary(you_hear: &Hearing, demo_hears: &Hearing) -> String {
    let mut text = String::new();
    for (way, hearing) in [("demo -> you", you_hear), ("you -> demo", demo_hears)] {
        let counts = &hearing.counts;
        let _ = write!(
            text,
            "{way}: {:.1} s, {} packets, {} lost, {} late, {} frames concealed: {:.2} %",
            hearing.seconds,
            counts.packets,
            counts.lost,
            counts.late,
            counts.concealed_frames,
            hearing.damaged() * 100.0
        );
        if let Some(dbfs) = hearing.dbfs {
            let _ = write!(text, ", {dbfs:.1} dBFS");
        }
        if let Some(delay) = hearing.playout_delay_ms {
            let _ = write!(text, ", playout delay {delay:.1} ms");
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::hearing::Counts;
    use super::*;

    fn good() -> Hearing {
        Hearing {
            seconds: 10.0,
            counts: Counts { packets: 3750, lost: 5, late: 5, concealed_frames: 1280 },
            dbfs: Some(-18.0),
            playout_delay_ms: Some(4.0),
            is_there: true,
        }
    }

    fn failures(you_hear: Hearing, demo_hears: Hearing) -> Vec<String> {
        judge(&you_hear, &demo_hears).expect_err("a failure")
    }

    /// Less than one percent damaged and a loud demo is good.
    #[test]
    fn good_jam_passes() {
        assert_eq!(judge(&good(), &good()), Ok(()));
        // Your microphone may be silent.
        assert_eq!(judge(&good(), &Hearing { dbfs: Some(-120.0), ..good() }), Ok(()));
    }

    /// Each figure that fails is named.
    #[test]
    fn failing_figures_are_named() {
        let concealed = Counts { concealed_frames: 4801, lost: 0, late: 0, packets: 3750 };
        let sentences = failures(Hearing { counts: concealed, ..good() }, good());
        assert!(sentences.len() == 1 && sentences[0].contains("from the demo, 1.00 %"), "{sentences:?}");

        let lost = Counts { lost: 20, late: 20, ..good().counts };
        let sentences = failures(good(), Hearing { counts: lost, ..good() });
        assert!(
            sentences.len() == 1 && sentences[0].starts_with("Of what the demo received from you"),
            "{sentences:?}"
        );

        let sentences = failures(Hearing { dbfs: Some(-40.0), ..good() }, good());
        assert!(sentences.len() == 1 && sentences[0].contains("-40.0 dBFS"), "{sentences:?}");
    }

    /// A jam in which nothing was received fails.
    #[test]
    fn silence_fails() {
        let sentences = failures(Hearing::default(), Hearing::default());
        assert_eq!(sentences.len(), 3, "{sentences:?}");
        let deaf = Hearing { counts: Counts::default(), ..good() };
        assert!(failures(good(), deaf)[0].contains("received no packet from you"));
    }

    /// The summary has a line per direction.
    #[test]
    fn summary_shows_both_directions() {
        let text = summary(&good(), &good());
        assert!(text.starts_with("demo -> you: 10.0 s, 3750 packets, 5 lost, 5 late, 1280 frames concealed: 0.53 %"));
        assert_eq!(text.lines().count(), 2);
    }
}
