//! The German catalogue.

use super::en::MessageKey;

texts! {
    Alone => "Sie sind allein im Raum. Schicken Sie den anderen diesen Link: {link}",
    AloneCopy => "Sie sind allein im Raum. Schicken Sie den anderen diesen Link.",
    Listening =>
        "Sie hören zu: Sie hören den Raum, und von Ihnen wird nichts gesendet. Zum Mitspielen brauchen Sie einen \
         Musikerlink.",
    ListeningEmpty => "Sie hören zu, und noch spielt niemand. Zum Mitspielen brauchen Sie einen Musikerlink.",
    MutedByLoopGuard =>
        "RTJam sendet nicht mehr, weil Ihr Ton aus dem Raum so laut zurückkam, wie er gesendet wurde, wie bei einer \
         Rückkopplung. Sorgen Sie dafür, dass Sie den Ton des Raums nicht zurücksenden, und senden Sie dann wieder.",
    UdpBlocked =>
        "Der Raum antwortet, aber der Ton kommt nicht durch: Öffnen Sie UDP {port} auf dem Server, oder fragen Sie \
         die Verwaltung Ihres Netzwerks.",
    NetworkInterrupted =>
        "Das Netzwerk ist unterbrochen: Aus dem Raum kommt nichts an. RTJam macht weiter, sobald es geht. Wenn das \
         länger dauert, prüfen Sie Ihr Netzwerk.",
    SmallDatagrams =>
        "Ihr Netzwerk überträgt nur Datagramme bis {limit} Byte, deshalb sendet RTJam mehr und kleinere Pakete. Oft \
         liegt das an einem VPN oder einem Mobilfunknetz; ohne dieses ist der Ton gleichmäßiger.",
    OverRate =>
        "Der Server verwirft einen Teil Ihres Tons, weil RTJam mehr als 48.000 Samples pro Sekunde sendet. Prüfen \
         Sie, ob Ihr Audiogerät wirklich mit der eingestellten Abtastrate läuft, und treten Sie dann erneut bei.",
    Rejoining => "Die Verbindung zum Raum ist abgebrochen. RTJam tritt erneut bei.",
    ServerStopping => "Der Server wird beendet. RTJam tritt wieder bei, sobald er zurück ist.",
    LinkIncomplete =>
        "Dieser Link nennt einen Raum, hat aber keinen Schlüssel: Der Teil nach # fehlt. Kopieren Sie den ganzen \
         Einladungslink noch einmal.",
    NameNotFound =>
        "Der Server {host} wurde nicht gefunden. Prüfen Sie den Link und Ihr Netzwerk. RTJam versucht es weiter.",
    NothingListens =>
        "Unter {server} antwortet nichts: Der Raumserver läuft nicht. Bitten Sie die Person, die ihn betreibt, ihn zu \
         starten. RTJam versucht es weiter.",
    NoNetwork => "Von hier führt kein Weg zu {server}. Prüfen Sie Ihr Netzwerk. RTJam versucht es weiter.",
    NoInterface =>
        "{host} ist eine Adresse, die nur in einem Netzwerk gilt. Nennen Sie im Link die Schnittstelle zu diesem \
         Netzwerk, zum Beispiel {example}.",
    NoAnswer =>
        "Der Server {server} antwortet nicht. Prüfen Sie Ihr Netzwerk, und fragen Sie die Person, die den Server \
         betreibt, ob TCP-Port {port} offen ist. RTJam versucht es weiter.",
    NotRtjam =>
        "Was unter {server} antwortet, ist kein RTJam-Server. Fragen Sie die Person, die Ihnen den Link geschickt \
         hat. RTJam versucht es weiter.",
    WrongServer =>
        "Was unter {server} antwortet, ist nicht der Server, für den die Einladung gilt, deshalb sendet RTJam ihm \
         nichts. RTJam versucht es weiter und tritt bei, sobald der richtige Server zurück ist. Wenn der Raum \
         umgezogen ist, bitten Sie die Person, die ihn betreibt, um einen neuen Link.",
    Certificate =>
        "Das Zertifikat von {host} ist ungültig ({reason}). Prüfen Sie das Datum dieses Computers, oder fragen Sie \
         die Person, die den Server betreibt. RTJam versucht es weiter.",
    ServerClosed => "Der Server {server} hat die Verbindung geschlossen. RTJam versucht es weiter.",
    NoConnection =>
        "RTJam konnte keine Verbindung öffnen ({reason}). Schließen Sie andere Programme. RTJam versucht es weiter.",
    LegacyLink =>
        "Diese Verbindung ist weder privat noch authentifiziert: Jeder auf dem Weg kann sie abhören und in Ihrem \
         Namen spielen. Für einen privaten Raum brauchen Sie einen rtjam://-Link.",
    LegacyAlone => "Sie sind allein auf {server}.",
    LegacySilent =>
        "Unter {host}, UDP-Port {port}, antwortet nichts mit alten rtjam-Paketen. Fragen Sie die Person, die diesen \
         Server betreibt, ob er läuft und welchen Port er hat: meist 7891, oder was rtjam-server nach \"classic:\" \
         ausgibt. Für einen Raum von rtjam-server können Sie stattdessen einen rtjam://-Link verwenden. RTJam \
         versucht es weiter.",
    LegacyLost =>
        "Vom alten Server {host} (UDP-Port {port}) kommt nichts mehr an. RTJam macht weiter, sobald er zurück ist.",
    NoThreads =>
        "RTJam konnte seine Netzwerk-Threads nicht starten ({reason}). Schließen Sie andere Programme, und starten \
         Sie RTJam neu.",

    NoRealtimePriority =>
        "Die Netzwerk-Threads von RTJam haben keine Echtzeitpriorität, deshalb kann der Ton auf einem ausgelasteten \
         Computer Lücken haben. Um sie zu erlauben, schreiben Sie die Zeilen \"@audio - rtprio 95\" und \"@audio - \
         memlock unlimited\" in /etc/security/limits.d/audio.conf, nehmen Sie sich in die Gruppe auf (sudo usermod \
         -aG audio $USER), und melden Sie sich neu an.",
    SlotsNotSaved =>
        "RTJam konnte nicht speichern, wer auf welchem Slot ist ({reason}). Machen Sie diese Datei beschreibbar, \
         oder verschieben Sie sie.",
    NoSocket =>
        "RTJam konnte keinen Socket für den Ton öffnen ({reason}). Schließen Sie andere Programme, oder prüfen Sie \
         Ihr Netzwerk.",
    TraceStopped =>
        "Die Aufzeichnung der Ankunftszeiten wurde beendet ({reason}). Schaffen Sie Platz auf dem Datenträger, und \
         starten Sie RTJam neu.",
    LegacyMusician =>
        "{names} verwendet alte rtjam-Pakete: Diese Verbindung ist weder privat noch authentifiziert, und über sie \
         läuft, was alle hier spielen.",
    LegacyMusicians =>
        "{names} verwenden alte rtjam-Pakete: Diese Verbindungen sind weder privat noch authentifiziert, und über \
         sie läuft, was alle hier spielen.",
    Stalling =>
        "Ihr Computer hält den Ton {often} für etwa {ms} ms an, deshalb hat der Ton der anderen Lücken oder kommt \
         später. Wählen Sie das Energieprofil \"Leistung\", schließen Sie andere Programme, oder stellen Sie eine \
         längere Periode ein. Der Befehl \"rtjam check\" sagt mehr.",
    MusicianStalling =>
        "Der Computer von {name} hält den Ton {often} für etwa {ms} ms an, deshalb hat der Ton von {name} Lücken oder \
         kommt später. Bitten Sie {name}, das Energieprofil \"Leistung\" zu wählen, andere Programme zu schließen oder \
         eine längere Periode einzustellen; der Befehl \"rtjam check\" sagt mehr.",
    SeveralTimesASecond => "mehrmals pro Sekunde",
    EverySecond => "jede Sekunde",
    EverySeconds => "alle {seconds} Sekunden",
    ResumeInTerminal => "Um wieder zu senden, drücken Sie hier die Eingabetaste, oder senden Sie rtjam SIGUSR1.",

    NoConfigFolder =>
        "Es gibt keinen Benutzerordner für die Einstellungen. Nennen Sie einen Ordner mit --config.",
    WhichRoom =>
        "Welcher Raum? Bitten Sie die Person, die den Raum betreibt, um den Einladungslink, und übergeben Sie ihn:\n  \
         rtjam --join 'rtjam://HOST/ROOM#KEY'\n\
         Einen eigenen Raum öffnet rtjam-server, das den Link ausgibt.",
    RejoinLastRoom => "Zurück in den letzten Raum ({room}): rtjam --join last",
    NoLastRoom =>
        "Sie waren noch in keinem Raum. Bitten Sie um einen Einladungslink, und übergeben Sie ihn mit --join.",
    LinkNotRead => "Der Link kann nicht von der Standardeingabe gelesen werden: {reason}.",
    InviteWithoutKey =>
        "Der Einladungslink hat keinen Schlüssel; dieser folgt auf \"#\". Kopieren Sie den ganzen Link noch einmal.",
    NoSignals => "rtjam kann keine Signale verarbeiten: {reason}.",
    TraceNotWritten =>
        "Die Aufzeichnung kann nicht nach {path} geschrieben werden ({reason}). Nennen Sie eine andere Datei mit \
         --record-trace.",
    NoWindow =>
        "{reason}\nOhne Fenster läuft rtjam mit dem Einladungslink des Raums: rtjam --join 'rtjam://HOST/ROOM#KEY'",
    RunsWithoutWindow => "{reason} rtjam läuft ohne Fenster.",
    NoDisplay => "Es gibt keinen Bildschirm für ein Fenster, deshalb läuft rtjam ohne.",
    FileMadePrivate =>
        "rtjam.toml enthält den Schlüssel eines Raums, deshalb hat rtjam die Datei nur für Sie lesbar gemacht.",
    SettingsRead => "rtjam hat die Einstellungen neu gelesen.",
    SettingsUnchanged => "{reason}\nDie Einstellungen bleiben, wie sie sind.",
    StartMuted =>
        "Sie beginnen stummgeschaltet: Ihr Ton wird nicht gesendet. Tippen Sie \"unmute\", um ihn zu senden.",
    NowUnmuted => "Nicht mehr stumm: Ihr Ton wird gesendet.",
    NowMuted => "Stumm: Ihr Ton wird nicht gesendet.",
    TonePlays => "Testton: 3 s in Ihren eigenen Ausgängen. Der Raum hört ihn nicht.",
    TypedCommands => "Tippen Sie \"mute\", \"unmute\" oder \"tone\". Strg-C verlässt den Raum und beendet rtjam.",
    PlaysDemo => "rtjam hat weder einen JACK-Server noch ein Audiogerät gefunden und spielt deshalb die Demo",
    AudioPriorityDenied =>
        "audio: Das System hat dem Audio-Thread keine Echtzeitpriorität gegeben, deshalb kann der Ton unter Last \
         aussetzen. Erlauben Sie sie (Debian: Gruppe \"audio\", siehe /etc/security/limits.d/audio.conf).",
    Freewheeling =>
        "audio: JACK läuft nicht in Echtzeit (Export). Bis zum Ende ist der Raum still, und es wird nichts gesendet.",
    RealTimeAgain => "audio: JACK läuft wieder in Echtzeit.",
    AudioThreadStuck => "Der Audio-Thread wurde nicht beendet. Starten Sie rtjam neu.",
    WavUnreadable => "{path} kann nicht gelesen werden: {reason}.",
    WavNotPlayable => "{path} ist keine WAV-Datei, die rtjam spielen kann ({reason}).",
    WavBadFormat => "keine Kanäle oder eine unmögliche Abtastrate",
    WavTooLong => "{path} ist länger als {minutes} Minuten. Spielen Sie einen Teil davon.",
    WavDamaged => "{path} ist beschädigt: {reason}.",
    WavEmpty => "{path} enthält keinen Ton.",
    Connecting => "verbindet",
    Joined => "beigetreten",
    Refused => "abgelehnt",
    NotPrivate => "nicht privat",
    OwnLevel => "Sie {level}",
    Silent => "still",
    DeviceDelay => "Gerät {ms} ms",
    IsListening => "hört zu",
    DelayAtServer => "{ms} ms im Server",
    Listeners => "Zuhörer {count}",
    PacketLoss => "Paketverlust {up} hin, {down} her",
    Retransmission => "Wiederholungen {kbps} kbit/s",
    OwnRecovered => "{count} von Ihnen wiederholt",
    MissingShare => "es fehlen {percent} %",
    Recovered => "wiederholt {count}",
    Concealed => "überdeckt {ms} ms/min",
    PacketPart => "Paket {ms}",
    MixPart => "ein Mix {ms}",
    NetworkPart => "Netzwerk {ms}",
    BufferPart => "Puffer {ms}",

    HostOffline =>
        "Der Host rendert offline: Das Ergebnis enthält Ihr eigenes Signal mit dem Monitorpegel und nichts aus dem \
         Raum, und es wird nichts gesendet.",
    HostPaused =>
        "Pause: Der Host spielt diese Spur nicht. Sie behalten Ihren Platz im Raum. Schalten Sie das Plugin ein, \
         oder starten Sie die Audio-Engine des Hosts.",
    HostBypassed =>
        "RTJam ist überbrückt (Bypass): Sie hören sich selbst unverändert, der Raum ist still, und niemand hört Sie. \
         Sie behalten Ihren Platz. Schalten Sie den Bypass aus, um weiterzuspielen.",
    CameBackMuted =>
        "Sie sind wieder im Raum dieses Projekts, stummgeschaltet. Schalten Sie \"Stumm\" aus, wenn man Sie hören \
         soll.",
    HostRunsAhead =>
        "Der Host rechnet im Voraus, deshalb hören Sie den Raum in Stücken. Schalten Sie Anticipative FX (Reaper), \
         ASIO-Guard (Cubase) oder Ähnliches für diese Spur aus, oder schalten Sie die Spur aufnahmebereit.",
    OutputsNotConnected =>
        "Der Host spielt RTJam Multi nicht, weil einige seiner Ausgänge ausgeschaltet sind. Schalten Sie alle ein, \
         oder verwenden Sie RTJam mit nur einem Stereoausgang.",
    Failed => "RTJam ist ausgefallen und stumm. Drücken Sie \"Engine neu starten\", um weiterzumachen.",
    FailedWithLog =>
        "RTJam ist ausgefallen und stumm. Drücken Sie \"Engine neu starten\", um weiterzumachen, und schicken Sie uns \
         bitte {log}.",
    AlreadyInRoom => "Ein anderes RTJam in diesem Projekt ist schon in {room}. Als weiterer Musiker beitreten?",
    NoHomeFolder =>
        "Es gibt keinen Benutzerordner für die Einstellungen. Setzen Sie HOME, und starten Sie den Host neu.",
    WindowBadParent =>
        "Das Fenster konnte nicht im Fenster des Hosts geöffnet werden. Schließen Sie es, und öffnen Sie es noch \
         einmal.",
    WindowNotOpened =>
        "Das Fenster konnte nicht geöffnet werden ({reason}). Es braucht einen Bildschirm mit OpenGL 2.1.",
    WindowFailed =>
        "Dieses Fenster ist ausgefallen. Der Ton läuft weiter. Schließen Sie das Fenster, und öffnen Sie es noch \
         einmal.",

    DelayNone => "Sie hören den Raum ohne Verzögerung.",
    DelayTotal => "Sie hören den Raum mit {total} ms Verzögerung: {parts}.",
    DelayPacket => "{ms} ms zum Füllen eines Pakets",
    DelayMix => "{ms} ms im Mix des Servers",
    DelayNetwork => "{ms} ms im Netzwerk",
    DelayBuffer => "{ms} ms Warten auf späte Pakete",
    InRoom => "Sie sind im Raum.",
    InRoomNamed => "Sie sind im Raum \"{room}\".",
    Joining => "Beitritt läuft…",
    JoiningNamed => "Beitritt zu \"{room}\"…",
    PasteLink => "Fügen Sie den Einladungslink ein, den Sie erhalten haben, und drücken Sie Beitreten.",
    ClipboardHasNoValue =>
        "Die Zwischenablage enthält keinen Wert für diesen Regler. Kopieren Sie einen, zum Beispiel \"−6 dB\", und \
         fügen Sie ihn noch einmal ein.",

    CopyLink => "Link kopieren",
    ResumeSending => "Wieder senden",
    RestartEngine => "Engine neu starten",
    JoinAnyway => "Trotzdem beitreten",
    Undo => "Rückgängig",
    Redo => "Wiederholen",
    Dismiss => "OK",
    MoreMessages => "Weitere Meldungen",
    Paste => "Einfügen",
    PasteHint => "Einen Einladungslink einfügen",
    Join => "Beitreten",
    JoinHint => "Dem Raum dieses Links beitreten",
    Leave => "Verlassen",
    LeaveHint => "Den Raum verlassen",
    LinkHint => "rtjam://… Ihr Einladungslink, oder classic://…",
    NameHint => "Ihr Name",
    NameTooltip => "Ihr Name, wie die anderen ihn sehen. Eine Änderung gilt ab dem nächsten Beitritt.",
    Rooms => "Räume",
    RoomsHint => "Räume, in denen Sie waren",
    NoRooms => "Hier erscheinen die Räume, in denen Sie waren.",
    WelcomeTitle => "Wie heißen Sie?",
    WelcomeText => "Die anderen im Raum sehen diesen Namen.",
    UseName => "Namen übernehmen",
    UseNameHint => "Diesen Namen speichern",
    WelcomeFoot => "Sie können ihn oben jederzeit ändern.",

    You => "Sie",
    Muted => "stumm",
    Sending => "sendet",
    Offline => "offline",
    Mute => "Stumm",
    MuteOn => "Stumm",
    MuteHint => "Stille statt Ihres Tons senden",
    UnmuteHint => "Ihren Ton wieder senden",
    Monitor => "Monitor",
    Stereo => "Stereo",
    StereoHint => "Ihre zwei Kanäle sind eine Stereoquelle",
    DualMono => "2 mono",
    DualMonoHint => "Ihre zwei Kanäle sind zwei Quellen, beide in der Mitte",

    NobodyElse => "Sonst ist niemand im Raum.",
    StripsAppearHere => "Hier erscheinen die Kanalzüge der anderen.",
    NotHeard => "ungehört",
    NotHeardHint =>
        "Es spielen mehr Musiker, als Sie hören können. Der Raum sendet Ihnen die lautesten. Um diesen immer zu \
         hören, klicken Sie mit der rechten Maustaste auf den Namen.",
    AlwaysHear => "{name} immer hören",
    NoSlot => "kein Slot",
    BothChannels => "beide Kanäle",
    ChannelNumber => "Kanal {number}",
    MuteOf => "{name}: {channels} stummschalten",
    SoloOf => "{name}: {channels} solo hören",
    LinkChannels => "Beide Kanäle gemeinsam einstellen: Kanal 2 übernimmt die Einstellungen von Kanal 1",
    SplitChannels => "Jeden Kanal einzeln einstellen",
    ChannelsLinked => "{name}: Kanal 2 hat jetzt die Einstellungen von Kanal 1. Geändert: {list}.",
    ListAnd => "{list} und {last}",
    ChangedGain => "Pegel ({value})",
    ChangedMute => "Stumm ({value})",
    ChangedSolo => "Solo ({value})",
    ChangedPan => "Panorama (automatisch, beide Kanäle)",
    MainHint => "Im Hauptausgang und auch in Ausgang {number}",
    Main => "Haupt",
    Aux => "Aux {number}",
    Slot => "Slot {number}",
    HeardAfter => "Sie hören diesen Musiker {ms} ms, nachdem der Server den Ton erhält.",
    NothingMissing => "In der letzten Minute hat kein Paket gefehlt.",
    PacketsMissing => "In der letzten Minute kamen {count} Pakete zu spät oder gar nicht.",
    Missing => "{count} fehlen",
    MissingShort => "{count} weg",

    Room => "Raum",
    Limiter => "Limiter",
    LimiterActive => "aktiv",
    LimiterIdle => "ruht",
    LimiterHint => "Leuchtet, solange der Raum leiser gestellt wird, damit er nicht verzerrt",
    Others => "Andere",
    OthersHint =>
        "Wie Sie die anderen empfangen: wie im Raum eingestellt, jeden einzeln oder als einen Mix des Servers",
    OthersDefault => "Standard",
    OthersSeparate => "einzeln",
    OthersOneMix => "ein Mix",
    OneMix => "Ein Mix",
    OneMixDelay => "Ein Mix +{ms} ms",
    Format => "Format",
    Bit16 => "16 Bit",
    Bit24 => "24 Bit",
    Float32 => "32 Bit float",
    Packet => "Paket",
    Frames => "{frames} Frames",
    Playout => "Wiedergabe",
    AutoTight => "auto, knapp",
    AutoSafe => "auto, sicher",
    Options => "Optionen",
    LightWindow => "Helles Fenster",
    KeepInvitation => "Einladung in diesem Projekt speichern",
    RejoinProject => "Beim Öffnen des Projekts wieder beitreten (stumm)",
    TrackAdvice =>
        "Setzen Sie RTJam auf die Spur, die Sie spielen. Auf einem Bus oder dem Master, wo der Raum zurückkommt, \
         würde es den Raum an sich selbst senden; es hört dann auf zu senden.",

    TypeValue => "Wert eingeben…",
    ResetTo => "Zurücksetzen auf {value}",
    CopyValue => "{value} kopieren",
    NotAValue => "Hier kein Wert",
    NameAndValue => "{name}: {value}",
    Off => "aus",
    On => "an",
    Open => "offen",
    Auto => "auto",
    Centre => "Mitte",
    PanLeft => "L {percent}",
    PanRight => "R {percent}",
    RoomLevel => "Raumpegel",
    SlotGainLeft => "Slot {slot} Pegel links",
    SlotGainRight => "Slot {slot} Pegel rechts",
    Pan => "Panorama",

    Audio => "Audio",
    AudioMenu => "Audio…",
    AudioDone => "Fertig",
    AudioDoneHint => "Diese Seite schließen. Sie finden sie wieder unter … unten rechts.",
    AudioSystem => "System",
    AudioDummy => "keines (stumm)",
    InputDevice => "Eingang",
    OutputDevice => "Ausgang",
    DefaultDevice => "Standard",
    FindDevices => "Geräte neu suchen",
    InputChannels => "Eingangskanäle",
    InputChannelsHint => "Die Eingänge, in die Sie spielen. Ein einzelner ist auf beiden Seiten zu hören.",
    ChannelPair => "{left} und {right}",
    SingleChannel => "nur {channel}",
    SampleRate => "Abtastrate",
    Period => "Periode",
    PeriodHint =>
        "So viele Frames verarbeiten die Geräte auf einmal; andere Programme nennen es Puffergröße. Eine kürzere \
         Periode verzögert weniger. Wenn der Ton aussetzt, wählen Sie eine längere.",
    DecidedByJack => "wie in JACK",
    TestTone => "Testton",
    StopTone => "Ton beenden",
    TestToneHint => "Ein leiser Ton von 3 s in Ihren eigenen Ausgängen. Niemand sonst hört ihn.",
    AudioRuns => "{device}, {rate} Hz, {frames} Frames",
    AudioStopped => "Kein Audiogerät läuft.",
    WholeDeviceDelay => "Verzögerung des Geräts {total} ms: {input} ms ein, {output} ms aus",
    DeviceDelayUnknown => "Das Audiosystem meldet die Verzögerung des Geräts nicht.",
    AudioAdvice => "Spielen Sie: Links bewegen sich die Pegel. Drücken Sie \"Testton\": Sie hören ihn.",
    JackMissing =>
        "JACK ist nicht installiert. Installieren und starten Sie es, oder wählen Sie ein anderes System.",
    JackStopped => "Es läuft kein JACK-Server. Starten Sie ihn, oder wählen Sie ein anderes System.",
    NoInputDevice => "Es gibt keinen Audioeingang. Schließen Sie ein Interface oder ein Mikrofon an.",
    NoOutputDevice => "Es gibt keinen Audioausgang. Schließen Sie ein Interface oder Kopfhörer an.",
    DeviceMissing =>
        "Das Audiogerät \"{device}\" wurde nicht gefunden. Schließen Sie es an, oder wählen Sie ein anderes.",
    DeviceBusy =>
        "Ein anderes Programm verwendet das Audiogerät \"{device}\". Schließen Sie dieses Programm, oder wählen Sie \
         ein anderes Gerät.",
    DeviceDenied =>
        "Ihr System erlaubt RTJam nicht, das Audiogerät \"{device}\" zu verwenden. Erlauben Sie es in den \
         Einstellungen des Systems, oder wählen Sie ein anderes Gerät.",
    RateUnsupported =>
        "Das Audiogerät \"{device}\" unterstützt {rate} Hz nicht. Wählen Sie eine andere Abtastrate.",
    NoRateSupported =>
        "Das Audiogerät \"{device}\" unterstützt keine Abtastrate, die RTJam unterstützt. Wählen Sie ein anderes.",
    PeriodUnsupported => "Das Audiogerät \"{device}\" unterstützt diese Periode nicht. Wählen Sie \"auto\".",
    InputChannelMissing =>
        "\"{device}\" hat keinen Eingang {channel}: Die Zahl der Eingänge ist {channels}. Wählen Sie andere \
         Eingangskanäle.",
    BluetoothDevice =>
        "\"{device}\" scheint ein Bluetooth-Gerät zu sein. Es verzögert um 100 ms oder mehr, zu viel zum \
         Zusammenspielen. Nehmen Sie Kopfhörer und Mikrofon mit Kabel.",
}
