//! Replaces the parts of std that a program needs: allocator and panic handler.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr::null_mut;

/// An allocator without memory.
struct NoMemory;

// SAFETY: `alloc` always returns null, which means that no memory is available, so there is nothing to free.
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
