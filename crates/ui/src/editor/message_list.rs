//! The messages to show, with their weights and buttons.

use super::delay_and_loss::WholeDelay;
use crate::audio::AudioState;
use crate::editor_model::InstanceCondition;
use crate::messages::{self, Language, MessageKey};
use rtjam_client::{Condition, SessionState, Status, StatusNotice};

/// How urgent a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// Nothing works until it is resolved.
    Bad,
    /// Needs attention.
    Warn,
    /// Information.
    Note,
    /// All is well.
    Good,
}

/// The button beside a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Copies the invite link.
    Copy(String),
    /// Resumes sending after the loop guard has muted.
    Resume,
    /// Restarts the engine after a failure.
    Restart,
    /// Joins although another instance is in that room.
    JoinAnyway(String),
    /// Undoes the last edit.
    Undo,
    /// Opens the audio page.
    OpenAudio,
    /// Dismisses the message.
    Dismiss,
}

impl Remedy {
    /// The text of the button.
    pub fn label(&self, language: Language) -> &'static str {
        language.text(match self {
            Remedy::Copy(_) => MessageKey::CopyLink,
            Remedy::Resume => MessageKey::ResumeSending,
            Remedy::Restart => MessageKey::RestartEngine,
            Remedy::JoinAnyway(_) => MessageKey::JoinAnyway,
            Remedy::Undo => MessageKey::Undo,
            Remedy::OpenAudio => MessageKey::AudioMenu,
            Remedy::Dismiss => MessageKey::Dismiss,
        })
    }
}

/// A message and the button that belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// How urgent it is.
    pub weight: Weight,
    /// One or more whole sentences.
    pub text: String,
    /// What the user can do about it here.
    pub remedy: Option<Remedy>,
}

impl Message {
    /// A message without a button.
    pub fn new(weight: Weight, text: impl Into<String>) -> Message {
        Message { weight, text: text.into(), remedy: None }
    }

    /// Adds a button.
    pub fn with(self, remedy: Remedy) -> Message {
        Message { remedy: Some(remedy), ..self }
    }
}

/// All messages, the most urgent first. There is at least one: the delay of the room, or what to do next.
pub fn messages(
    status: &Status,
    condition: &InstanceCondition,
    audio: Option<&AudioState>,
    slowest: Option<WholeDelay>,
    language: Language,
) -> Vec<Message> {
    let about = [instance_message(condition, language), session_message(status, language)];
    let mut messages: Vec<Message> = about.into_iter().flatten().collect();
    // That a legacy link is not private is always shown, and does not replace the delay.
    let only_legacy =
        messages.len() == 1 && status.condition == Some(Condition::LegacyLink) && !status.musicians.is_empty();
    if messages.is_empty() || only_legacy {
        messages.push(idle_message(status, slowest, language));
    }
    messages.extend(audio.and_then(|audio| audio_message(audio, language)));
    messages.extend(status.notices.iter().map(|notice| notice_message(notice, language)));
    // A stable sort keeps the order of equal weights.
    messages.sort_by_key(|message| message.weight.min(Weight::Note));
    messages
}

fn instance_message(condition: &InstanceCondition, language: Language) -> Option<Message> {
    let text = messages::instance_condition(condition, language)?;
    Some(match condition {
        InstanceCondition::Failed { .. } => Message::new(Weight::Bad, text).with(Remedy::Restart),
        _ => Message::new(Weight::Warn, text),
    })
}

fn audio_message(audio: &AudioState, language: Language) -> Option<Message> {
    if let Some(problem) = &audio.problem {
        let text = messages::audio_problem(problem, language);
        return Some(Message::new(Weight::Bad, text).with(Remedy::OpenAudio));
    }
    let name = audio.running.as_ref()?.bluetooth.as_ref()?;
    Some(
        Message::new(Weight::Warn, language.fill(MessageKey::BluetoothDevice, &[("device", name)]))
            .with(Remedy::Dismiss),
    )
}

fn session_message(status: &Status, language: Language) -> Option<Message> {
    let condition = status.condition.as_ref()?;
    if let Condition::Alone(link) = condition {
        let text = language.text(MessageKey::AloneCopy);
        return Some(Message::new(Weight::Note, text).with(Remedy::Copy(link.to_string())));
    }
    let text = messages::condition(condition, language);
    Some(match (condition, status.state) {
        (Condition::MutedByLoopGuard, _) => Message::new(Weight::Bad, text).with(Remedy::Resume),
        (_, SessionState::Refused | SessionState::Offline) => Message::new(Weight::Bad, text),
        _ => Message::new(Weight::Warn, text),
    })
}

fn notice_message(notice: &StatusNotice, language: Language) -> Message {
    Message::new(Weight::Note, messages::notice(notice, language)).with(Remedy::Dismiss)
}

/// What to show while there is no condition.
fn idle_message(status: &Status, slowest: Option<WholeDelay>, language: Language) -> Message {
    let named = |with: MessageKey, without: MessageKey| match &status.room {
        Some(room) => language.fill(with, &[("room", room)]),
        None => language.text(without).to_owned(),
    };
    match (status.state, slowest) {
        (SessionState::Joined, Some(delay)) => Message::new(Weight::Good, messages::delay(delay, language)),
        (SessionState::Joined, None) => Message::new(Weight::Good, named(MessageKey::InRoomNamed, MessageKey::InRoom)),
        (SessionState::Connecting, _) => {
            Message::new(Weight::Note, named(MessageKey::JoiningNamed, MessageKey::Joining))
        }
        _ => Message::new(Weight::Note, language.text(MessageKey::PasteLink)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::{AudioProblem, DevicesInUse, RunningAudio};
    use rtjam_client::Musician;
    use rtjam_protocol::control::{Refusal, Refused};

    fn status(state: SessionState, condition: Option<Condition>) -> Status {
        Status { state, room: Some("lobby".to_owned()), condition, ..Status::default() }
    }

    const DELAY: WholeDelay = WholeDelay { packet: 3, mix: None, network: 14, buffer: 6 };

    fn of(status: &Status, condition: &InstanceCondition, slowest: Option<WholeDelay>) -> Vec<Message> {
        messages(status, condition, None, slowest, Language::English)
    }

    fn first(status: &Status) -> Message {
        of(status, &InstanceCondition::Fine, None).remove(0)
    }

    /// A musician who is alone can copy the link.
    #[test]
    fn alone_offers_the_link() {
        let link = "rtjam://127.0.0.1:7000/lobby#AQEHBwcHBwcHBwcHBwcHBwcH";
        let told = first(&status(SessionState::Joined, Some(Condition::Alone(link.parse().expect("a link")))));
        assert_eq!(told.text, "You are alone in the room. Send this link to the others.");
        assert_eq!(told.remedy, Some(Remedy::Copy(link.to_owned())));
    }

    /// The state decides the weight of a condition.
    #[test]
    fn weight_follows_the_state() {
        let full = Refused::new(Refusal::RoomFull);
        for (state, weight) in [
            (SessionState::Refused, Weight::Bad),
            (SessionState::Connecting, Weight::Warn),
            (SessionState::Offline, Weight::Bad),
        ] {
            let told = first(&status(state, Some(Condition::Refused(full.clone()))));
            assert_eq!(told, Message::new(weight, full.to_string()));
        }
    }

    /// The loop guard and a failure have a button.
    #[test]
    fn failures_have_a_button() {
        let muted = status(SessionState::Joined, Some(Condition::MutedByLoopGuard));
        assert_eq!(first(&muted).remedy, Some(Remedy::Resume));
        let told = of(&muted, &InstanceCondition::Failed { log: Some("/tmp/rtjam.log".into()) }, None);
        assert_eq!(told[0].remedy, Some(Remedy::Restart));
        assert!(told[0].text.contains("/tmp/rtjam.log"), "{}", told[0].text);
        assert_eq!(told[1].remedy, Some(Remedy::Resume));
    }

    /// Without a condition the delay is shown, and before joining what to do.
    #[test]
    fn idle_messages_follow_the_state() {
        let joined = status(SessionState::Joined, None);
        let told = of(&joined, &InstanceCondition::Fine, Some(DELAY));
        assert!(told[0].text.starts_with("You hear the room 23 ms after it plays: 3 ms to fill a packet,"));
        assert_eq!(first(&joined).text, "You are in the room \"lobby\".");
        assert_eq!(first(&status(SessionState::Connecting, None)).text, "Joining \"lobby\"…");
        assert!(first(&status(SessionState::Offline, None)).text.starts_with("Paste the invite link"));
        let german =
            messages(&status(SessionState::Connecting, None), &InstanceCondition::Fine, None, None, Language::German);
        assert_eq!(german[0].text, "Beitritt zu \"lobby\"…");
    }

    /// On a legacy server the delay is shown beside the warning.
    #[test]
    fn legacy_link_keeps_the_delay() {
        let musicians = vec![Musician { legacy: true, ..Musician::default() }];
        let legacy = Status { legacy: true, musicians, ..status(SessionState::Joined, Some(Condition::LegacyLink)) };
        let told = of(&legacy, &InstanceCondition::Fine, Some(DELAY));
        assert_eq!((told.len(), told[0].weight), (2, Weight::Warn));
        assert!(told[0].text.contains("neither private nor authenticated"), "{}", told[0].text);
        assert!(told[1].text.starts_with("You hear the room"), "{}", told[1].text);
        let muted = Status { condition: Some(Condition::MutedByLoopGuard), ..legacy };
        assert_eq!(of(&muted, &InstanceCondition::Fine, None).len(), 1);
    }

    /// A problem of the audio system comes first, and its button opens the audio page.
    #[test]
    fn audio_problems_open_the_page() {
        let joined = status(SessionState::Joined, None);
        let told = |audio: &AudioState| {
            messages(&joined, &InstanceCondition::Fine, Some(audio), Some(DELAY), Language::English).remove(0)
        };
        let busy = AudioState { problem: Some(AudioProblem::DeviceBusy("UA-25".to_owned())), ..AudioState::default() };
        assert_eq!((told(&busy).weight, told(&busy).remedy), (Weight::Bad, Some(Remedy::OpenAudio)));
        assert!(told(&busy).text.contains("\"UA-25\""), "{}", told(&busy).text);
        assert_eq!(told(&AudioState::default()).weight, Weight::Good);
        let buds = RunningAudio {
            by_jack: false,
            devices: DevicesInUse::default(),
            bluetooth: Some("AirPods".to_owned()),
            rate: 48_000,
            period: 512,
            delay: None,
        };
        let wireless = told(&AudioState { running: Some(buds), ..AudioState::default() });
        assert_eq!((wireless.weight, wireless.remedy), (Weight::Warn, Some(Remedy::Dismiss)));
        assert!(wireless.text.contains("AirPods") && wireless.text.contains("cable"), "{}", wireless.text);
    }

    /// Notices come after urgent messages and can be dismissed.
    #[test]
    fn notices_come_last() {
        let mut status = status(SessionState::Connecting, Some(Condition::Rejoining));
        status.notices = vec![StatusNotice::NoRealtimePriority];
        let told = of(&status, &InstanceCondition::Offline, None);
        assert_eq!(told.len(), 3);
        assert!(told[2].text.contains("no real-time priority"), "{}", told[2].text);
        assert_eq!(told[2].remedy, Some(Remedy::Dismiss));
    }
}
