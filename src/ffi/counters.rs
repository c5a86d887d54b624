//! Shared memory that counts, for all workers and across reloads.
//!
//! A series is found by its labels. It has a row of numbers for each worker, in cache lines of its own, so that workers
//! that count do not wait for each other. Series are only ever added, so whoever reads them needs no lock.

use core::cell::{Cell, OnceCell, RefCell};
use core::ffi::c_void;
use core::mem;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::rc::Rc;

use nginx_sys::{
    NGX_LOG_WARN, NGX_OK, ngx_int_t, ngx_shared_memory_add, ngx_shm_zone_t, ngx_shmtx_lock, ngx_shmtx_unlock,
    ngx_slab_alloc, ngx_slab_alloc_locked, ngx_slab_pool_t, ngx_worker,
};

use super::{Conf, bytes, log_to, str_of};
use crate::boundary::catch_conf;
use crate::{ERROR, ngx_http_jwt_user_scope_filter_module};

/// Rows of a series. Workers beyond that share them, and so do those of before a reload: hence atomic numbers.
const SLOTS: usize = 32;

/// Numbers in a cache line.
const LINE: usize = 64 / mem::size_of::<AtomicU64>();

/// Size of the zone: constant, since nginx keeps the memory of a zone only if its size stays. What is not used takes none.
const SIZE: usize = 8 * 1024 * 1024;

/// Series that were not in the configuration, at most.
const MAX_LATE: usize = 256;

/// The labels of a series that was not in the configuration, at most.
const MAX_LATE_LABELS: usize = 1024;

const NAME: &[u8] = b"jwt_user_scope_status";

/// What nginx tells the zone from others by, and from those of key sets.
pub fn tag() -> *mut c_void {
    ptr::addr_of_mut!(ngx_http_jwt_user_scope_filter_module).cast()
}

/// The beginning of the memory. Zero at first.
#[repr(C)]
struct Root {
    first: AtomicPtr<Head>,
    /// Series that were not in the configuration.
    late: AtomicUsize,
}

/// A series: behind it stand its rows, and behind them its labels.
#[repr(C, align(64))]
struct Head {
    next: AtomicPtr<Head>,
    /// Numbers in a row.
    width: usize,
    /// Bytes of the labels.
    length: usize,
}

/// The numbers of a series.
#[derive(Clone, Copy)]
pub struct Counters {
    rows: NonNull<AtomicU64>,
    width: usize,
}

impl Counters {
    fn at(&self, slot: usize, number: usize) -> &AtomicU64 {
        assert!(slot < SLOTS && number < self.width);
        // SAFETY: so many rows of so many numbers were allocated, and are mapped for as long as a configuration uses them.
        unsafe { self.rows.add(slot * self.width + number).as_ref() }
    }

    /// The number in the row of this worker.
    fn own(&self, number: usize) -> &AtomicU64 {
        // SAFETY: nginx sets it once in every process.
        self.at(unsafe { ngx_worker } % SLOTS, number)
    }

    /// Counts one more.
    pub fn count(self, number: usize) {
        self.own(number).fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a time.
    pub fn note(self, number: usize, time: u64) {
        self.own(number).store(time, Ordering::Relaxed);
    }

    fn all(&self, number: usize) -> impl Iterator<Item = u64> {
        (0..SLOTS).map(move |slot| self.at(slot, number).load(Ordering::Relaxed))
    }

    /// What all workers have counted.
    pub fn sum(self, number: usize) -> u64 {
        self.all(number).fold(0, u64::wrapping_add)
    }

    /// The latest time that any worker has noted.
    pub fn latest(self, number: usize) -> u64 {
        self.all(number).max().unwrap_or(0)
    }
}

/// Where the memory begins, for all configurations that have it; `None` once it is freed.
type Memory = Rc<Cell<Option<NonNull<Root>>>>;

/// A series that is wanted, and its numbers once there is memory for them.
pub struct Series {
    pub labels: String,
    numbers: usize,
    counters: OnceCell<(Memory, Counters)>,
}

impl Series {
    /// A series of so many numbers.
    pub fn new(labels: String, numbers: usize) -> Rc<Self> {
        Rc::new(Self { labels, numbers, counters: OnceCell::new() })
    }

    /// `None` where there was no room, and where there no longer is: then nothing is counted.
    pub fn counters(&self) -> Option<Counters> {
        let (memory, counters) = self.counters.get()?;
        memory.get().map(|_| *counters)
    }
}

/// The zone that counts.
#[derive(Default)]
pub struct CounterZone {
    memory: OnceCell<Memory>,
    pool: Cell<Option<NonNull<ngx_slab_pool_t>>>,
    /// The series of the configuration.
    wanted: RefCell<Vec<Rc<Series>>>,
}

impl CounterZone {
    /// The zone, which nginx makes once the configuration has been read. `None` after an error that nginx has logged.
    ///
    /// It lives as long as the configuration, and so must what keeps it.
    pub fn register(cf: Conf) -> Option<&'static Self> {
        // SAFETY: nginx keeps the name, which is constant; its list of zones lives as long as the configuration.
        unsafe {
            let zone = ngx_shared_memory_add(cf.as_ptr(), &mut str_of(NAME), SIZE, tag()).as_mut()?;
            if zone.data.is_null() {
                zone.data = cf.allocate(Self::default()).cast();
                zone.init = Some(init);
            }
            zone.data.cast::<Self>().as_ref()
        }
    }

    /// Wants a series of the configuration, which is there once nginx has made the zone.
    pub fn want(&self, series: &Rc<Series>) {
        self.wanted.borrow_mut().push(series.clone());
    }

    /// Finds or makes a series that was not in the configuration. `false` when there is no room: such series are bounded.
    pub fn add_late(&self, series: &Series) -> bool {
        if series.labels.len() <= MAX_LATE_LABELS {
            self.find_or_make(series, Some(MAX_LATE));
        }
        series.counters().is_some()
    }

    /// The same, where what series can be added is bounded by the configuration.
    pub fn add(&self, series: &Series) {
        self.find_or_make(series, None);
    }

    /// Looks at every series, whether it is still wanted or not.
    pub fn for_each(&self, mut look: impl FnMut(&[u8], Counters)) {
        let Some(root) = self.root() else { return };
        let mut next = root.first.load(Ordering::Acquire);
        // SAFETY: series are whole when they are linked, and stay.
        while let Some(head) = unsafe { next.as_ref() } {
            look(head.labels(), head.counters());
            next = head.next.load(Ordering::Acquire);
        }
    }

    /// Lets go of the memory, for this configuration and for earlier ones.
    pub fn forget(&self) {
        if let Some(memory) = self.memory.get() {
            memory.set(None);
        }
    }

    fn root(&self) -> Option<&Root> {
        // SAFETY: mapped for as long as a configuration uses it, and until `forget`; only read and written atomically.
        self.memory.get()?.get().map(|root| unsafe { root.as_ref() })
    }

    fn find(&self, labels: &str) -> Option<Counters> {
        let mut found = None;
        self.for_each(|known, counters| {
            if known == labels.as_bytes() {
                found = Some(counters);
            }
        });
        found
    }

    fn find_or_make(&self, series: &Series, most: Option<usize>) {
        let (Some(memory), Some(root), Some(pool)) = (self.memory.get(), self.root(), self.pool.get()) else { return };
        // SAFETY: the mutex of the zone's slab pool; nginx's master frees it when a worker dies with it.
        let mutex = unsafe { &raw mut (*pool.as_ptr()).mutex };
        // SAFETY: as above.
        unsafe { ngx_shmtx_lock(mutex) };
        let found = self.find(&series.labels).or_else(|| {
            if most.is_some_and(|most| root.late.load(Ordering::Relaxed) >= most) {
                return None;
            }
            // SAFETY: the mutex is held.
            let head = unsafe { Head::make(pool, series.labels.as_bytes(), series.numbers) }?;
            // SAFETY: just made.
            let made = unsafe { head.as_ref() };
            made.next.store(root.first.load(Ordering::Relaxed), Ordering::Relaxed);
            root.first.store(head.as_ptr(), Ordering::Release);
            root.late.fetch_add(usize::from(most.is_some()), Ordering::Relaxed);
            Some(made.counters())
        });
        // SAFETY: as above.
        unsafe { ngx_shmtx_unlock(mutex) };
        if let Some(counters) = found {
            _ = series.counters.set((memory.clone(), counters));
        }
    }

    /// Finds or makes all series of the configuration. How many found no room.
    fn find_wanted(&self) -> usize {
        let wanted = self.wanted.borrow();
        wanted
            .iter()
            .filter(|series| {
                self.add(series);
                series.counters().is_none()
            })
            .count()
    }
}

impl Head {
    /// A new series, all its numbers 0. `None` when there is no room.
    ///
    /// # Safety
    /// The pool's mutex is held.
    unsafe fn make(pool: NonNull<ngx_slab_pool_t>, labels: &[u8], numbers: usize) -> Option<NonNull<Self>> {
        let width = numbers.next_multiple_of(LINE);
        let rows = SLOTS * width * mem::size_of::<AtomicU64>();
        let size = mem::size_of::<Self>() + rows + labels.len();
        // SAFETY: the caller's duty. nginx aligns to the size, rounded up to a power of two, or to a page: both are more
        // than a cache line.
        unsafe {
            let head = NonNull::new(ngx_slab_alloc_locked(pool.as_ptr(), size).cast::<Self>())?;
            head.write(Self { next: AtomicPtr::new(ptr::null_mut()), width, length: labels.len() });
            let place = head.add(1).cast::<u8>();
            ptr::write_bytes(place.as_ptr(), 0, rows);
            ptr::copy_nonoverlapping(labels.as_ptr(), place.as_ptr().add(rows), labels.len());
            Some(head)
        }
    }

    fn counters(&self) -> Counters {
        // SAFETY: the rows begin behind the head.
        let rows = unsafe { NonNull::from(self).add(1) };
        Counters { rows: rows.cast(), width: self.width }
    }

    fn labels(&self) -> &[u8] {
        // SAFETY: they stand behind the rows, were written before the series was linked, and never change.
        unsafe {
            let labels = self.counters().rows.add(SLOTS * self.width).cast::<u8>();
            bytes(labels.as_ptr(), self.length)
        }
    }
}

/// Finds the memory of the last configuration, or prepares new one. That some are not counted is no reason not to serve.
unsafe extern "C" fn init(zone: *mut ngx_shm_zone_t, last: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls with a zone of `register`, whose data is a `CounterZone`, mapped and with a slab pool in it;
    // `last` is null or that of the last configuration, with memory of the same size.
    catch_conf(ERROR, || unsafe {
        let own = &*(*zone).data.cast::<CounterZone>();
        let pool = (*zone).shm.addr.cast::<ngx_slab_pool_t>();
        match last.cast::<CounterZone>().as_ref() {
            Some(last) => _ = last.memory.get().map(|memory| own.memory.set(memory.clone())),
            None => {
                if (*zone).shm.exists == 0 {
                    let root = ngx_slab_alloc(pool, mem::size_of::<Root>()).cast::<Root>();
                    if !root.is_null() {
                        root.write(Root { first: AtomicPtr::default(), late: AtomicUsize::default() });
                    }
                    (*pool).data = root.cast();
                    // A full zone is told once, below.
                    (*pool).set_log_nomem(0);
                }
                _ = own.memory.set(Rc::new(Cell::new(NonNull::new((*pool).data.cast()))));
            }
        }
        own.pool.set(NonNull::new(pool));
        let uncounted = own.find_wanted();
        if uncounted > 0 {
            log_to(
                (*zone).shm.log,
                NGX_LOG_WARN,
                format_args!("jwt_user_scope: \"jwt_user_scope_status\" has no room for {uncounted} servers or keys"),
            );
        }
        NGX_OK as ngx_int_t
    })
}
