//! The one heap, used once
//!
//! `embedded-alloc` serves the arena (and, on boards that need them, DMA buffers) while the image
//! starts. Then the heap is sealed: from there on every allocation or release is a bug, and the
//! allocator says so by a panic instead of letting memory drift.

#![expect(unsafe_code, reason = "labelled room: the global allocator")]

use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use embedded_alloc::TlsfHeap;

#[global_allocator]
static HEAP: SealableHeap = SealableHeap {
    heap: TlsfHeap::empty(),
    n_bytes: AtomicUsize::new(0),
    is_sealed: AtomicBool::new(false),
    n_calls: AtomicUsize::new(0),
};

/// A heap that can be closed.
struct SealableHeap {
    heap: TlsfHeap,
    /// Bytes free before the first allocation.
    n_bytes: AtomicUsize,
    is_sealed: AtomicBool,
    n_calls: AtomicUsize,
}

impl SealableHeap {
    fn check(&self, verb: &str, layout: Layout) {
        self.n_calls.fetch_add(1, Ordering::Relaxed);
        assert!(
            !self.is_sealed.load(Ordering::Relaxed),
            "the session {verb} {} bytes of heap after it opened: it must live in its arena",
            layout.size()
        );
    }
}

// SAFETY: forwards to `TlsfHeap`, which upholds the contract; the checks before it only panic,
// which ends the program.
unsafe impl GlobalAlloc for SealableHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.check("asked for", layout);
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { self.heap.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.check("gave back", layout);
        // SAFETY: the caller's promise about `pointer` and `layout` is passed on.
        unsafe { self.heap.dealloc(pointer, layout) }
    }
}

/// Gives the heap its memory.
///
/// # Panics
/// If it has some already.
pub(crate) fn add_heap(memory: &'static mut [u8]) {
    // SAFETY: the slice is exclusive and lives for ever; its length is its own.
    unsafe { HEAP.heap.init(memory.as_mut_ptr().addr(), memory.len()) };
    HEAP.n_bytes.store(HEAP.heap.free(), Ordering::Relaxed);
}

/// Bytes that one allocation can surely get while the heap is empty. The allocator sorts free blocks
/// into 64 classes per power of two and serves only classes that are large enough as a whole.
pub(crate) fn heap_capacity() -> usize {
    let free = HEAP.heap.free();
    free - free / 32
}

/// Closes the heap for ever.
pub(crate) fn seal_heap() {
    HEAP.is_sealed.store(true, Ordering::Relaxed);
}

/// Bytes that allocations and their bookkeeping take, and calls of the allocator since start.
pub(crate) fn heap_use() -> (usize, usize) {
    // Not `TlsfHeap::used`: in embedded-alloc 0.7.0 it borrows its cell twice and panics.
    let used_bytes = HEAP.n_bytes.load(Ordering::Relaxed) - HEAP.heap.free();
    (used_bytes, HEAP.n_calls.load(Ordering::Relaxed))
}
