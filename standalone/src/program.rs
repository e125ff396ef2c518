//! The program from start to end: settings, audio, session, and the main loop.

use super::audio_processor::AudioProcessor;
use super::audio_supervisor::{AudioError, AudioSupervisor};
use super::cli::Cli;
use super::config::{FindLinkError, ProgramConfig, find_link};
use super::session::ProgramSession;
use super::settings_file::{SettingsFileError, SettingsFolder};
use super::signals::Signals;
use super::terminal::{self, Terminal, print};
use super::test_tone::test_tone;
use super::window::{self, ProgramWindowError, Window, WindowRequest, WindowState};
use rtjam_client::{Condition, SessionState, Status, TraceFile};
use rtjam_protocol::link::Link;
use rtjam_ui::audio::DeviceDelay;
use rtjam_ui::messages::{self, Language, MessageKey};
use rtjam_ui::settings::{AudioChoices, GivenSettings, NoHomeFolder, config_folder};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::Receiver;
use std::thread;
use std::time::{Duration, Instant};

/// Interval of the main loop, which checks signals, audio and session.
const TICK: Duration = Duration::from_millis(50);

/// Interval of the status.
const STATUS: Duration = Duration::from_secs(1);

/// The longest shutdown. What hangs after it, a dead audio server for example, is cut off.
const SHUTDOWN: Duration = Duration::from_millis(800);

/// Why the program exits. The values are the documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitReason {
    Requested = 0,
    Failed = 1,
    WrongUsage = 2,
    Refused = 3,
}

/// Why the program did not start.
#[derive(Debug)]
pub(crate) enum StartError {
    NoHome(NoHomeFolder),
    Settings(SettingsFileError),
    Join(FindLinkError),
    /// No room was given, and there is no window to ask for one. Holds the last room.
    NoRoom(Option<Link>),
    Signals(io::Error),
    Trace(PathBuf, io::Error),
    Window(ProgramWindowError),
    Audio(AudioError),
}

impl StartError {
    fn exit_reason(&self) -> ExitReason {
        match self {
            StartError::NoHome(_) | StartError::Settings(_) | StartError::Join(_) | StartError::NoRoom(_) => {
                ExitReason::WrongUsage
            }
            StartError::Signals(_) | StartError::Trace(..) | StartError::Window(_) | StartError::Audio(_) => {
                ExitReason::Failed
            }
        }
    }

    /// What happened, and what to do.
    fn text(&self, language: Language) -> String {
        match self {
            StartError::NoHome(_) => language.text(MessageKey::NoConfigFolder).to_owned(),
            StartError::Settings(why) => why.to_string(),
            StartError::Join(why) => why.text(language),
            StartError::NoRoom(last) => {
                let again = |link: &Link| language.fill(MessageKey::RejoinLastRoom, &[("room", &link.without_key())]);
                let which = language.text(MessageKey::WhichRoom);
                last.as_ref().map_or(which.to_owned(), |link| format!("{which}\n{}", again(link)))
            }
            StartError::Signals(why) => language.fill(MessageKey::NoSignals, &[("reason", why)]),
            StartError::Trace(path, why) => {
                language.fill(MessageKey::TraceNotWritten, &[("path", &path.display()), ("reason", why)])
            }
            StartError::Window(why) => language.fill(MessageKey::NoWindow, &[("reason", why)]),
            StartError::Audio(why) => why.text(language),
        }
    }
}

/// Runs until the program is asked to end or cannot go on.
pub(crate) fn run(cli: Cli) -> ExitReason {
    let language = Language::chosen(cli.settings.0.language.flatten());
    let plan = match plan(cli) {
        Ok(plan) => plan,
        Err(why) => return report(&why, language),
    };
    if !plan.config.window || !window::has_display() {
        return start_and_run(plan, None);
    }
    match window::run(move |request| start_and_run(plan, Some(request))) {
        Ok(reason) => reason,
        Err(why) => {
            print(io::stderr(), &format!("{why}\n"));
            ExitReason::Failed
        }
    }
}

fn start_and_run(plan: StartPlan, window: Option<WindowRequest>) -> ExitReason {
    let language = plan.config.language();
    match start(plan, window) {
        Ok(mut program) => program.run(),
        Err(why) => report(&why, language),
    }
}

fn report(why: &StartError, language: Language) -> ExitReason {
    print(io::stderr(), &format!("{}\n", why.text(language)));
    why.exit_reason()
}

/// What to start.
struct StartPlan {
    folder: SettingsFolder,
    flags: GivenSettings,
    config: ProgramConfig,
    window_state: WindowState,
    /// Whether `rtjam.toml` holds the key of a room.
    file_holds_key: bool,
    /// Only the window's memory says what audio to use. That may be unplugged, which is no reason not to start.
    audio_is_remembered: bool,
    /// Where to record packet arrivals.
    trace: Option<PathBuf>,
}

/// Reads the settings.
fn plan(cli: Cli) -> Result<StartPlan, StartError> {
    let folder = SettingsFolder::new(config_folder(cli.config).map_err(StartError::NoHome)?);
    let file = folder.read().map_err(StartError::Settings)?;
    let file_holds_key = file.join.is_some();
    let flags = cli.settings.0;
    let mut settings = flags.clone().over(file);
    let window_state = WindowState::read(folder.path());
    let mut audio_is_remembered = false;
    if !settings.headless.unwrap_or(false) && window::has_display() {
        audio_is_remembered = AudioChoices::from_given(&settings) == AudioChoices::default();
        settings = settings.over(window_state.settings());
    }
    let link = find_link(settings.join.as_deref(), &folder).map_err(StartError::Join)?;
    let config = ProgramConfig::new(settings, link);
    Ok(StartPlan { folder, flags, config, window_state, file_holds_key, audio_is_remembered, trace: cli.record_trace })
}

/// The running program.
struct Program {
    folder: SettingsFolder,
    /// The command line, which overrides the file when that is read again.
    flags: GivenSettings,
    config: ProgramConfig,
    signals: Signals,
    typed_lines: Receiver<String>,
    terminal: Terminal,
    audio: AudioSupervisor,
    session: ProgramSession,
    window: Option<Window>,
    /// The sentence that was shown last, so that each is shown once.
    shown_condition: Option<Condition>,
    freewheeling: bool,
    remembered_room: Option<Link>,
    /// The exit code, in case the shutdown is cut off.
    exit_code: Arc<AtomicI32>,
}

/// Starts everything, the window first.
fn start(plan: StartPlan, request: Option<WindowRequest>) -> Result<Program, StartError> {
    let StartPlan { folder, flags, config, window_state, file_holds_key, audio_is_remembered, trace } = plan;
    if request.is_none() && config.link.is_none() {
        return Err(StartError::NoRoom(folder.last_room().and_then(|text| text.parse().ok())));
    }
    folder.write_template();
    let terminal = Terminal::new(config.json);
    let language = config.language();
    if file_holds_key && folder.make_private() {
        terminal.show_message(language.text(MessageKey::FileMadePrivate));
    }
    if config.window && request.is_none() {
        terminal.show_message(language.text(MessageKey::NoDisplay));
    }
    let signals = Signals::install().map_err(StartError::Signals)?;
    let exit_code = Arc::new(AtomicI32::new(ExitReason::Requested as i32));
    limit_shutdown(signals.clone(), Arc::clone(&exit_code));
    let (session, engine, clock) = ProgramSession::new(&config, folder.path());
    if let Some(path) = trace {
        session.record(TraceFile::create(&path).map_err(|why| StartError::Trace(path, why))?);
    }
    let mut window = match request.map(|request| request.open(&session, &config, &window_state, &folder, &signals)) {
        Some(Ok(window)) => Some(window),
        Some(Err(why)) if config.link.is_none() => return Err(StartError::Window(why)),
        Some(Err(why)) => {
            terminal.show_message(&language.fill(MessageKey::RunsWithoutWindow, &[("reason", &why)]));
            None
        }
        None => None,
    };
    let (tone_switch, tone) = test_tone();
    let processor = Box::new(AudioProcessor::new(engine, clock, tone));
    let mut audio = AudioSupervisor::new(config.audio.clone(), config.source.clone(), processor, tone_switch);
    match (audio.open(language), &mut window) {
        (Ok(message), _) => terminal.show_message(&message),
        (Err(why @ AudioError::Backend(_)), Some(window)) if audio_is_remembered => {
            terminal.show_message(&why.text(language));
            window.show_audio_error(&why, language);
        }
        (Err(why), window) => {
            if let Some(window) = window {
                window.close();
            }
            return Err(StartError::Audio(why));
        }
    }
    if let Some(link) = &config.link {
        session.join(link);
    }
    if config.mute {
        terminal.show_message(language.text(MessageKey::StartMuted));
    }
    Ok(Program {
        folder,
        flags,
        config,
        signals,
        typed_lines: terminal::typed_lines(),
        terminal,
        audio,
        session,
        window,
        shown_condition: None,
        freewheeling: false,
        remembered_room: None,
        exit_code,
    })
}

impl Program {
    fn run(&mut self) -> ExitReason {
        let mut status_at = Instant::now();
        let reason = loop {
            if self.signals.end() {
                break ExitReason::Requested;
            }
            let Some(status) =
                self.session.status(self.audio.health().xruns(), self.audio.delay().map(DeviceDelay::total_ms))
            else {
                break ExitReason::Requested;
            };
            let over = self.tick(&status);
            if over.is_some() || Instant::now() >= status_at {
                self.terminal.show_status(&status, self.config.language());
                if let Some(window) = &self.window {
                    window.save();
                }
                // From one origin, so that the interval is exact. The time of a suspended computer is skipped.
                status_at = (status_at + STATUS).max(Instant::now());
            }
            if let Some(reason) = over {
                break reason;
            }
            thread::sleep(TICK);
        };
        self.close(reason);
        reason
    }

    /// Checks everything once. `Some`: the program is to exit.
    fn tick(&mut self, status: &Status) -> Option<ExitReason> {
        if self.signals.take_reload() {
            if self.signals.hung_up() {
                return Some(ExitReason::Requested);
            }
            self.reload();
        }
        if self.signals.take_resume() {
            self.session.resume_sending();
        }
        while let Ok(line) = self.typed_lines.try_recv() {
            self.execute(line.trim());
        }
        if let Some(message) = self.audio.tick(self.config.language()) {
            self.terminal.show_message(&message);
            if let Some(window) = &mut self.window
                && !self.audio.is_running()
            {
                window.show_audio_loss(message);
            }
        }
        if let Some(window) = &mut self.window
            && let Some(message) = window.serve_audio(&mut self.audio, &mut self.config)
        {
            self.terminal.show_message(&message);
        }
        self.show_audio_changes();
        self.show_session_changes(status);
        match status.state {
            // The window shows why, and accepts another link.
            SessionState::Refused | SessionState::Offline if self.window.is_some() => None,
            SessionState::Refused => Some(ExitReason::Refused),
            // Joining could not start.
            SessionState::Offline => Some(ExitReason::Failed),
            SessionState::Joined => {
                self.remember_room();
                None
            }
            SessionState::Connecting => None,
        }
    }

    /// Executes a typed command.
    fn execute(&self, line: &str) {
        match line {
            "" => self.session.resume_sending(),
            "unmute" => {
                self.set_mute(false);
                self.session.resume_sending();
                self.tell(MessageKey::NowUnmuted);
            }
            "mute" => {
                self.set_mute(true);
                self.tell(MessageKey::NowMuted);
            }
            "tone" => {
                self.audio.tone().press();
                self.tell(MessageKey::TonePlays);
            }
            _ => self.tell(MessageKey::TypedCommands),
        }
    }

    fn set_mute(&self, mute: bool) {
        self.session.set_mute(mute);
        if let Some(window) = &self.window {
            window.show_mute(mute);
        }
    }

    fn tell(&self, key: MessageKey) {
        self.terminal.show_message(self.config.language().text(key));
    }

    fn show_session_changes(&mut self, status: &Status) {
        let language = self.config.language();
        for notice in self.session.new_notices(status) {
            self.terminal.show_message(&messages::notice(&notice, language));
        }
        if let Some(condition) = &status.condition
            && self.shown_condition.as_ref() != Some(condition)
        {
            self.terminal.show_message(&messages::condition(condition, language));
            if *condition == Condition::MutedByLoopGuard {
                self.tell(MessageKey::ResumeInTerminal);
            }
        }
        self.shown_condition.clone_from(&status.condition);
    }

    fn show_audio_changes(&mut self) {
        let health = self.audio.health();
        if health.take_priority_denied() {
            self.tell(MessageKey::AudioPriorityDenied);
        }
        if health.freewheeling() != self.freewheeling {
            self.freewheeling = health.freewheeling();
            self.tell(if self.freewheeling { MessageKey::Freewheeling } else { MessageKey::RealTimeAgain });
        }
    }

    /// Keeps the link of the joined room, for `--join last`. Ignores write errors.
    fn remember_room(&mut self) {
        let link = match &self.window {
            Some(window) => window.note_joined(),
            None => self.config.link.clone(),
        };
        if let Some(link) = link.filter(|link| self.remembered_room.as_ref() != Some(link)) {
            let _ = self.folder.remember_room(&link.to_string());
            self.remembered_room = Some(link);
        }
    }

    /// Reads the settings again. After a mistake, everything stays as it is.
    fn reload(&mut self) {
        match self.read_again() {
            Ok(config) => self.change_to(config),
            Err(why) => {
                let language = self.config.language();
                let message = language.fill(MessageKey::SettingsUnchanged, &[("reason", &why.text(language))]);
                self.terminal.show_message(&message);
            }
        }
    }

    fn read_again(&self) -> Result<ProgramConfig, StartError> {
        let settings = self.flags.clone().over(self.folder.read().map_err(StartError::Settings)?);
        // Standard input was read at the start, and "last" is the present room.
        let link = match settings.join.as_deref() {
            None | Some("-" | "last") => self.config.link.clone(),
            join => find_link(join, &self.folder).map_err(StartError::Join)?,
        };
        let settings = match &self.window {
            Some(_) => settings.over(WindowState::read(self.folder.path()).settings()),
            None => settings,
        };
        Ok(ProgramConfig::new(settings, link))
    }

    fn change_to(&mut self, config: ProgramConfig) {
        let language = config.language();
        match self.audio.change(config.audio.clone(), config.source.clone(), language) {
            Ok(Some(message)) => self.terminal.show_message(&message),
            Ok(None) => {}
            Err(why) => {
                self.terminal.show_message(&why.text(language));
                if let Some(window) = &mut self.window {
                    window.show_audio_error(&why, language);
                }
            }
        }
        match &self.window {
            // The session stays in the room that was joined from the window, unless the file names another one.
            Some(window) if config.link == self.config.link => {
                let here = |config: &ProgramConfig| ProgramConfig { link: window.link(), ..config.clone() };
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
            self.terminal = Terminal::new(config.json);
        }
        self.config = config;
        self.tell(MessageKey::SettingsRead);
    }

    /// Leaves the room first, so that the others see it at once; then stops the audio system.
    fn close(&mut self, reason: ExitReason) {
        self.exit_code.store(reason as i32, Ordering::Relaxed);
        self.signals.set_end();
        if let Some(window) = &self.window {
            window.close();
        }
        self.terminal.close();
        self.session.leave();
        self.audio.stop();
    }
}

/// Exits the program, from a thread of its own, if the shutdown takes longer than [`SHUTDOWN`], or never begins because
/// the main thread waits for an audio server that hangs.
fn limit_shutdown(signals: Signals, exit_code: Arc<AtomicI32>) {
    let watch = move || {
        while !signals.end() {
            thread::sleep(2 * TICK);
        }
        thread::sleep(SHUTDOWN);
        std::process::exit(exit_code.load(Ordering::Relaxed));
    };
    // Without the thread, the program only exits later.
    let _ = thread::Builder::new().name("cut-off".to_owned()).spawn(watch);
}
