//! Rooms with more musicians than the server forwards to each.

mod support;

use rtjam_protocol::control::{ClientMessage, ServerMessage};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use support::media::TestMusician;
use support::{SOON, Server, TempDir};

const MUSICIANS: u8 = 36;

/// In a room of 36, each musician receives 32 others, is told who is missing, and receives whom they pin.
#[test]
fn large_rooms_forward_32_musicians() {
    let dir = TempDir::new();
    let server = Server::start(&dir);
    let mut all: Vec<TestMusician> = (1..=MUSICIANS).map(|n| TestMusician::join(&server.link, n)).collect();
    // Musicians who joined later play louder.
    let play = |all: &mut Vec<TestMusician>, sequence: u32| {
        for (n, musician) in all.iter_mut().enumerate() {
            musician.send_audio(sequence, &[100 * (n as i16 + 1); 32]);
        }
    };
    let (mut sequence, begin) = (0, Instant::now());
    // The first to join are selected first. Louder ones replace them, each place at most once in three seconds, until the
    // selection is stable.
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
        assert!(begin.elapsed() < 2 * SOON, "one musician receives {} others: {heard:?}", heard.len());
    };
    let unheard = all[0].control.wait_for(|m| match m {
        ServerMessage::Unheard { sources } if sources.iter().all(|source| !heard.contains(&source.0)) => {
            Some(sources.clone())
        }
        _ => None,
    });
    // Three of the 35 others are missing.
    assert_eq!(unheard.len(), 3, "{unheard:?}");
    let (pinned, begin) = (unheard[0], Instant::now());
    all[0].control.say(&ClientMessage::Pin { sources: vec![pinned] });
    let heard = loop {
        assert!(begin.elapsed() < 2 * SOON, "the pinned musician is not received");
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
