//! The German catalogue, and the German texts of errors whose English is their `Display`.

use super::catalogue::{Key, fill};
use rtjam_client::IdentityError;
use rtjam_protocol::control::{Refusal, Refused, Retry};
#[cfg(feature = "editor")]
use rtjam_protocol::link::BadLink;

/// The text of a key; `{name}` is a placeholder.
pub(super) fn text(key: Key) -> &'static str {
    use Key::*;
    match key {
        Alone => "Sie sind allein im Raum. Schicken Sie den anderen diesen Link: {link}",
        AloneCopy => "Sie sind allein im Raum. Schicken Sie den anderen diesen Link.",
        Listening => {
            "Sie hören zu: Sie hören den Raum, und von Ihnen wird nichts gesendet. Zum Mitspielen brauchen Sie einen \
             Musikerlink."
        }
        ListeningEmpty => "Sie hören zu, und noch spielt niemand. Zum Mitspielen brauchen Sie einen Musikerlink.",
        MutedByLoopGuard => {
            "RTJam sendet nicht mehr, weil Ihr Ton aus dem Raum so laut zurückkam, wie er gesendet wurde, wie bei einer \
             Rückkopplung. Sorgen Sie dafür, dass Sie den Ton des Raums nicht zurücksenden, und senden Sie dann wieder."
        }
        UdpBlocked => {
            "Der Raum antwortet, aber der Ton kommt nicht durch: Öffnen Sie UDP {port} auf dem Server, oder fragen Sie \
             die Verwaltung Ihres Netzwerks."
        }
        NetworkInterrupted => {
            "Das Netzwerk ist unterbrochen: Aus dem Raum kommt nichts an. RTJam macht weiter, sobald es geht. Wenn das \
             länger dauert, prüfen Sie Ihr Netzwerk."
        }
        SmallDatagrams => {
            "Ihr Netzwerk überträgt nur Datagramme bis {limit} Byte, deshalb sendet RTJam mehr und kleinere Pakete. Oft \
             liegt das an einem VPN oder einem Mobilfunknetz; ohne dieses ist der Ton gleichmäßiger."
        }
        OverRate => {
            "Der Server verwirft einen Teil Ihres Tons, weil RTJam mehr als 48.000 Samples pro Sekunde sendet. Prüfen \
             Sie, ob Ihr Audiogerät wirklich mit der eingestellten Abtastrate läuft, und treten Sie dann erneut bei."
        }
        Rejoining => "Die Verbindung zum Raum ist abgebrochen. RTJam tritt erneut bei.",
        ServerStopping => "Der Server wird beendet. RTJam tritt wieder bei, sobald er zurück ist.",
        LinkIncomplete => {
            "Dieser Link nennt einen Raum, hat aber keinen Schlüssel: Der Teil nach # fehlt. Kopieren Sie den ganzen \
             Einladungslink noch einmal."
        }
        NameNotFound => {
            "Der Server {host} wurde nicht gefunden. Prüfen Sie den Link und Ihr Netzwerk. RTJam versucht es weiter."
        }
        NothingListens => {
            "Unter {server} antwortet nichts: Der Raumserver läuft nicht. Bitten Sie die Person, die ihn betreibt, ihn zu \
             starten. RTJam versucht es weiter."
        }
        NoNetwork => "Von hier führt kein Weg zu {server}. Prüfen Sie Ihr Netzwerk. RTJam versucht es weiter.",
        NoInterface => {
            "{host} ist eine Adresse, die nur in einem Netzwerk gilt. Nennen Sie im Link die Schnittstelle zu diesem \
             Netzwerk, zum Beispiel {example}."
        }
        NoAnswer => {
            "Der Server {server} antwortet nicht. Prüfen Sie Ihr Netzwerk, und fragen Sie die Person, die den Server \
             betreibt, ob TCP-Port {port} offen ist. RTJam versucht es weiter."
        }
        NotRtjam => {
            "Was unter {server} antwortet, ist kein RTJam-Server. Fragen Sie die Person, die Ihnen den Link geschickt \
             hat. RTJam versucht es weiter."
        }
        WrongServer => {
            "Was unter {server} antwortet, ist nicht der Server, für den die Einladung gilt, deshalb sendet RTJam ihm \
             nichts. RTJam versucht es weiter und tritt bei, sobald der richtige Server zurück ist. Wenn der Raum \
             umgezogen ist, bitten Sie die Person, die ihn betreibt, um einen neuen Link."
        }
        Certificate => {
            "Das Zertifikat von {host} ist ungültig ({reason}). Prüfen Sie das Datum dieses Computers, oder fragen Sie \
             die Person, die den Server betreibt. RTJam versucht es weiter."
        }
        ServerClosed => "Der Server {server} hat die Verbindung geschlossen. RTJam versucht es weiter.",
        NoConnection => {
            "RTJam konnte keine Verbindung öffnen ({reason}). Schließen Sie andere Programme. RTJam versucht es weiter."
        }
        LegacyLink => {
            "Diese Verbindung ist weder privat noch authentifiziert: Jeder auf dem Weg kann sie abhören und in Ihrem \
             Namen spielen. Für einen privaten Raum brauchen Sie einen rtjam://-Link."
        }
        LegacyAlone => "Sie sind allein auf {server}.",
        LegacySilent => {
            "Unter {host}, UDP-Port {port}, antwortet nichts mit alten rtjam-Paketen. Fragen Sie die Person, die diesen \
             Server betreibt, ob er läuft und welchen Port er hat: meist 7891, oder was rtjam-server nach \"classic:\" \
             ausgibt. Für einen Raum von rtjam-server können Sie stattdessen einen rtjam://-Link verwenden. RTJam \
             versucht es weiter."
        }
        LegacyLost => {
            "Vom alten Server {host} (UDP-Port {port}) kommt nichts mehr an. RTJam macht weiter, sobald er zurück ist."
        }
        NoThreads => {
            "RTJam konnte seine Netzwerk-Threads nicht starten ({reason}). Schließen Sie andere Programme, und starten \
             Sie RTJam neu."
        }

        NoRealtimePriority => {
            "Die Netzwerk-Threads von RTJam haben keine Echtzeitpriorität, deshalb kann der Ton auf einem ausgelasteten \
             Computer Lücken haben. Um sie zu erlauben, schreiben Sie die Zeilen \"@audio - rtprio 95\" und \"@audio - \
             memlock unlimited\" in /etc/security/limits.d/audio.conf, nehmen Sie sich in die Gruppe auf (sudo usermod \
             -aG audio $USER), und melden Sie sich neu an."
        }
        SlotsNotSaved => {
            "RTJam konnte nicht speichern, wer auf welchem Slot ist ({reason}). Machen Sie diese Datei beschreibbar, \
             oder verschieben Sie sie."
        }
        NoSocket => {
            "RTJam konnte keinen Socket für den Ton öffnen ({reason}). Schließen Sie andere Programme, oder prüfen Sie \
             Ihr Netzwerk."
        }
        TraceStopped => {
            "Die Aufzeichnung der Ankunftszeiten wurde beendet ({reason}). Schaffen Sie Platz auf dem Datenträger, und \
             starten Sie RTJam neu."
        }
        LegacyMusician => {
            "{names} verwendet alte rtjam-Pakete: Diese Verbindung ist weder privat noch authentifiziert, und über sie \
             läuft, was alle hier spielen."
        }
        LegacyMusicians => {
            "{names} verwenden alte rtjam-Pakete: Diese Verbindungen sind weder privat noch authentifiziert, und über \
             sie läuft, was alle hier spielen."
        }
        Stalling => {
            "Ihr Computer hält den Ton {often} für etwa {ms} ms an, deshalb hat der Ton der anderen Lücken oder kommt \
             später. Wählen Sie das Energieprofil \"Leistung\", schließen Sie andere Programme, oder stellen Sie eine \
             längere Periode ein."
        }
        MusicianStalling => {
            "Der Computer von {name} hält den Ton {often} für etwa {ms} ms an, deshalb hat der Ton von {name} Lücken oder \
             kommt später. Bitten Sie {name}, das Energieprofil \"Leistung\" zu wählen, andere Programme zu schließen oder \
             eine längere Periode einzustellen."
        }
        SeveralTimesASecond => "mehrmals pro Sekunde",
        EverySecond => "jede Sekunde",
        EverySeconds => "alle {seconds} Sekunden",
        ResumeInTerminal => "Um wieder zu senden, drücken Sie hier die Eingabetaste, oder senden Sie rtjam SIGUSR1.",

        HostOffline => {
            "Der Host rendert offline: Das Ergebnis enthält Ihr eigenes Signal mit dem Monitorpegel und nichts aus dem \
             Raum, und es wird nichts gesendet."
        }
        HostPaused => {
            "Pause: Der Host spielt diese Spur nicht. Sie behalten Ihren Platz im Raum. Schalten Sie das Plugin ein, \
             oder starten Sie die Audio-Engine des Hosts."
        }
        HostBypassed => {
            "RTJam ist überbrückt (Bypass): Sie hören sich selbst unverändert, der Raum ist still, und niemand hört Sie. \
             Sie behalten Ihren Platz. Schalten Sie den Bypass aus, um weiterzuspielen."
        }
        CameBackMuted => {
            "Sie sind wieder im Raum dieses Projekts, stummgeschaltet. Schalten Sie \"Stumm\" aus, wenn man Sie hören \
             soll."
        }
        HostRunsAhead => {
            "Der Host rechnet im Voraus, deshalb hören Sie den Raum in Stücken. Schalten Sie Anticipative FX (Reaper), \
             ASIO-Guard (Cubase) oder Ähnliches für diese Spur aus, oder schalten Sie die Spur aufnahmebereit."
        }
        OutputsNotConnected => {
            "Der Host spielt RTJam Multi nicht, weil einige seiner Ausgänge ausgeschaltet sind. Schalten Sie alle ein, \
             oder verwenden Sie RTJam mit nur einem Stereoausgang."
        }
        Failed => "RTJam ist ausgefallen und stumm. Drücken Sie \"Engine neu starten\", um weiterzumachen.",
        FailedWithLog => {
            "RTJam ist ausgefallen und stumm. Drücken Sie \"Engine neu starten\", um weiterzumachen, und schicken Sie uns \
             bitte {log}."
        }
        AlreadyInRoom => "Ein anderes RTJam in diesem Projekt ist schon in {room}. Als weiterer Musiker beitreten?",
        NoHomeFolder => {
            "Es gibt keinen Benutzerordner für die Einstellungen. Setzen Sie HOME, und starten Sie den Host neu."
        }
        WindowBadParent => {
            "Das Fenster konnte nicht im Fenster des Hosts geöffnet werden. Schließen Sie es, und öffnen Sie es noch \
             einmal."
        }
        WindowNotOpened => {
            "Das Fenster konnte nicht geöffnet werden ({reason}). Es braucht einen Bildschirm mit OpenGL 2.1."
        }
        WindowFailed => {
            "Dieses Fenster ist ausgefallen. Der Ton läuft weiter. Schließen Sie das Fenster, und öffnen Sie es noch \
             einmal."
        }

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
        ClipboardHasNoValue => {
            "Die Zwischenablage enthält keinen Wert für diesen Regler. Kopieren Sie einen, zum Beispiel \"−6 dB\", und \
             fügen Sie ihn noch einmal ein."
        }

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
        NotHeardHint => {
            "Es spielen mehr Musiker, als Sie hören können. Der Raum sendet Ihnen die lautesten. Um diesen immer zu \
             hören, klicken Sie mit der rechten Maustaste auf den Namen."
        }
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
        OthersHint => {
            "Wie Sie die anderen empfangen: wie im Raum eingestellt, jeden einzeln oder als einen Mix des Servers"
        }
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
        TrackAdvice => {
            "Setzen Sie RTJam auf die Spur, die Sie spielen. Auf einem Bus oder dem Master, wo der Raum zurückkommt, \
             würde es den Raum an sich selbst senden; es hört dann auf zu senden."
        }

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
    }
}

pub(super) fn refused(refused: &Refused) -> String {
    let (what, then) = refusal(refused.reason);
    match (refused.retry, refused.after) {
        (Retry::Later, Some(seconds)) if refused.reason.retry() == Retry::Later => {
            fill("{what} RTJam versucht es in {seconds} s erneut.", &[("what", &what), ("seconds", &seconds)])
        }
        _ => format!("{what} {then}"),
    }
}

/// What happened, and what to do.
fn refusal(reason: Refusal) -> (&'static str, &'static str) {
    match reason {
        Refusal::Version => {
            ("Der Server spricht eine andere Version von RTJam.", "Aktualisieren Sie die ältere von beiden.")
        }
        Refusal::BadMessage => {
            ("Der Server hat dieses Programm nicht verstanden.", "Aktualisieren Sie RTJam auf beiden Seiten.")
        }
        Refusal::BadSignature => ("Der Server hat diese Identität nicht akzeptiert.", "Versuchen Sie es noch einmal."),
        Refusal::WrongSecret => {
            ("Die Einladung gilt nicht mehr.", "Bitten Sie die Person, die den Raum betreibt, um einen neuen Link.")
        }
        Refusal::RoleNotAllowed => ("Diese Einladung gilt nur zum Zuhören.", "Bitten Sie um einen Musikerlink."),
        Refusal::UnknownRoom => ("Diesen Raum gibt es auf dem Server nicht.", "Bitten Sie um einen neuen Link."),
        Refusal::RoomFull => ("Der Raum ist voll.", "RTJam tritt bei, sobald ein Platz frei ist."),
        Refusal::ServerUnable => ("Der Server kann gerade niemanden aufnehmen.", "RTJam versucht es weiter."),
        Refusal::ServerFull => ("Alle Plätze dieses Servers sind belegt.", "RTJam tritt bei, sobald einer frei ist."),
        Refusal::TooManySessions => (
            "Ihr Netzwerk hat alle Plätze, die es auf diesem Server haben darf.",
            "RTJam tritt bei, sobald einer frei ist.",
        ),
        Refusal::TooManyJoins => ("Ihr Netzwerk ist gerade zu oft beigetreten.", "RTJam versucht es weiter."),
        Refusal::TooManyInstances => (
            "Sie sind so oft in diesem Raum, wie es erlaubt ist: Verlassen Sie ihn in einem anderen Fenster oder auf \
             einem anderen Computer.",
            "RTJam tritt bei, sobald ein Platz für Sie frei ist.",
        ),
        Refusal::TooManyFromNetwork => {
            ("Aus Ihrem Netzwerk treten zu viele diesem Raum bei oder sind schon darin.", "RTJam versucht es weiter.")
        }
        Refusal::SecretRenewed => (
            "Die Einladung zu diesem Raum wurde erneuert, und Ihre gilt nicht mehr.",
            "Bitten Sie die Person, die den Raum betreibt, um einen neuen Link.",
        ),
        Refusal::Kicked => (
            "Die Person, die den Raum betreibt, hat Sie entfernt.",
            "Sprechen Sie mit ihr; danach können Sie wieder beitreten.",
        ),
        Refusal::Banned => {
            ("Sie sind aus diesem Raum ausgeschlossen.", "Sprechen Sie mit der Person, die ihn betreibt.")
        }
        Refusal::Unknown => {
            ("Der Server hat aus einem Grund abgelehnt, den diese Version nicht kennt.", "Aktualisieren Sie RTJam.")
        }
    }
}

#[cfg(feature = "editor")]
pub(super) fn bad_link(error: BadLink) -> &'static str {
    match error {
        BadLink::Scheme => {
            "Das ist kein RTJam-Einladungslink: Er muss mit rtjam:// beginnen. Kopieren Sie den ganzen Link, den Sie \
             erhalten haben. (Einen alten rtjam-Server erreichen Sie mit classic://HOST:PORT .)"
        }
        BadLink::Host => "Die Serveradresse im Einladungslink ist keine. Kopieren Sie den ganzen Link noch einmal.",
        BadLink::Port => {
            "Der Port im Einladungslink ist keine Zahl von 1 bis 65535. Kopieren Sie den ganzen Link noch einmal."
        }
        BadLink::Room => "Der Einladungslink nennt keinen Raum. Kopieren Sie den ganzen Link noch einmal.",
        BadLink::Key => {
            "Der Einladungslink ist beschädigt: Der Teil nach # ist unvollständig oder verändert. Kopieren Sie den ganzen \
             Link noch einmal."
        }
        BadLink::NewerVersion => {
            "Dieser Einladungslink stammt von einem neueren RTJam. Aktualisieren Sie RTJam, und versuchen Sie es noch \
             einmal."
        }
        BadLink::LegacyHost => {
            "Die Adresse des alten Servers ist keine: Schreiben Sie classic://HOST:PORT mit einem Namen oder einer \
             IP-Adresse als HOST."
        }
        BadLink::LegacyPort => {
            "Der Port des alten Servers ist keine Zahl von 1 bis 65535: Schreiben Sie classic://HOST:PORT ; ohne :PORT \
             ist es 7891."
        }
        BadLink::LegacyRest => {
            "Ein alter Server hat keine Räume und keine Schlüssel: Schreiben Sie nur classic://HOST:PORT . Schreiben Sie \
             nie den Schlüssel eines Einladungslinks dorthin: Er wäre nicht mehr geheim."
        }
    }
}

pub(super) fn identity(error: &IdentityError) -> String {
    match error {
        IdentityError::Io(path, why) => fill(
            "Ihr Schlüssel {path} kann nicht gelesen oder angelegt werden: {why}. Machen Sie diesen Ordner beschreibbar, \
             oder wählen Sie einen anderen.",
            &[("path", &path.display()), ("why", why)],
        ),
        IdentityError::Damaged(path) => fill(
            "Ihr Schlüssel ist beschädigt: {path}. Stellen Sie die Datei aus einer Kopie wieder her, oder verschieben Sie \
             sie. RTJam legt dann einen neuen Schlüssel an, und Räume behandeln Sie als neuen Musiker.",
            &[("path", &path.display())],
        ),
        IdentityError::NoEntropy => {
            "Ihr System konnte RTJam keine Zufallszahlen geben. Starten Sie den Computer neu.".to_owned()
        }
    }
}

pub(super) fn engine_notice(notice: rtjam_engine::Notice) -> &'static str {
    match notice {
        rtjam_engine::Notice::NotConfigured => "Der Host hat die Audiowiedergabe noch nicht gestartet.",
        rtjam_engine::Notice::RateUnsupported => {
            "Stellen Sie das Audiogerät auf eine Abtastrate von 8 bis 192 kHz: Die jetzige kann nicht wiedergegeben \
             werden."
        }
    }
}
