//! The plugin's audio thread neither allocates nor frees, in any library below it, and its first call registers no
//! thread-end destructor.
//!
//! This program replaces the C library's allocator, so it also sees the requests of the plugin's library, the C library
//! and the dynamic linker (thread-local variables). A Rust allocator would only see its own program.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use clap_sys::events::{
    CLAP_CORE_EVENT_SPACE_ID, CLAP_EVENT_PARAM_VALUE, clap_event_header, clap_event_param_value, clap_input_events,
    clap_output_events,
};
use clap_sys::process::clap_process;
use rtjam_tests::claphost::{AudioThread, IDS, Library, Raw, port, project, use_private_home};
use rtjam_tests::musician::{JOIN, Musician, Options};
use rtjam_tests::room::Room;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

const FRAMES: usize = 64;

thread_local! {
    /// Whether the thread is in a call of the plugin. Constant and without a destructor, so it needs no memory itself.
    static WATCHED: Cell<bool> = const { Cell::new(false) };
}

/// Requests of watched threads: allocations, releases, thread-end destructors.
static SEEN: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

fn note(what: usize) {
    if WATCHED.get() {
        SEEN[what].fetch_add(1, Relaxed);
    }
}

/// Runs `act` and returns its requests.
fn watched(act: impl FnOnce()) -> [usize; 3] {
    let before = SEEN.each_ref().map(|count| count.load(Relaxed));
    WATCHED.set(true);
    act();
    WATCHED.set(false);
    std::array::from_fn(|i| SEEN[i].load(Relaxed) - before[i])
}

mod replaced {
    //! Replacements of the C library's functions of these names.

    use super::{c_int, c_void, note};

    unsafe extern "C" {
        fn __libc_malloc(size: usize) -> *mut c_void;
        fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
        fn __libc_realloc(memory: *mut c_void, size: usize) -> *mut c_void;
        fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
        fn __libc_free(memory: *mut c_void);
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
        note(0);
        // SAFETY: calls the C library's function with the same arguments.
        unsafe { __libc_malloc(size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
        note(0);
        // SAFETY: as above.
        unsafe { __libc_calloc(count, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn realloc(memory: *mut c_void, size: usize) -> *mut c_void {
        note(0);
        // SAFETY: as above.
        unsafe { __libc_realloc(memory, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn memalign(alignment: usize, size: usize) -> *mut c_void {
        note(0);
        // SAFETY: as above.
        unsafe { __libc_memalign(alignment, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
        note(0);
        // SAFETY: as above.
        unsafe { __libc_memalign(alignment, size) }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn posix_memalign(to: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
        note(0);
        // SAFETY: as above; the caller's pointer is writable.
        unsafe {
            let memory = __libc_memalign(alignment, size);
            *to = memory;
            if memory.is_null() { libc::ENOMEM } else { 0 }
        }
    }

    #[unsafe(no_mangle)]
    unsafe extern "C" fn free(memory: *mut c_void) {
        note(1);
        // SAFETY: as above.
        unsafe { __libc_free(memory) }
    }

    type Destructor = unsafe extern "C" fn(*mut c_void);

    #[unsafe(no_mangle)]
    unsafe extern "C" fn __cxa_thread_atexit_impl(end: Destructor, object: *mut c_void, library: *mut c_void) -> c_int {
        note(2);
        type Register = unsafe extern "C" fn(Destructor, *mut c_void, *mut c_void) -> c_int;
        // SAFETY: the next symbol of that name is the C library's, with this type.
        unsafe {
            let next = libc::dlsym(libc::RTLD_NEXT, c"__cxa_thread_atexit_impl".as_ptr());
            if next.is_null() {
                return 0;
            }
            std::mem::transmute::<*mut c_void, Register>(next)(end, object, library)
        }
    }
}

/// Parameter events for one call, all at its first frame.
struct List(Vec<clap_event_param_value>);

// SAFETY: the list is only read, and the pointers in it (cookies) are null.
unsafe impl Sync for List {}

impl List {
    fn of(values: impl Iterator<Item = (u32, f64)>) -> List {
        let event = |(param_id, value)| clap_event_param_value {
            header: clap_event_header {
                size: size_of::<clap_event_param_value>() as u32,
                time: 0,
                space_id: CLAP_CORE_EVENT_SPACE_ID,
                type_: CLAP_EVENT_PARAM_VALUE,
                flags: 0,
            },
            param_id,
            cookie: null_mut(),
            note_id: -1,
            port_index: -1,
            channel: -1,
            key: -1,
            value,
        };
        List(values.map(event).collect())
    }

    fn as_clap(&self) -> clap_input_events {
        unsafe extern "C" fn size(list: *const clap_input_events) -> u32 {
            // SAFETY: `ctx` is the list below.
            unsafe { (*(*list).ctx.cast::<List>()).0.len() as u32 }
        }
        unsafe extern "C" fn get(list: *const clap_input_events, index: u32) -> *const clap_event_header {
            // SAFETY: `ctx` is the list below.
            unsafe { (*(*list).ctx.cast::<List>()).0.as_ptr().add(index as usize).cast() }
        }
        clap_input_events { ctx: std::ptr::from_ref(self).cast_mut().cast(), size: Some(size), get: Some(get) }
    }
}

/// A host's event list that accepts everything and stores nothing.
fn discarding_output() -> clap_output_events {
    unsafe extern "C" fn push(_list: *const clap_output_events, _event: *const clap_event_header) -> bool {
        true
    }
    clap_output_events { ctx: null_mut(), try_push: Some(push) }
}

/// Makes two calls with these events on a new thread, and returns their requests.
fn first_calls(raw: Raw, outputs: usize, list: &List) -> [usize; 3] {
    let call = move || {
        let raw: Raw = raw;
        let mut input = [[0.25_f32; FRAMES]; 2];
        let mut output = vec![[[0.0_f32; FRAMES]; 2]; outputs];
        let mut inputs = input.each_mut().map(|c| c.as_mut_ptr());
        let mut pairs: Vec<[*mut f32; 2]> = output.iter_mut().map(|o| o.each_mut().map(|c| c.as_mut_ptr())).collect();
        let mut ports: Vec<_> = pairs.iter_mut().map(|pair| port(pair.as_mut_ptr(), 2)).collect();
        let (input_port, events, discarding_output) =
            (port(inputs.as_mut_ptr(), 2), list.as_clap(), discarding_output());
        let process = clap_process {
            steady_time: -1,
            frames_count: FRAMES as u32,
            transport: std::ptr::null(),
            audio_inputs: &input_port,
            audio_outputs: ports.as_mut_ptr(),
            audio_inputs_count: 1,
            audio_outputs_count: ports.len() as u32,
            in_events: &events,
            out_events: &discarding_output,
        };
        watched(|| {
            for _ in 0..2 {
                // SAFETY: the plugin lives and is active; all pointers are valid until the end of the call.
                unsafe { (*raw.as_ptr()).process.expect("it has one")(raw.as_ptr(), &process) };
            }
        })
    };
    std::thread::scope(|scope| scope.spawn(call).join().expect("the thread does not panic"))
}

impl List {
    /// All parameters of a plugin, at a fraction of their ranges.
    fn all(plugin: &rtjam_tests::claphost::Plugin, share: f64) -> List {
        let at = |p: rtjam_tests::claphost::Param| (p.id, p.range[0] + (p.range[1] - p.range[0]) * share);
        List::of(plugin.params().into_iter().map(at))
    }
}

/// The guard of these tests detects allocations, releases and thread-end destructors.
#[test]
fn guard_detects_allocation_and_registration() {
    let memory = watched(|| drop(std::hint::black_box(vec![1_u8; 100])));
    assert!(memory[0] > 0 && memory[1] > 0, "{memory:?}");
    // Larger than the allocator's default alignment, as thread-local memory may be.
    #[repr(align(128))]
    struct Wide {
        _bytes: [u8; 128],
    }
    assert!(watched(|| drop(std::hint::black_box(Box::new(Wide { _bytes: [1; 128] }))))[0] > 0);
    thread_local!(static ENDING: String = String::from("a destructor"));
    let seen = std::thread::spawn(|| watched(|| ENDING.with(|s| assert!(!s.is_empty())))).join().expect("it ends well");
    assert!(seen[2] > 0, "{seen:?}");
}

/// Automation on a new audio thread neither allocates nor frees.
#[test]
fn automation_allocates_nothing() {
    let library = Library::load();
    for (id, outputs) in IDS.into_iter().zip([1, 13]) {
        for rate in [48_000.0, 44_100.0, 400_000.0] {
            let plugin = library.plugin(id);
            assert!(plugin.activate(rate, FRAMES as u32) && plugin.raw().start());
            for round in 0..8 {
                let list = List::all(&plugin, f64::from(round % 2));
                assert_eq!(first_calls(plugin.raw(), outputs, &list), [0; 3], "{id} at {rate} Hz, thread {round}");
            }
            plugin.raw().stop();
        }
    }
}

/// The same while the plugin is in a room.
#[test]
fn automation_in_room_allocates_nothing() {
    use_private_home();
    let room = Room::start();
    let mut cleo = Musician::start(&Options::demo("Cleo", &room.invite));
    cleo.wait_joined();
    let library = Library::load();
    for (id, outputs) in IDS.into_iter().zip([1, 13]) {
        let plugin = library.plugin(id);
        assert!(plugin.load(project("Dora", &room.invite, "").as_bytes()));
        let host = AudioThread::start(&plugin, 48_000, FRAMES as u32, outputs, vec![0.1]);
        cleo.wait_new("Dora's packets", JOIN, |s| {
            s["musicians"].as_array()?.iter().find(|m| m["packets"].as_u64() > Some(100)).map(|_| ())
        });
        // The host moves the plugin from thread to thread.
        host.pause(true);
        for round in 0..8 {
            let list = List::all(&plugin, f64::from(round % 2));
            assert_eq!(first_calls(plugin.raw(), outputs, &list), [0; 3], "{id}, thread {round}");
        }
        host.pause(false);
        drop(host);
        drop(plugin);
        cleo.wait_new("Dora has left", JOIN, |s| s["musicians"].as_array()?.is_empty().then_some(()));
    }
}
