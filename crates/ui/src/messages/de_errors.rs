//! The German texts of errors whose English is their `Display`.

use super::language::fill;
use rtjam_client::IdentityError;
use rtjam_protocol::control::{DOWNLOADS, Outdated, Refusal, Refused, Retry};
use rtjam_protocol::link::BadLink;

pub(super) fn refused(refused: &Refused) -> String {
    if let (Refusal::UpdateNeeded, Some(outdated @ (Outdated::Client | Outdated::Server))) =
        (refused.reason, refused.update)
    {
        let text = if outdated == Outdated::Client {
            "Dieses RTJam ist für den Server zu alt. Aktualisieren Sie es, und treten Sie dann erneut bei."
        } else {
            "Das RTJam des Servers ist für dieses zu alt. Bitten Sie die Person, die den Server betreibt, es zu \
             aktualisieren."
        };
        let link = if DOWNLOADS.is_empty() { String::new() } else { format!(" Die neueste Version: {DOWNLOADS} .") };
        return format!("{text}{link}");
    }
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
        Refusal::UpdateNeeded => {
            ("Das RTJam des Servers und dieses sind zu weit auseinander.", "Aktualisieren Sie das ältere von beiden.")
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
