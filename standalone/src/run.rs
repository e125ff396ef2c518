//! The program from its start to its end: settings, audio, session, and the loop that looks after them.

use super::config::{Config, find_link, no_link};
use super::performer::Performer;
use super::rig::Rig;
use super::screen::{Screen, say};
use super::session::Session;
use super::settings::Settings;
use super::settings_file::SettingsFolder;
use super::signals::Signals;
use super::window::{self, Counter, Kept, Window};
use super::{cli::Cli, stdin};
use rtjam_client::{Condition, State, Status, TraceFile};
use rtjam_protocol::link::Link;
use rtjam_ui::messages::{self, Language};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

/// How often everything is looked at: signals, audio, session.
const TICK: Duration = Duration::from_millis(50);

/// How often the status is shown.
const STATUS: Duration = Duration::from_secs(1);

/// Leaving takes no longer: whatever still hangs then (a dead audio server, say) is cut off.
const PATIENCE_AT_THE_END: Duration = Duration::from_millis(800);

/// How the program ended. The numbers are a contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    AsAsked = 0,
    Failed = 1,
    WrongUsage = 2,
    Refused = 3,
}

/// Runs until it is asked to end, or cannot go on.
pub(crate) fn run(cli: Cli) -> Ended {
    let prepared = match plan(cli) {
        Ok(plan) if plan.config.window && window::has_display() => return window::run(plan),
        Ok(plan) => prepare(plan, None),
        Err(why) => Err(why),
    };
    match prepared {
        Ok(mut program) => program.run(),
        Err((ended, sentence)) => {
            say(io::stderr(), &format!("{sentence}\n"));
            ended
        }
    }
}

/// What is to run.
pub(super) struct Plan {
    folder: SettingsFolder,
    line: Settings,
    config: Config,
    kept: Kept,
    /// The settings file holds the key to a room.
    holds_key: bool,
    /// Where to record when packets arrive.
    record: Option<PathBuf>,
}

/// Everything that runs.
pub(super) struct Program {
    folder: SettingsFolder,
    /// What the command line said: it stays when the file is read again.
    line: Settings,
    config: Config,
    signals: Signals,
    /// Lines from the terminal.
    typed: Receiver<String>,
    screen: Screen,
    rig: Rig,
    session: Session,
    window: Option<Window>,
    /// The language of what the terminal shows.
    language: Language,
    /// The last condition that was shown, so that each is shown once.
    told: Option<Condition>,
    freewheeling: bool,
    remembered: Option<Link>,
    /// The exit code, should the end have to be cut short.
    outcome: Arc<AtomicI32>,
}

/// Reads what the musician wants.
fn plan(cli: Cli) -> Result<Plan, (Ended, String)> {
    let usage = |sentence: String| (Ended::WrongUsage, sentence);
    let folder = SettingsFolder::find(cli.config)
        .ok_or_else(|| usage("There is no home folder for the settings. Name a folder with --config.".to_owned()))?;
    let file = folder.read().map_err(|e| usage(e.to_string()))?;
    let holds_key = file.join.is_some();
    let mut settings = cli.settings.clone().over(file);
    let kept = Kept::read(&folder);
    if !settings.headless.unwrap_or(false) && window::has_display() {
        settings = settings.over(kept.settings());
    }
    let link = find_link(settings.join.as_deref(), &folder).map_err(usage)?;
    let config = Config::new(settings, link);
    Ok(Plan { folder, line: cli.settings, config, kept, holds_key, record: cli.record_trace })
}

/// Starts everything; with a `counter`, the window first.
pub(super) fn prepare(plan: Plan, counter: Option<Counter>) -> Result<Program, (Ended, String)> {
    let usage = |sentence: String| (Ended::WrongUsage, sentence);
    let failed = |sentence: String| (Ended::Failed, sentence);
    let Plan { folder, line, config, kept, holds_key, record } = plan;
    if counter.is_none() && config.link.is_none() {
        return Err(usage(no_link(&folder)));
    }
    folder.lay_out();
    let screen = Screen::new(config.json);
    if holds_key && folder.close_to_others() {
        screen.tell("rtjam.toml holds the key to a room, so it was made readable for you alone.");
    }
    if config.window && counter.is_none() {
        screen.tell("There is no display to open a window on, so rtjam runs without one.");
    }
    let signals = Signals::install().map_err(|e| failed(format!("Signals cannot be handled: {e}.")))?;
    let outcome = Arc::new(AtomicI32::new(Ended::AsAsked as i32));
    cut_off(signals.clone(), Arc::clone(&outcome));
    let (session, engine, clock) = Session::new(&config, folder.path()).map_err(failed)?;
    if let Some(path) = &record {
        session.record(TraceFile::create(path).map_err(|e| failed(no_trace(path, &e)))?);
    }
    let window = match &counter {
        Some(counter) => match counter.open(&session, &config, &kept, &folder, &signals) {
            Ok(window) => Some(window),
            Err(why) if config.link.is_none() => return Err(failed(format!("{why}\n{}", no_link(&folder)))),
            Err(why) => {
                screen.tell(&format!("{why} rtjam runs without one."));
                None
            }
        },
        None => None,
    };
    let performer = Box::new(Performer::new(engine, clock));
    let (rig, told) = Rig::start(config.request.clone(), config.source.clone(), performer).map_err(failed)?;
    screen.tell(&told);
    if let Some(link) = &config.link {
        session.join(link);
    }
    if config.mute {
        screen.tell("Your sound is not sent, since you start muted.");
    }
    let typed = stdin::typed_lines();
    Ok(Program {
        folder,
        line,
        config,
        signals,
        typed,
        screen,
        rig,
        session,
        window,
        language: Language::of_system(),
        told: None,
        freewheeling: false,
        remembered: None,
        outcome,
    })
}

fn no_trace(path: &Path, why: &io::Error) -> String {
    format!("The trace cannot be written to {} ({why}). Name another file with --record-trace.", path.display())
}

impl Program {
    pub(super) fn run(&mut self) -> Ended {
        let mut status_at = Instant::now();
        let ended = loop {
            if self.signals.end() {
                break Ended::AsAsked;
            }
            let Some(status) = self.session.status(self.rig.pulse().xruns(), self.rig.latency_ms()) else {
                break Ended::AsAsked;
            };
            let over = self.tick(&status);
            if over.is_some() || Instant::now() >= status_at {
                self.screen.show(&status);
                if let Some(window) = &self.window {
                    window.keep(&self.folder);
                }
                // From one origin, so that a second stays a second; a pause of the computer is not made up for.
                status_at = (status_at + STATUS).max(Instant::now());
            }
            if let Some(ended) = over {
                break ended;
            }
            thread::sleep(TICK);
        };
        self.close(ended);
        ended
    }

    /// One look at everything. `Some`: it is over.
    fn tick(&mut self, status: &Status) -> Option<Ended> {
        if self.signals.take_reload() {
            if self.signals.hung_up() {
                return Some(Ended::AsAsked);
            }
            self.reload();
        }
        if self.signals.take_resume() {
            self.session.resume_sending();
        }
        while let Ok(line) = self.typed.try_recv() {
            self.obey(line.trim());
        }
        if let Some(sentence) = self.rig.tick() {
            self.screen.tell(&sentence);
            if let Some(window) = &self.window {
                window.show_audio((!self.rig.is_playing()).then_some(sentence));
            }
        }
        self.tell_of_audio();
        self.tell_of_session(status);
        match status.state {
            // A window says why, and takes another link.
            State::Refused | State::Offline if self.window.is_some() => None,
            State::Refused => Some(Ended::Refused),
            // It was asked to join, and cannot even begin to.
            State::Offline => Some(Ended::Failed),
            State::Joined => {
                self.remember_room();
                None
            }
            State::Connecting => None,
        }
    }

    /// Does what was typed.
    fn obey(&self, line: &str) {
        match line {
            "" => self.session.resume_sending(),
            "unmute" => {
                self.set_mute(false);
                self.session.resume_sending();
                self.screen.tell("Your sound is sent.");
            }
            "mute" => {
                self.set_mute(true);
                self.screen.tell("Your sound is not sent.");
            }
            _ => self.screen.tell("Type mute or unmute. Ctrl-C leaves the room and ends."),
        }
    }

    fn set_mute(&self, mute: bool) {
        self.session.set_mute(mute);
        if let Some(window) = &self.window {
            window.show_mute(mute);
        }
    }

    fn tell_of_session(&mut self, status: &Status) {
        for notice in self.session.news(status) {
            self.screen.tell(&messages::notice(&notice, self.language));
        }
        if let Some(condition) = &status.condition
            && self.told.as_ref() != Some(condition)
        {
            self.screen.tell(&messages::condition(condition, self.language));
            if *condition == Condition::MutedByLoopGuard {
                self.screen.tell(messages::resume_hint(self.language));
            }
        }
        self.told.clone_from(&status.condition);
    }

    fn tell_of_audio(&mut self) {
        let pulse = self.rig.pulse();
        if pulse.take_priority_denied() {
            self.screen.tell(
                "audio: the system gave the audio thread no real-time priority, so sound may break up under load. \
                 Allow it (Debian: join the group \"audio\", see /etc/security/limits.d/audio.conf).",
            );
        }
        if pulse.freewheeling() != self.freewheeling {
            self.freewheeling = pulse.freewheeling();
            self.screen.tell(if self.freewheeling {
                "audio: JACK is freewheeling (exporting): the room is silent and nothing is sent until that ends."
            } else {
                "audio: JACK runs in real time again."
            });
        }
    }

    /// Keeps the link of the room that was reached, for `--join last`.
    fn remember_room(&mut self) {
        let link = match &self.window {
            Some(window) => window.reached(),
            None => self.config.link.clone(),
        };
        if let Some(link) = link.filter(|link| self.remembered.as_ref() != Some(link)) {
            // Not being able to is no reason to disturb the music.
            let _ = self.folder.remember_room(&link.to_string());
            self.remembered = Some(link);
        }
    }

    /// Reads the settings again; what is wrong is told, and everything stays as it was.
    fn reload(&mut self) {
        match self.read_again() {
            Ok(config) => self.change_to(config),
            Err(sentence) => self.screen.tell(&format!("{sentence}\nThe settings stay as they were.")),
        }
    }

    fn read_again(&self) -> Result<Config, String> {
        let settings = self.line.clone().over(self.folder.read().map_err(|e| e.to_string())?);
        // Standard input was read when the program began, and "last" is where we are.
        let link = match settings.join.as_deref() {
            None | Some("-" | "last") => self.config.link.clone(),
            join => find_link(join, &self.folder)?,
        };
        let settings =
            if self.window.is_some() { settings.over(Kept::read(&self.folder).settings()) } else { settings };
        Ok(Config::new(settings, link))
    }

    fn change_to(&mut self, config: Config) {
        match self.rig.change(config.request.clone(), config.source.clone()) {
            Ok(Some(told)) => self.screen.tell(&told),
            Ok(None) => {}
            Err(sentence) => self.screen.tell(&sentence),
        }
        match &self.window {
            // It stays in the room that the window went to, unless the file now names another one.
            Some(window) if config.link == self.config.link => {
                let here = |config: &Config| Config { link: window.link(), ..config.clone() };
                self.session.change(&here(&self.config), &here(&config));
                window.follow(&here(&config));
            }
            Some(window) => {
                self.session.change(&self.config, &config);
                window.follow(&config);
            }
            None => self.session.change(&self.config, &config),
        }
        if config.json != self.config.json {
            self.screen = Screen::new(config.json);
        }
        self.config = config;
        self.screen.tell("The settings were read again.");
    }

    /// Leaves the room first, so that the others see it at once; then the audio system.
    fn close(&mut self, ended: Ended) {
        self.outcome.store(ended as i32, Ordering::Relaxed);
        self.signals.set_end();
        if let Some(window) = &self.window {
            window.close(&self.folder);
        }
        self.screen.close();
        self.session.leave();
        self.rig.stop();
    }
}

/// From a thread of its own, ends the program when its orderly end takes too long, or never begins because the main
/// thread waits for an audio server that hangs.
fn cut_off(signals: Signals, outcome: Arc<AtomicI32>) {
    let watch = move || {
        while !signals.end() {
            thread::sleep(2 * TICK);
        }
        thread::sleep(PATIENCE_AT_THE_END);
        std::process::exit(outcome.load(Ordering::Relaxed));
    };
    // Without the thread the end is only less punctual.
    let _ = thread::Builder::new().name("cut-off".to_owned()).spawn(watch);
}
