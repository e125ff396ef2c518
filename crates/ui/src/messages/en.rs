//! The English catalogue, which defines the keys.

/// Defines [`MessageKey`], and the text of each.
macro_rules! keys {
    ($($key:ident => $text:literal,)*) => {
        /// A text that a musician reads; `{name}` is a placeholder. Each key is documented by its English text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum MessageKey { $(#[doc = $text] $key,)* }

        #[cfg(test)]
        impl MessageKey {
            pub(super) const ALL: &[MessageKey] = &[$(MessageKey::$key),*];
        }

        texts! { $($key => $text,)* }
    };
}

keys! {
    Alone => "You are alone in the room. Send this link: {link}",
    AloneCopy => "You are alone in the room. Send this link to the others.",
    Listening => "You are a listener: you hear the room, and nothing is sent. To play, ask for a musician's link.",
    ListeningEmpty => "You are a listener, and nobody is playing yet. To play, ask for a musician's link.",
    MutedByLoopGuard =>
        "RTJam stopped sending because your sound came back from the room as loud as it went out, as in a feedback \
         loop. Make sure that you do not send what you hear from the room, then resume sending.",
    UdpBlocked =>
        "The room answers but audio does not get through: open UDP {port} on the server, or ask your network \
         administrator.",
    NetworkInterrupted =>
        "The network is interrupted: nothing arrives from the room. RTJam continues as soon as it can. If this \
         lasts, check your network.",
    SmallDatagrams =>
        "Your network carries only datagrams up to {limit} bytes, so RTJam sends more and smaller packets. A VPN or \
         a mobile network often causes this; without it, the sound is steadier.",
    OverRate =>
        "The server drops part of your sound because RTJam sends more than 48,000 samples a second. Check that your \
         audio device really runs at the sample rate that it is set to, then join again.",
    Rejoining => "The connection to the room was lost. RTJam is joining again.",
    ServerStopping => "The server is shutting down. RTJam joins again when it is back.",
    LinkIncomplete =>
        "This link names a room but has no key: the part after # is missing. Copy the whole invite link again.",
    NameNotFound => "The server {host} was not found. Check the link and your network. RTJam keeps trying.",
    NothingListens =>
        "Nothing answers at {server}: the room server is not running. Ask the person who runs it to start it. RTJam \
         keeps trying.",
    NoNetwork => "There is no route to {server} from here. Check your network. RTJam keeps trying.",
    NoInterface =>
        "{host} is an address of one network only. Name the interface to that network in the link, as in {example}.",
    NoAnswer =>
        "The server {server} does not answer. Check your network, and ask the person who runs the server whether TCP \
         port {port} is open. RTJam keeps trying.",
    NotRtjam =>
        "What answers at {server} is not an RTJam server. Check the link with the person who sent it. RTJam keeps \
         trying.",
    WrongServer =>
        "What answers at {server} is not the server that the invitation was made for, so RTJam sends it nothing. \
         RTJam keeps trying and joins when the right server is back. If the room has moved, ask the person who runs \
         it for a new link.",
    Certificate =>
        "The certificate of {host} is not valid ({reason}). Check this computer's date, or ask the person who runs \
         the server. RTJam keeps trying.",
    ServerClosed => "The server {server} closed the connection. RTJam keeps trying.",
    NoConnection => "RTJam could not open a connection ({reason}). Close other programs. RTJam keeps trying.",
    LegacyLink =>
        "This link is neither private nor authenticated: anybody on the path can hear it and play in your name. For \
         a private room, ask for an rtjam:// link.",
    LegacyAlone => "You are alone at {server}.",
    LegacySilent =>
        "Nothing answers with legacy rtjam packets at {host}, UDP port {port}. Ask the person who runs that server \
         whether it is running and which port it has: usually 7891, or what rtjam-server prints after \"classic:\". \
         For a room of rtjam-server you can use an rtjam:// link instead. RTJam keeps trying.",
    LegacyLost =>
        "Nothing arrives from the legacy server {host} (UDP port {port}) any more. RTJam continues as soon as it is \
         back.",
    NoThreads =>
        "RTJam could not start its network threads ({reason}). Close other programs and start RTJam again.",

    NoRealtimePriority =>
        "RTJam's network threads have no real-time priority, so a busy computer may cause gaps. To permit it, put \
         the lines \"@audio - rtprio 95\" and \"@audio - memlock unlimited\" into \
         /etc/security/limits.d/audio.conf, add yourself to the group (sudo usermod -aG audio $USER), and log in \
         again.",
    SlotsNotSaved =>
        "RTJam could not save who has which slot ({reason}). Make that file writable, or move it away.",
    NoSocket => "RTJam could not open a socket for audio ({reason}). Close other programs, or check your network.",
    TraceStopped =>
        "The trace is no longer recorded ({reason}). Free some space on the disk and start RTJam again.",
    LegacyMusician =>
        "{names} uses legacy rtjam packets: that link is neither private nor authenticated, and it carries what \
         everyone here plays.",
    LegacyMusicians =>
        "{names} use legacy rtjam packets: their links are neither private nor authenticated, and they carry what \
         everyone here plays.",
    Stalling =>
        "Your computer stops audio for about {ms} ms {often}, so the others' sound has gaps or is delayed. Choose \
         the performance power profile, close other programs, or set a longer period. The command \"rtjam check\" says \
         more.",
    MusicianStalling =>
        "{name}'s computer stops audio for about {ms} ms {often}, so what you hear of {name} has gaps or is delayed. Ask \
         {name} to choose the performance power profile, to close other programs, or to set a longer period; \
         the command \"rtjam check\" says more.",
    SeveralTimesASecond => "several times a second",
    EverySecond => "every second",
    EverySeconds => "every {seconds} seconds",
    ResumeInTerminal => "To resume sending, press Enter here, or send SIGUSR1 to rtjam.",

    NoConfigFolder => "There is no home folder for the settings. Name a folder with --config.",
    WhichRoom =>
        "Which room? Ask the person who runs the room for its invite link, and pass it to rtjam:\n  \
         rtjam --join 'rtjam://HOST/ROOM#KEY'\n\
         To open a room of your own, run rtjam-server, which prints the link.",
    RejoinLastRoom => "To rejoin the last room ({room}): rtjam --join last",
    NoLastRoom => "You have not joined a room yet. Ask for an invite link, and pass it to --join.",
    LinkNotRead => "The link cannot be read from standard input: {reason}.",
    InviteWithoutKey => "The invite link has no key, which follows the \"#\". Copy the whole link again.",
    NoSignals => "rtjam cannot handle signals: {reason}.",
    TraceNotWritten => "The trace cannot be written to {path} ({reason}). Name another file with --record-trace.",
    NoWindow =>
        "{reason}\nTo run without a window, pass the room's invite link: rtjam --join 'rtjam://HOST/ROOM#KEY'",
    RunsWithoutWindow => "{reason} rtjam runs without one.",
    NoDisplay => "There is no display for a window, so rtjam runs without one.",
    FileMadePrivate => "rtjam.toml holds the key of a room, so rtjam has made the file readable for you only.",
    SettingsRead => "rtjam has read the settings again.",
    SettingsUnchanged => "{reason}\nThe settings are unchanged.",
    StartMuted => "You start muted: your audio is not sent. Type \"unmute\" to send it.",
    NowUnmuted => "Unmuted: your audio is sent.",
    NowMuted => "Muted: your audio is not sent.",
    TonePlays => "Test tone: 3 s in your own outputs. The room does not hear it.",
    TypedCommands => "Type \"mute\", \"unmute\" or \"tone\". Ctrl-C leaves the room and exits.",
    PlaysDemo => "rtjam found neither a JACK server nor an audio device, so it plays the demo",
    AudioPriorityDenied =>
        "audio: the system denied real-time priority to the audio thread, so audio may drop out under load. Allow it \
         (Debian: join the group \"audio\", see /etc/security/limits.d/audio.conf).",
    Freewheeling => "audio: JACK is freewheeling (exporting). Until it ends, the room is silent and nothing is sent.",
    RealTimeAgain => "audio: JACK runs in real time again.",
    AudioThreadStuck => "The audio thread did not end. Start rtjam again.",
    WavUnreadable => "{path} cannot be read: {reason}.",
    WavNotPlayable => "{path} is not a WAV file that rtjam can play ({reason}).",
    WavBadFormat => "no channels, or an impossible sample rate",
    WavTooLong => "{path} is longer than {minutes} minutes. Play a part of it.",
    WavDamaged => "{path} is damaged: {reason}.",
    WavEmpty => "{path} contains no audio.",
    Connecting => "connecting",
    Joined => "joined",
    Refused => "refused",
    NotPrivate => "not private",
    OwnLevel => "you {level}",
    Silent => "silent",
    DeviceDelay => "device {ms} ms",
    IsListening => "listening",
    DelayAtServer => "{ms} ms at the server",
    Listeners => "listeners {count}",
    PacketLoss => "packet loss {up} up, {down} down",
    Retransmission => "retransmission {kbps} kbit/s",
    OwnRecovered => "{count} of yours recovered",
    MissingShare => "missing {percent} %",
    Recovered => "recovered {count}",
    Concealed => "concealed {ms} ms/min",
    PacketPart => "packet {ms}",
    MixPart => "one mix {ms}",
    NetworkPart => "network {ms}",
    BufferPart => "buffer {ms}",

    HostOffline =>
        "The host renders offline: the result contains your own signal at the monitor level and nothing of the room, \
         and nothing is sent.",
    HostPaused =>
        "Paused: the host does not play this track. You keep your seat in the room. Switch the plugin on, or start \
         the host's audio.",
    HostBypassed =>
        "RTJam is bypassed: you hear yourself unchanged, the room is silent, and nobody hears you. You keep your \
         seat. Switch the bypass off to continue.",
    CameBackMuted =>
        "You are back in the room of this project, muted. Switch off \"Mute\" when you want to be heard.",
    HostRunsAhead =>
        "The host processes audio ahead of time, so you hear the room in pieces. Switch off Anticipative FX (Reaper), \
         ASIO-Guard (Cubase) or the like for this track, or arm the track for recording.",
    OutputsNotConnected =>
        "The host does not play RTJam Multi because some of its outputs are switched off. Switch all of them on, or \
         use RTJam, which has one stereo output.",
    Failed => "RTJam has failed and is silent. Press \"Restart engine\" to continue.",
    FailedWithLog =>
        "RTJam has failed and is silent. Press \"Restart engine\" to continue, and please send us {log}.",
    AlreadyInRoom => "Another RTJam in this project is already in {room}. Join as a second musician?",
    NoHomeFolder => "There is no home folder for the settings. Set HOME and start the host again.",
    WindowBadParent => "The window could not be opened inside the host's window. Close it and open it again.",
    WindowNotOpened => "The window could not be opened ({reason}). It needs a display with OpenGL 2.1.",
    WindowFailed => "This window has failed. The sound continues. Close the window and open it again.",

    DelayNone => "You hear the room as it plays, without delay.",
    DelayTotal => "You hear the room {total} ms after it plays: {parts}.",
    DelayPacket => "{ms} ms to fill a packet",
    DelayMix => "{ms} ms in the server's mix",
    DelayNetwork => "{ms} ms on the network",
    DelayBuffer => "{ms} ms waiting for late packets",
    InRoom => "You are in the room.",
    InRoomNamed => "You are in the room \"{room}\".",
    Joining => "Joining…",
    JoiningNamed => "Joining \"{room}\"…",
    PasteLink => "Paste the invite link that you were sent, then press Join.",
    ClipboardHasNoValue =>
        "The clipboard has no value for this control. Copy one, such as \"−6 dB\", and paste again.",

    CopyLink => "Copy link",
    ResumeSending => "Resume sending",
    RestartEngine => "Restart engine",
    JoinAnyway => "Join anyway",
    Undo => "Undo",
    Redo => "Redo",
    Dismiss => "OK",
    MoreMessages => "More messages",
    Paste => "Paste",
    PasteHint => "Paste an invite link",
    Join => "Join",
    JoinHint => "Join the room of this link",
    Leave => "Leave",
    LeaveHint => "Leave the room",
    LinkHint => "rtjam://… your invite link, or classic://…",
    NameHint => "Your name",
    NameTooltip => "Your name as the others see it. A change takes effect when you next join.",
    Rooms => "Rooms",
    RoomsHint => "Rooms you've joined",
    NoRooms => "Rooms you've joined appear here.",
    WelcomeTitle => "What is your name?",
    WelcomeText => "The others in the room see it.",
    UseName => "Use this name",
    UseNameHint => "Save this name",
    WelcomeFoot => "You can change it above at any time.",

    You => "You",
    Muted => "muted",
    Sending => "sending",
    Offline => "offline",
    Mute => "Mute",
    MuteOn => "Muted",
    MuteHint => "Send silence instead of your sound",
    UnmuteHint => "Send your sound again",
    Monitor => "Monitor",
    Stereo => "Stereo",
    StereoHint => "Your two channels are one stereo source",
    DualMono => "2 mono",
    DualMonoHint => "Your two channels are two sources, both heard in the centre",

    NobodyElse => "Nobody else is in the room.",
    StripsAppearHere => "The others' strips appear here.",
    NotHeard => "not heard",
    NotHeardHint =>
        "More musicians are playing than you can hear. The room sends you the loudest. To hear this one always, \
         right-click the name.",
    AlwaysHear => "Always hear {name}",
    NoSlot => "no slot",
    BothChannels => "both channels",
    ChannelNumber => "channel {number}",
    MuteOf => "Mute {channels} of {name}",
    SoloOf => "Solo {channels} of {name}",
    LinkChannels => "Set both channels together: channel 2 takes the settings of channel 1",
    SplitChannels => "Set each channel separately",
    ChannelsLinked => "{name}: channel 2 now has the settings of channel 1. Changed: {list}.",
    ListAnd => "{list} and {last}",
    ChangedGain => "gain ({value})",
    ChangedMute => "mute ({value})",
    ChangedSolo => "solo ({value})",
    ChangedPan => "pan (auto, both channels)",
    MainHint => "In the main output as well as in output {number}",
    Main => "Main",
    Aux => "Aux {number}",
    Slot => "Slot {number}",
    HeardAfter => "You hear this musician {ms} ms after the server receives the sound.",
    NothingMissing => "No packets were missing during the last minute.",
    PacketsMissing => "{count} packets were late or lost during the last minute.",
    Missing => "{count} missing",
    MissingShort => "{count} lost",

    Room => "Room",
    Limiter => "Limiter",
    LimiterActive => "active",
    LimiterIdle => "idle",
    LimiterHint => "Lights up while the room is turned down to prevent distortion",
    Others => "Others",
    OthersHint =>
        "How you receive the others: as the room is set up, each separately, or as one mix made by the server",
    OthersDefault => "default",
    OthersSeparate => "separate",
    OthersOneMix => "one mix",
    OneMix => "One mix",
    OneMixDelay => "One mix +{ms} ms",
    Format => "Format",
    Bit16 => "16 bit",
    Bit24 => "24 bit",
    Float32 => "32 bit float",
    Packet => "Packet",
    Frames => "{frames} frames",
    Playout => "Playout",
    AutoTight => "auto, tight",
    AutoSafe => "auto, safe",
    Options => "Options",
    LightWindow => "Light window",
    KeepInvitation => "Keep the invitation in this project",
    RejoinProject => "Rejoin when the project opens (muted)",
    TrackAdvice =>
        "Put RTJam on the track that you play. On a bus or the master, where the room comes back, it would send the \
         room to itself; it then stops sending.",

    TypeValue => "Type a value…",
    ResetTo => "Reset to {value}",
    CopyValue => "Copy {value}",
    NotAValue => "Not a value here",
    NameAndValue => "{name}: {value}",
    Off => "off",
    On => "on",
    Open => "open",
    Auto => "auto",
    Centre => "centre",
    PanLeft => "L {percent}",
    PanRight => "R {percent}",
    RoomLevel => "Room level",
    SlotGainLeft => "Slot {slot} left gain",
    SlotGainRight => "Slot {slot} right gain",
    Pan => "Pan",

    Audio => "Audio",
    AudioMenu => "Audio…",
    AudioDone => "Done",
    AudioDoneHint => "Close this page. You find it again under … at the bottom right.",
    AudioSystem => "System",
    AudioDummy => "none (silent)",
    InputDevice => "Input",
    OutputDevice => "Output",
    DefaultDevice => "default",
    FindDevices => "Find devices again",
    InputChannels => "Input channels",
    InputChannelsHint => "The inputs that you play into. A single one is heard on both sides.",
    ChannelPair => "{left} and {right}",
    SingleChannel => "{channel} only",
    SampleRate => "Sample rate",
    Period => "Period",
    PeriodHint =>
        "Frames that the devices handle at once; other programs call it the buffer size. A shorter period adds less \
         delay. If the sound drops out, choose a longer one.",
    DecidedByJack => "as in JACK",
    TestTone => "Test tone",
    StopTone => "Stop the tone",
    TestToneHint => "A quiet tone of 3 s in your own outputs. Nobody else hears it.",
    AudioRuns => "{device}, {rate} Hz, {frames} frames",
    AudioStopped => "No audio device is running.",
    WholeDeviceDelay => "Device delay {total} ms: {input} ms in, {output} ms out",
    DeviceDelayUnknown => "The audio system does not report the device delay.",
    AudioAdvice => "Play something: the meters on the left move. Press \"Test tone\": you hear it.",
    JackMissing => "JACK is not installed. Install and start it, or choose another audio system.",
    JackStopped => "No JACK server is running. Start it, or choose another audio system.",
    NoInputDevice => "There is no audio input. Plug in an interface or a microphone.",
    NoOutputDevice => "There is no audio output. Plug in an interface or headphones.",
    DeviceMissing => "The audio device \"{device}\" was not found. Plug it in, or choose another.",
    DeviceBusy =>
        "Another program uses the audio device \"{device}\". Close that program, or choose another device.",
    DeviceDenied =>
        "Your system does not allow RTJam to use the audio device \"{device}\". Allow it in the system's settings, \
         or choose another device.",
    RateUnsupported => "The audio device \"{device}\" does not support {rate} Hz. Choose another sample rate.",
    NoRateSupported =>
        "The audio device \"{device}\" supports no sample rate that RTJam supports. Choose another device.",
    PeriodUnsupported => "The audio device \"{device}\" does not support this period. Choose \"auto\".",
    InputChannelMissing =>
        "\"{device}\" has no input {channel}: the number of its inputs is {channels}. Choose other input channels.",
    BluetoothDevice =>
        "\"{device}\" seems to be a Bluetooth device. It adds 100 ms or more, too much to play together. Use \
         headphones and a microphone with a cable.",
}
