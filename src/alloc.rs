//! The memory of Rust and of aws-lc: the system's, and behind it a reserve to refuse on.
//!
//! Rust ends the process where an allocation fails, and a worker would take the requests of all its clients along; aws-lc
//! would take a good key for an unfit one. So whoever finds no memory is served from a reserve, goes on as ever, and at
//! the boundary its outcome is replaced by a refusal, whatever it was. What it held is then given back. A worker still
//! ends when the reserve is used up too.

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::alloc::{GlobalAlloc, Layout, System};

use zeroize::Zeroize;

use crate::reserve::{GRANULE, Taken};

/// The size of the reserve, in bytes. It is static: the address space is had when the module is loaded, and pages only
/// when they are used.
///
/// The most that one callback holds is a fetched set of 256 KiB: its text as it comes, or copied from shared memory, once
/// more to be parsed, and its keys. 640 KiB are enough for the largest set, and 384 are not (`the_largest_set_fits_into_
/// the_reserve` in `tests/e2e/faults`); a buffer that doubles may want as much again. A token of the usual
/// `large_client_header_buffers` (8 KiB) takes less than a tenth. The rest is for what other requests still hold.
const SIZE: usize = 4 * 1024 * 1024;

const WORDS: usize = SIZE / GRANULE / 64;

struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

static RESERVE: Reserve = Reserve {
    busy: AtomicBool::new(false),
    taken: UnsafeCell::new(Taken::none()),
    memory: UnsafeCell::new(Memory([0; SIZE])),
};

/// The reserve has been used since the outermost callback began.
static SHORT: AtomicBool = AtomicBool::new(false);

/// Callbacks under way: one reads variables while it runs, whose getters are callbacks too.
static DEPTH: AtomicUsize = AtomicUsize::new(0);

/// Whether the callback under way has found no memory and lives on the reserve: it will be refused, and what outlives it
/// must not be kept.
pub fn is_short() -> bool {
    SHORT.load(Ordering::Relaxed)
}

/// A callback, until it is left.
pub struct Callback;

impl Callback {
    pub fn enter() -> Self {
        DEPTH.store(DEPTH.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        Self
    }

    /// Whether the callback has lived on the reserve, and whether it is the outermost one.
    pub fn leave(self) -> (bool, bool) {
        let depth = DEPTH.load(Ordering::Relaxed) - 1;
        DEPTH.store(depth, Ordering::Relaxed);
        let short = is_short();
        if short && depth == 0 {
            SHORT.store(false, Ordering::Relaxed);
        }
        (short, depth == 0)
    }
}

// SAFETY: all memory is the system's or the reserve's, and goes back to where it came from: the reserve knows its own by
// their address.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duty.
        let found = unsafe { System.alloc(layout) };
        if found.is_null() { RESERVE.take(layout) } else { found }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's duty.
        let found = unsafe { System.alloc_zeroed(layout) };
        if found.is_null() { RESERVE.take_zeroed(layout) } else { found }
    }

    #[inline]
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        if RESERVE.holds(ptr) {
            RESERVE.give_back(ptr, layout);
        } else {
            // SAFETY: the caller's duty; what the reserve does not hold is the system's.
            unsafe { System.dealloc(ptr, layout) }
        }
    }

    #[inline]
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        if !RESERVE.holds(ptr) {
            // SAFETY: as above.
            let found = unsafe { System.realloc(ptr, layout, new_size) };
            if !found.is_null() {
                return found;
            }
        }
        // SAFETY: the caller's duty.
        unsafe { move_to_new(ptr, layout, new_size) }
    }
}

/// What `realloc` does where the system cannot.
///
/// # Safety
/// As for `realloc`.
#[cold]
unsafe fn move_to_new(ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
    // SAFETY: the caller's duty: the new size is not 0, and with this alignment a layout. Both blocks are as large as what
    // is copied, and different.
    unsafe {
        let new = ALLOCATOR.alloc(Layout::from_size_align_unchecked(new_size, layout.align()));
        if !new.is_null() {
            ptr::copy_nonoverlapping(ptr, new, layout.size().min(new_size));
            ALLOCATOR.dealloc(ptr, layout);
        }
        new
    }
}

#[repr(C, align(128))]
struct Memory([u8; SIZE]);

const _: () = assert!(align_of::<Memory>() == GRANULE);

struct Reserve {
    /// Somebody looks at the map. nginx runs on one thread, so another one would be a stranger's, and gets nothing.
    busy: AtomicBool,
    taken: UnsafeCell<Taken<WORDS>>,
    memory: UnsafeCell<Memory>,
}

// SAFETY: the map is looked at by one at a time, and the memory only handed out.
unsafe impl Sync for Reserve {}

impl Reserve {
    fn base(&self) -> *mut u8 {
        self.memory.get().cast()
    }

    #[inline]
    fn holds(&self, ptr: *const u8) -> bool {
        ptr.addr().wrapping_sub(self.base().addr()) < SIZE
    }

    #[cold]
    fn take(&self, layout: Layout) -> *mut u8 {
        SHORT.store(true, Ordering::Relaxed);
        let offset = match layout.align() {
            ..=GRANULE => self.with_map(|taken| taken.take(layout.size())).flatten(),
            _ => None,
        };
        // SAFETY: the map gives offsets within the memory.
        offset.map_or(ptr::null_mut(), |offset| unsafe { self.base().add(offset) })
    }

    #[cold]
    fn take_zeroed(&self, layout: Layout) -> *mut u8 {
        let found = self.take(layout);
        if !found.is_null() {
            // SAFETY: just taken, with this size.
            unsafe { ptr::write_bytes(found, 0, layout.size()) };
        }
        found
    }

    #[cold]
    fn give_back(&self, ptr: *mut u8, layout: Layout) {
        let offset = ptr.addr() - self.base().addr();
        self.with_map(|taken| taken.give_back(offset, layout.size()));
    }

    fn with_map<T>(&self, body: impl FnOnce(&mut Taken<WORDS>) -> T) -> Option<T> {
        if self.busy.swap(true, Ordering::Acquire) {
            return None;
        }
        // SAFETY: whoever sets `busy` is alone with the map.
        let result = body(unsafe { &mut *self.taken.get() });
        self.busy.store(false, Ordering::Release);
        Some(result)
    }
}

/// Where aws-lc's blocks begin: before each stands its size, and any type is aligned behind it.
const PREFIX: usize = 16;

/// A block of aws-lc. `None` for a size that cannot be.
fn block(size: usize) -> Option<Layout> {
    Layout::from_size_align(size.checked_add(PREFIX)?, PREFIX).ok()
}

/// Memory for aws-lc, which looks for functions of these names (`crypto/mem.c`).
#[unsafe(no_mangle)]
extern "C" fn OPENSSL_memory_alloc(size: usize) -> *mut c_void {
    let Some(layout) = block(size) else { return ptr::null_mut() };
    // SAFETY: the size is not 0; the size of the block goes into its beginning.
    unsafe {
        let start = ALLOCATOR.alloc(layout);
        if start.is_null() {
            return ptr::null_mut();
        }
        start.cast::<usize>().write(size);
        start.add(PREFIX).cast()
    }
}

/// The size of a block.
#[unsafe(no_mangle)]
unsafe extern "C" fn OPENSSL_memory_get_size(block: *mut c_void) -> usize {
    // SAFETY: aws-lc calls with what `OPENSSL_memory_alloc` gave.
    unsafe { block.cast::<u8>().sub(PREFIX).cast::<usize>().read() }
}

/// Takes a block back. It may have held a key: it is wiped, as aws-lc's own function does.
#[unsafe(no_mangle)]
unsafe extern "C" fn OPENSSL_memory_free(ptr: *mut c_void) {
    // SAFETY: as above; the layout is the one that it was made with.
    unsafe {
        let size = OPENSSL_memory_get_size(ptr);
        let Some(layout) = block(size) else { return };
        core::slice::from_raw_parts_mut(ptr.cast::<u8>(), size).zeroize();
        ALLOCATOR.dealloc(ptr.cast::<u8>().sub(PREFIX), layout);
    }
}
