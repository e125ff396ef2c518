//! Rooms of more musicians than one is sent.

mod support;

use rtjam_protocol::control::{ClientMessage, ServerMessage};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use support::media::Musician;
use support::{SOON, Server, TempDir};

const MUSICIANS: u8 = 36;

/// In a room of 36 nobody is sent more than 32 others; whom they are not sent they are told, and whom they pin they are sent.
#[test]
fn musicians_of_a_crowd_are_sent_32_others() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut all: Vec<Musician> = (1..=MUSICIANS).map(|n| Musician::join(&server.link, n)).collect();
    // The later they came the louder they play.
    let play = |all: &mut Vec<Musician>, sequence: u32| {
        for (n, musician) in all.iter_mut().enumerate() {
            musician.send_audio(sequence, &[100 * (n as i16 + 1); 32]);
        }
    };
    let (mut sequence, begin) = (0, Instant::now());
    // Whoever joined first was chosen first; the others take places until the loudest have them, each three seconds after it
    // was given last. Then the choice stays.
    let heard = loop {
        let mut heard = BTreeSet::new();
        for _ in 0..40 {
            play(&mut all, sequence);
            sequence += 1;
            heard.extend(all[0].listen_for(Duration::from_millis(20)).iter().filter_map(|h| h.source()).map(|s| s.0));
        }
        if heard.len() == 32 {
            break heard;
        }
        assert!(begin.elapsed() < 2 * SOON, "one musician is sent {} others: {heard:?}", heard.len());
    };
    let unheard = all[0].control.wait_for(|m| match m {
        ServerMessage::Unheard { sources } if sources.iter().all(|source| !heard.contains(&source.0)) => {
            Some(sources.clone())
        }
        _ => None,
    });
    // Of the 35 others three are not sent, who are among the quietest.
    assert_eq!(unheard.len(), 3, "{unheard:?}");
    let (pinned, begin) = (unheard[0], Instant::now());
    all[0].control.say(&ClientMessage::Pin { sources: vec![pinned] });
    let heard = loop {
        assert!(begin.elapsed() < 2 * SOON, "whom they pinned they were not sent");
        play(&mut all, sequence);
        sequence += 1;
        let heard = all[0].listen_for(Duration::from_millis(20));
        let heard: BTreeSet<u16> = heard.iter().filter_map(|h| h.source()).map(|source| source.0).collect();
        if heard.contains(&pinned.0) && heard.len() <= 32 {
            break heard;
        }
    };
    assert!(!heard.contains(&all[0].joined.source.0));
    let told = all[0].control.wait_for(|m| match m {
        ServerMessage::Unheard { sources } if !sources.contains(&pinned) => Some(sources.clone()),
        _ => None,
    });
    assert_eq!(told.len(), 3, "{told:?}");
}
