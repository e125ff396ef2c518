//! What differs between operating systems: the only place that asks for which one the crate is built.
//!
//! | module | systems | contents |
//! |---|---|---|
//! | `unix`, `windows` | Linux and macOS; Windows | the computer's name, the user's language |
//! | `linux`, `macos`, `windows` | each | folders of fonts, how hosts measure windows |
//! | `x11` | Linux | what the window library does not do on X11 |
//! | `no_x11` | all others | nothing of that is needed |

#[cfg(unix)]
mod unix;
#[cfg(unix)]
pub(crate) use unix::*;

#[cfg(windows)]
mod windows;
#[cfg(windows)]
pub(crate) use windows::*;

#[cfg(all(target_os = "linux", feature = "editor"))]
mod linux;
#[cfg(all(target_os = "linux", feature = "editor"))]
pub(crate) use linux::*;

#[cfg(all(target_os = "macos", feature = "editor"))]
mod macos;
#[cfg(all(target_os = "macos", feature = "editor"))]
pub(crate) use macos::*;

#[cfg(all(target_os = "linux", feature = "editor"))]
mod x11;
#[cfg(all(target_os = "linux", feature = "editor"))]
pub(crate) use x11::*;

#[cfg(all(not(target_os = "linux"), feature = "editor"))]
mod no_x11;
#[cfg(all(not(target_os = "linux"), feature = "editor"))]
pub(crate) use no_x11::*;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn computers_have_names() {
        assert!(host_name().is_none_or(|name| !name.is_empty() && !name.contains('.')));
    }

    /// A thread exists until it ends.
    #[cfg(feature = "editor")]
    #[test]
    fn ended_threads_do_not_exist() {
        let id = std::thread::spawn(|| {
            let id = current_thread();
            assert!(id.is_none_or(thread_exists));
            id
        });
        let id = id.join().expect("no panic");
        let begun = std::time::Instant::now();
        while id.is_some_and(thread_exists) {
            assert!(begun.elapsed().as_secs() < 5, "it has ended");
        }
    }
}
