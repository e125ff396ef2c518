//! The editor in a window of the host.

use crate::claphost::Plugin;
use clap_sys::ext::gui::CLAP_WINDOW_API_WIN32;
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};
use windows_sys::Win32::Foundation::HWND;
use windows_sys::Win32::Graphics::Gdi::{GetDC, GetPixel, ReleaseDC};
use windows_sys::Win32::System::LibraryLoader::GetModuleHandleW;
use windows_sys::Win32::UI::WindowsAndMessaging::{
    CreateWindowExW, DefWindowProcW, DestroyWindow, DispatchMessageW, GW_CHILD, GetWindow, MSG,
    MsgWaitForMultipleObjects, PM_REMOVE, PeekMessageW, QS_ALLINPUT, RegisterClassW, TranslateMessage, WNDCLASSW,
    WS_OVERLAPPEDWINDOW, WS_VISIBLE,
};
use windows_sys::core::w;

/// How long an editor stays open.
const OPEN: Duration = Duration::from_millis(400);

/// Opens and closes the editor, each time in a new window of the host.
pub(crate) fn open_editors(plugin: &Plugin, times: u32) {
    // SAFETY: null names this program; the class is valid and lives through the call.
    unsafe {
        let class = WNDCLASSW {
            style: 0,
            lpfnWndProc: Some(DefWindowProcW),
            cbClsExtra: 0,
            cbWndExtra: 0,
            hInstance: GetModuleHandleW(null()),
            hIcon: null_mut(),
            hCursor: null_mut(),
            hbrBackground: null_mut(),
            lpszMenuName: null(),
            lpszClassName: w!("rtjam-plugin-host"),
        };
        assert_ne!(RegisterClassW(&raw const class), 0, "a class of windows");
    }
    let mut colours = 0;
    for _ in 0..times {
        let window = plugin.editor().open_in(CLAP_WINDOW_API_WIN32, Some(1.0), |(width, height)| {
            let window = create_window(width, height);
            (window as u64, window)
        });
        let opened = Instant::now();
        while opened.elapsed() < OPEN {
            wait_for_message();
            dispatch_messages();
        }
        colours = colours.max(count_colours(window));
        plugin.editor().destroy();
        // SAFETY: the window of this thread, which is destroyed once.
        unsafe { DestroyWindow(window) };
        dispatch_messages();
    }
    println!("editor: opened and closed {times} times, {colours} colours seen");
}

fn create_window(width: u32, height: u32) -> HWND {
    // SAFETY: the class exists, and all names live through the call.
    let window = unsafe {
        let (class, title, style) = (w!("rtjam-plugin-host"), w!("plugin-host"), WS_OVERLAPPEDWINDOW | WS_VISIBLE);
        let (width, height, program) = (width as i32, height as i32, GetModuleHandleW(null()));
        CreateWindowExW(0, class, title, style, 0, 0, width, height, null_mut(), null_mut(), program, null())
    };
    assert!(!window.is_null(), "a window");
    window
}

/// Returns at the next message, or soon.
fn wait_for_message() {
    // SAFETY: no handles are passed.
    unsafe { MsgWaitForMultipleObjects(0, null(), 0, 20, QS_ALLINPUT) };
}

fn dispatch_messages() {
    // SAFETY: a structure of numbers and pointers, for which zeros are valid; the calls write or read it.
    unsafe {
        let mut message: MSG = std::mem::zeroed();
        while PeekMessageW(&raw mut message, null_mut(), 0, 0, PM_REMOVE) != 0 {
            TranslateMessage(&raw const message);
            DispatchMessageW(&raw const message);
        }
    }
}

/// The number of different colours in the editor, where the system lets a program read them.
fn count_colours(window: HWND) -> usize {
    // SAFETY: the window exists; its first child, if any, is the editor. The context is released once.
    unsafe {
        let editor = GetWindow(window, GW_CHILD);
        if editor.is_null() {
            return 0;
        }
        let context = GetDC(editor);
        let mut colours: Vec<u32> =
            (0..480).step_by(6).flat_map(|y| (0..760).step_by(6).map(move |x| GetPixel(context, x, y))).collect();
        ReleaseDC(editor, context);
        colours.sort_unstable();
        colours.dedup();
        colours.len()
    }
}
