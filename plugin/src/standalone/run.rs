//! The program from its start to its end: settings, audio, session, and the loop that looks after them.

use super::config::{Config, find_link};
use super::performer::Performer;
use super::rig::Rig;
use super::screen::{Screen, say};
use super::session::Session;
use super::settings::Settings;
use super::settings_file::SettingsFolder;
use super::signals::Signals;
use super::{cli::Cli, stdin};
use rtjam_client::{State, Status};
use rtjam_protocol::link::InviteLink;
use std::io;
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

/// How the loop guard's sentence ends; what resumes sending differs from face to face.
const GUARDED: &str = "resume sending.";

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
    match prepare(cli) {
        Ok(mut program) => program.run(),
        Err((ended, sentence)) => {
            say(io::stderr(), &format!("{sentence}\n"));
            ended
        }
    }
}

/// Everything that runs.
struct Program {
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
    /// The sentence that was told last, so that each is told once.
    told: Option<String>,
    freewheeling: bool,
    remembered: Option<InviteLink>,
    /// The exit code, should the end have to be cut short.
    outcome: Arc<AtomicI32>,
}

fn prepare(cli: Cli) -> Result<Program, (Ended, String)> {
    let usage = |sentence: String| (Ended::WrongUsage, sentence);
    let failed = |sentence: String| (Ended::Failed, sentence);
    let folder = SettingsFolder::find(cli.config)
        .ok_or_else(|| usage("There is no home folder for the settings. Name a folder with --config.".to_owned()))?;
    let file = folder.read().map_err(|e| usage(e.to_string()))?;
    let holds_key = file.join.is_some();
    let settings = cli.settings.clone().over(file);
    let link = find_link(settings.join.as_deref(), &folder).map_err(usage)?;
    folder.lay_out();
    let config = Config::new(settings, link);
    let screen = Screen::new(config.json);
    if holds_key && folder.close_to_others() {
        screen.tell("rtjam.toml holds the key to a room, so it was made readable for you alone.");
    }
    if config.window {
        screen.tell("This version of rtjam has no window yet; it runs without one.");
    }
    let signals = Signals::install().map_err(|e| failed(format!("Signals cannot be handled: {e}.")))?;
    let outcome = Arc::new(AtomicI32::new(Ended::AsAsked as i32));
    cut_off(signals.clone(), Arc::clone(&outcome));
    let (session, engine, clock) = Session::new(&config, folder.path()).map_err(failed)?;
    let performer = Box::new(Performer::new(engine, clock));
    let (rig, told) = Rig::start(config.request.clone(), config.source.clone(), performer).map_err(failed)?;
    screen.tell(&told);
    session.join(&config.link);
    if config.mute {
        screen.tell("Your sound is not sent, since you start muted.");
    }
    let typed = stdin::typed_lines();
    let line = cli.settings;
    Ok(Program {
        folder,
        line,
        config,
        signals,
        typed,
        screen,
        rig,
        session,
        told: None,
        freewheeling: false,
        remembered: None,
        outcome,
    })
}

impl Program {
    fn run(&mut self) -> Ended {
        let mut status_at = Instant::now();
        let ended = loop {
            if self.signals.end() {
                break Ended::AsAsked;
            }
            let Some(status) = self.session.status(self.rig.pulse().xruns()) else { break Ended::AsAsked };
            let over = self.tick(&status);
            if over.is_some() || Instant::now() >= status_at {
                self.screen.show(&status);
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
        }
        self.tell_of_audio();
        self.tell_of_session(status);
        match status.state {
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
                self.session.set_mute(false);
                self.session.resume_sending();
                self.screen.tell("Your sound is sent.");
            }
            "mute" => {
                self.session.set_mute(true);
                self.screen.tell("Your sound is not sent.");
            }
            _ => self.screen.tell("Type mute or unmute. Ctrl-C leaves the room and ends."),
        }
    }

    fn tell_of_session(&mut self, status: &Status) {
        for notice in self.session.news(status) {
            self.screen.tell(&notice);
        }
        if let Some(sentence) = &status.sentence
            && self.told.as_ref() != Some(sentence)
        {
            self.screen.tell(sentence);
            if sentence.ends_with(GUARDED) {
                self.screen.tell("To resume sending, press Enter here, or send SIGUSR1 to rtjam.");
            }
        }
        self.told.clone_from(&status.sentence);
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
        if self.remembered.as_ref() != Some(&self.config.link) {
            // Not being able to is no reason to disturb the music.
            let _ = self.folder.remember_room(&self.config.link.to_string());
            self.remembered = Some(self.config.link.clone());
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
        Ok(Config::new(settings, link))
    }

    fn change_to(&mut self, config: Config) {
        match self.rig.change(config.request.clone(), config.source.clone()) {
            Ok(Some(told)) => self.screen.tell(&told),
            Ok(None) => {}
            Err(sentence) => self.screen.tell(&sentence),
        }
        self.session.change(&self.config, &config);
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
