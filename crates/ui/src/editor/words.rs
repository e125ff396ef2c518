//! What the musician is told, and what can be done about it.

use super::delay::Delay;
use crate::board::Condition;
use rtjam_client::{State, Status};

/// How much it matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// It does not go on like this.
    Bad,
    /// Look here.
    Warn,
    /// Good to know.
    Note,
    /// All is well.
    Good,
}

/// A button beside a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Copies the invite link.
    Copy(String),
    /// Sends again after the loop guard.
    Resume,
    /// Begins anew after a fault.
    Restart,
    /// Joins, although another instance is in that room: the answer to a question.
    JoinAnyway(String),
    /// Takes the last edit back.
    Undo,
    /// Takes the message away.
    Dismiss,
}

impl Remedy {
    /// What the button says.
    pub fn label(&self) -> &'static str {
        match self {
            Remedy::Copy(_) => "Copy link",
            Remedy::Resume => "Resume sending",
            Remedy::Restart => "Restart engine",
            Remedy::JoinAnyway(_) => "Join anyway",
            Remedy::Undo => "Undo",
            Remedy::Dismiss => "OK",
        }
    }
}

/// A sentence, and what can be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// How much it matters.
    pub weight: Weight,
    /// In whole sentences.
    pub text: String,
    /// What can be done about it here.
    pub remedy: Option<Remedy>,
}

impl Message {
    /// A message.
    pub fn new(weight: Weight, text: impl Into<String>) -> Message {
        Message { weight, text: text.into(), remedy: None }
    }

    /// With a button.
    pub fn with(self, remedy: Remedy) -> Message {
        Message { remedy: Some(remedy), ..self }
    }
}

/// How the loop guard's sentence ends.
const GUARDED: &str = "resume sending.";
/// How every link begins.
const LINK: &str = "rtjam://";

/// All that is to be told, the most urgent first. At least one: how the room is heard, or what to do.
pub fn messages(status: &Status, condition: &Condition, slowest: Option<Delay>) -> Vec<Message> {
    let mut messages: Vec<Message> =
        [about_condition(condition), about_session(status)].into_iter().flatten().collect();
    // That a link is not private is told all the time, and does not take the place of how the room is heard.
    let only_that =
        status.classic && status.state == State::Joined && messages.len() == 1 && !status.musicians.is_empty();
    if messages.is_empty() || (only_that && messages.iter().all(|m| m.weight == Weight::Warn)) {
        messages.push(all_is_well(status, slowest));
    }
    messages.extend(status.notices.iter().map(|n| Message::new(Weight::Note, n.clone()).with(Remedy::Dismiss)));
    // Stable: what weighs the same stays in its order.
    messages.sort_by_key(|message| message.weight.min(Weight::Note));
    messages
}

fn about_condition(condition: &Condition) -> Option<Message> {
    let text = condition.sentence()?;
    Some(match condition {
        Condition::Failed { .. } => Message::new(Weight::Bad, text).with(Remedy::Restart),
        _ => Message::new(Weight::Warn, text),
    })
}

fn about_session(status: &Status) -> Option<Message> {
    let text = status.sentence.clone()?;
    if status.state == State::Joined
        && status.musicians.is_empty()
        && let Some(link) = link_in(&text)
    {
        return Some(Message::new(Weight::Note, "You are alone; send this link.").with(Remedy::Copy(link)));
    }
    Some(match status.state {
        State::Refused => Message::new(Weight::Bad, text),
        // Offline with a sentence: joining could not even begin.
        State::Offline => Message::new(Weight::Bad, text),
        _ if text.ends_with(GUARDED) => Message::new(Weight::Bad, text).with(Remedy::Resume),
        _ => Message::new(Weight::Warn, text),
    })
}

fn all_is_well(status: &Status, slowest: Option<Delay>) -> Message {
    match (status.state, slowest) {
        (State::Joined, Some(delay)) => Message::new(Weight::Good, delay.sentence()),
        (State::Joined, None) => Message::new(Weight::Good, format!("You are in the room{}.", named(status))),
        (State::Connecting, _) => Message::new(Weight::Note, format!("On the way to the room{} …", named(status))),
        _ => Message::new(Weight::Note, "Paste the invite link that you were sent, and press Join."),
    }
}

fn named(status: &Status) -> String {
    status.room.as_ref().map(|room| format!(" {room}")).unwrap_or_default()
}

/// The link that a sentence holds.
fn link_in(text: &str) -> Option<String> {
    let link = &text[text.find(LINK)?..];
    Some(link.split_whitespace().next()?.trim_end_matches('.').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtjam_client::{Musician, Rx, Tx};

    fn status(state: State, sentence: Option<&str>) -> Status {
        Status {
            state,
            room: Some("lobby".to_owned()),
            classic: false,
            rtt_ms: None,
            xruns: None,
            device_ms: None,
            callback_load_pct: None,
            stalls: rtjam_client::Stalls::default(),
            tx: Tx { packets: 0, dropped: 0, dbfs: [-120.0; 2], lost: 0, recovered: 0, extra_kbps: 0.0, over_rate: 0 },
            rx: Rx { lost: 0, recovered: 0, extra_kbps: 0.0 },
            musicians: Vec::new(),
            you: None,
            role: None,
            listeners: 0,
            mix: rtjam_protocol::control::DownstreamMode::Forwarded,
            mix_delay_ms: None,
            mix_stream: None,
            sentence: sentence.map(str::to_owned),
            notices: Vec::new(),
        }
    }

    const DELAY: Delay = Delay { packet: 3, mix: None, network: 14, buffer: 6 };

    fn first(status: &Status) -> Message {
        messages(status, &Condition::Fine, None).remove(0)
    }

    #[test]
    fn whoever_is_alone_is_given_the_link_to_copy() {
        let link = "rtjam://127.0.0.1:7000/lobby#AQEHBwcHBwcHBwcHBwcHBwcH";
        let told = first(&status(State::Joined, Some(&format!("You are alone in the room. Send this link: {link}"))));
        assert_eq!(told.text, "You are alone; send this link.");
        assert_eq!(told.remedy, Some(Remedy::Copy(link.to_owned())));
    }

    #[test]
    fn what_the_client_knows_is_told_in_its_words() {
        for (state, weight) in
            [(State::Refused, Weight::Bad), (State::Connecting, Weight::Warn), (State::Offline, Weight::Bad)]
        {
            let told = first(&status(state, Some("The room is full. Ask for another.")));
            assert_eq!(told, Message::new(weight, "The room is full. Ask for another."));
        }
    }

    #[test]
    fn the_loop_guard_and_a_fault_have_a_button() {
        let guarded = status(State::Joined, Some("RTJam stopped sending your sound: … then resume sending."));
        assert_eq!(first(&guarded).remedy, Some(Remedy::Resume));
        let failed = Condition::Failed { log: Some("/tmp/rtjam.log".into()) };
        let told = messages(&guarded, &failed, None);
        assert_eq!(told[0].remedy, Some(Remedy::Restart));
        assert!(told[0].text.contains("/tmp/rtjam.log"), "{}", told[0].text);
        assert_eq!(told[1].remedy, Some(Remedy::Resume));
    }

    #[test]
    fn while_all_is_well_the_delay_is_told_and_before_that_what_to_do() {
        let joined = status(State::Joined, None);
        let told = messages(&joined, &Condition::Fine, Some(DELAY));
        assert_eq!(
            told[0].text,
            "You hear the room 23 ms after it plays: 3 ms to fill a packet, 14 ms on the network, 6 ms waiting for late packets."
        );
        assert_eq!(first(&joined).text, "You are in the room lobby.");
        assert_eq!(first(&status(State::Connecting, None)).text, "On the way to the room lobby …");
        assert!(first(&status(State::Offline, None)).text.starts_with("Paste the invite link"));
    }

    #[test]
    fn on_a_classic_server_the_delay_is_told_beside_what_the_link_is_worth() {
        let told = "This link is neither private nor authenticated: …";
        let bob = Musician { classic: true, ..musician() };
        let classic = Status { classic: true, musicians: vec![bob], ..status(State::Joined, Some(told)) };
        let told: Vec<Message> = messages(&classic, &Condition::Fine, Some(DELAY));
        assert_eq!((told.len(), told[0].weight), (2, Weight::Warn));
        assert!(
            told[0].text.contains("neither private nor authenticated") && told[1].text.starts_with("You hear the room")
        );
        let guarded = Status { sentence: Some("… then resume sending.".to_owned()), ..classic };
        assert_eq!(messages(&guarded, &Condition::Fine, None).len(), 1);
    }

    fn musician() -> Musician {
        Musician {
            slot: Some(1),
            name: "Musician 17".to_owned(),
            packets: 1,
            lost: 0,
            late: 0,
            recovered: 0,
            concealed_frames: 0,
            playout_delay_ms: None,
            delay: rtjam_client::Delay::default(),
            concealed_ms_per_min: 0.0,
            dbfs: [-120.0; 2],
            peak_dbfs: [-120.0; 2],
            strip: Some(0),
            source: 1,
            classic: false,
            heard: true,
        }
    }

    #[test]
    fn notices_come_after_what_is_urgent_and_can_be_taken_away() {
        let mut status = status(State::Connecting, Some("Nothing answers."));
        status.notices = vec!["No priority.".to_owned()];
        let told = messages(&status, &Condition::Offline, None);
        let texts: Vec<&str> = told.iter().map(|m| m.text.as_str()).collect();
        assert_eq!((texts.len(), texts[1], texts[2]), (3, "Nothing answers.", "No priority."));
        assert_eq!(told[2].remedy, Some(Remedy::Dismiss));
    }
}
