//! What std would otherwise bring: memory, and what happens at a panic.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::null_mut;

/// A machine whose memory is used up.
struct NoMemory;

// SAFETY: a null pointer says that there is no memory; nothing is ever given out that could be freed.
unsafe impl GlobalAlloc for NoMemory {
    unsafe fn alloc(&self, _: Layout) -> *mut u8 {
        null_mut()
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static MEMORY: NoMemory = NoMemory;

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    loop {
        core::hint::spin_loop();
    }
}
