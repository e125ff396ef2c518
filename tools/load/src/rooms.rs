//! An invite link for each room. A link opens one room; for more, the running server's own program makes them, with
//! the data folder and settings that it was started with.

use rtjam_protocol::link::InviteLink;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::Command;

/// Links to `rooms` rooms: those given, then new rooms of the server that runs as `pid`.
///
/// # Errors
/// A sentence that says which link is wrong, or what is missing for more rooms.
pub fn links(given: &[String], rooms: u16, pid: Option<u32>) -> Result<Vec<InviteLink>, String> {
    let rooms = usize::from(rooms);
    let parsed = given.iter().take(rooms).map(|link| link.parse().map_err(|e| format!("{link}: {e}")));
    let mut links: Vec<InviteLink> = parsed.collect::<Result<_, String>>()?;
    if links.iter().any(|l| l.key.is_none()) {
        return Err("A link without the part after # opens no room. Give it whole.".to_owned());
    }
    for number in links.len()..rooms {
        let Some(pid) = pid else {
            return Err(format!("{rooms} rooms need as many --join LINK, or --pid SERVER to ask for invitations."));
        };
        let first = &links[0];
        links.push(invitation(pid, &format!("load-{number}"), &format!("{}:{}", first.host, first.port))?);
    }
    Ok(links)
}

fn invitation(pid: u32, room: &str, address: &str) -> Result<InviteLink, String> {
    let read = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).map_err(|e| format!("process {pid}: {e}"));
    let arguments = split(&read("cmdline")?);
    let environment = split(&read("environ")?).into_iter().filter_map(|pair| {
        let text = pair.into_string().ok()?;
        text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    });
    let mut command = Command::new(format!("/proc/{pid}/exe"));
    command.env_clear().envs(environment).current_dir(format!("/proc/{pid}/cwd"));
    command.args(["invite", room, "--public-address", address]);
    if let Some(at) = arguments.iter().position(|a| a == "--data") {
        command.args(arguments.iter().skip(at).take(2));
    }
    let output = command.output().map_err(|e| format!("process {pid} is no server of ours: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        format!("the server's program made no invitation to {room}: {}", said.trim())
    })
}

fn split(bytes: &[u8]) -> Vec<OsString> {
    bytes.split(|b| *b == 0).filter(|p| !p.is_empty()).map(|p| OsString::from_vec(p.to_vec())).collect()
}
