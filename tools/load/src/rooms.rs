//! An invite link for each room. Missing links are made by the server's program, with the data folder of the running server.

use super::error::LoadError;

use rtjam_protocol::link::InviteLink;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::process::Command;

/// Links to `rooms` rooms: those given, then new rooms of the server with this process id.
///
/// # Errors
/// When a link is wrong, or further links cannot be made.
pub fn links(given: &[String], rooms: u16, pid: Option<u32>) -> Result<Vec<InviteLink>, LoadError> {
    let rooms = usize::from(rooms);
    let parsed = given.iter().take(rooms).map(|link| link.parse().map_err(|e| LoadError::Link(link.clone(), e)));
    let mut links: Vec<InviteLink> = parsed.collect::<Result<_, LoadError>>()?;
    if links.iter().any(|l| l.key.is_none()) {
        return Err(LoadError::LinkWithoutKey);
    }
    for number in links.len()..rooms {
        let pid = pid.ok_or(LoadError::TooFewLinks(rooms))?;
        let first = &links[0];
        links.push(invitation(pid, &format!("load-{number}"), &format!("{}:{}", first.host, first.port))?);
    }
    Ok(links)
}

fn invitation(pid: u32, room: &str, address: &str) -> Result<InviteLink, LoadError> {
    let read = |name: &str| std::fs::read(format!("/proc/{pid}/{name}")).map_err(|e| LoadError::Process(pid, e));
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
    let output = command.output().map_err(|e| LoadError::Process(pid, e))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|_| {
        let said = String::from_utf8_lossy(&output.stderr);
        LoadError::NoInvitation(room.to_owned(), said.trim().to_owned())
    })
}

fn split(bytes: &[u8]) -> Vec<OsString> {
    bytes.split(|b| *b == 0).filter(|p| !p.is_empty()).map(|p| OsString::from_vec(p.to_vec())).collect()
}
