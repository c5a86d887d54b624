//! Shared memory that holds a fetched key set, for all workers and across reloads.
//!
//! Readers look at a few atomic numbers, and copy the text only when its generation has changed. The text is written to
//! the half that nobody reads, so that a worker killed in the middle of it leaves the last good set as it was.

use core::cell::{Cell, OnceCell, UnsafeCell};
use core::ffi::c_void;
use core::mem;
use core::ptr::{self, NonNull};
use core::slice;
use core::sync::atomic::{AtomicU64, Ordering};
use std::rc::Rc;

use nginx_sys::{
    NGX_OK, ngx_cycle_t, ngx_int_t, ngx_list_t, ngx_pid, ngx_shared_memory_add, ngx_shm_zone_t, ngx_shmtx_lock,
    ngx_shmtx_t, ngx_shmtx_unlock, ngx_slab_alloc, ngx_slab_pool_t,
};

use super::{Conf, CounterZone, Moment, counters, str_of};
use crate::boundary::catch_conf;
use crate::{ERROR, ngx_http_jwt_user_scope_module};

/// Largest text of a key set.
pub const MAX_TEXT: usize = authz::MAX_SET_BYTES;

/// Milliseconds after which a fetch is given up, by those who wait for it and by those who would start another.
pub const FETCH_TIMEOUT: u64 = 60_000;

/// Milliseconds for which a process that was seen to live is taken to live on, and one that was not to be gone.
const ASKED_AGAIN: u64 = 100;

/// What the workers share. All zero at first: never fetched.
#[repr(C)]
struct Shared {
    /// Counts the sets that were stored; the lowest bit tells the half.
    generation: AtomicU64,
    /// The number of the last fetch that has ended.
    finished: AtomicU64,
    /// When the fetch began that has brought the set. Its keys may have been withdrawn from then on.
    fetched_at: SharedMoment,
    /// When the last fetch began.
    started_at: SharedMoment,
    /// Whose fetch is under way: a process in the upper half, the number of the fetch in the lower; 0 for nobody's.
    holder: AtomicU64,
    /// Counts the fetches that have begun.
    begun: AtomicU64,
    /// Counts the fetches that have brought an answer or an error, for the status.
    fetches: AtomicU64,
    /// Those of them that have brought no key set.
    failures: AtomicU64,
    lengths: [AtomicU64; 2],
    /// Written and read under the mutex.
    texts: [UnsafeCell<[u8; MAX_TEXT]>; 2],
}

/// That memory, and what keeps its processes from each other. There is no one without the other.
#[derive(Clone, Copy)]
struct Mapped {
    shared: NonNull<Shared>,
    mutex: NonNull<ngx_shmtx_t>,
}

/// A moment that one process writes and all read. Half of an older one makes things older than they are, not younger.
#[repr(C)]
struct SharedMoment {
    running: AtomicU64,
    of_day: AtomicU64,
}

impl SharedMoment {
    fn load(&self) -> Moment {
        Moment { running: self.running.load(Ordering::Acquire), of_day: self.of_day.load(Ordering::Acquire) }
    }

    fn store(&self, moment: Moment) {
        self.running.store(moment.running, Ordering::Release);
        self.of_day.store(moment.of_day, Ordering::Release);
    }
}

impl Shared {
    /// Whose fetch is under way, if any is, and is not too slow: the turn's holder, and the moment of the look.
    fn fetching(&self) -> Option<(u64, Moment)> {
        let holder = self.holder.load(Ordering::Acquire);
        // It ends when it is said to have ended, not when its turn is given back a moment later.
        if holder == 0 || self.finished.load(Ordering::Acquire) == number(holder) {
            return None;
        }
        let now = Moment::now();
        (now.elapsed_since(self.started_at.load()) < FETCH_TIMEOUT).then_some((holder, now))
    }

    /// Why there is no fetch though none is under way: one has begun a short while ago.
    fn early(&self) -> Attempt {
        let last = number(self.begun.load(Ordering::Acquire));
        if self.finished.load(Ordering::Acquire) == last { Attempt::Early } else { Attempt::Lost }
    }

    /// Whether a fetch has begun within so many milliseconds.
    fn has_begun_within(&self, milliseconds: u64) -> bool {
        // The count is the last that is written.
        let any = self.begun.load(Ordering::Acquire) > 0;
        // The clock is read behind the start that it is compared with.
        let last = self.started_at.load();
        any && Moment::now().elapsed_since(last) < milliseconds
    }
}

/// A zone of one key set.
#[derive(Default)]
pub struct Zone {
    /// Shared with the zones of earlier configurations that had the same memory.
    mapped: OnceCell<Rc<Cell<Option<Mapped>>>>,
    /// The last holder of the turn that was looked for, when, and whether it lived.
    looked_for: Cell<(u64, Moment, bool)>,
}

/// The right to fetch, of one process for all.
#[derive(Clone, Copy)]
pub struct Turn {
    holder: u64,
    began: Moment,
}

/// A set that was stored.
pub struct Stored {
    pub generation: u64,
    /// Milliseconds since it was fetched.
    pub age: u64,
    pub text: Vec<u8>,
}

/// The answer to who asks for the turn to fetch.
pub enum Attempt {
    /// It is the caller's.
    Begins(Turn),
    /// Somebody's fetch is under way.
    UnderWay,
    /// One has begun within the floor, and has ended.
    Early,
    /// One has begun within the floor, and has not ended: its worker is gone, or the client whose request fetched.
    Lost,
    /// One has ended that the caller does not know of, or the memory is gone.
    Over,
}

impl Zone {
    /// The zone of this name, which nginx makes once the configuration has been read. `None` after an error that nginx
    /// has logged.
    ///
    /// It lives as long as the configuration, and so must what keeps it.
    pub fn register(cf: Conf, name: &str) -> Option<&'static Self> {
        // SAFETY: nginx keeps the name, which is copied to the configuration's memory; its list of zones lives as long.
        unsafe {
            let name = cf.copy(name.as_bytes())?;
            let size = mem::size_of::<Shared>() + 16 * 4096;
            let zone = ngx_shared_memory_add(cf.as_ptr(), &mut str_of(name), size, tag()).as_mut()?;
            if zone.data.is_null() {
                zone.data = cf.allocate(Self::default()).cast();
                zone.init = Some(init);
            }
            zone.data.cast::<Self>().as_ref()
        }
    }

    fn mapped(&self) -> Option<Mapped> {
        self.mapped.get()?.get()
    }

    fn shared(&self) -> Option<&Shared> {
        // SAFETY: mapped for as long as a configuration uses it, and until `forget_freed` in any case; what other processes
        // write to is atomic, or an `UnsafeCell`.
        self.mapped().map(|mapped| unsafe { mapped.shared.as_ref() })
    }

    fn read(&self, number: impl FnOnce(&Shared) -> &AtomicU64) -> u64 {
        self.shared().map_or(0, |shared| number(shared).load(Ordering::Acquire))
    }

    /// Changes with every set that is stored; 0 before the first.
    pub fn generation(&self) -> u64 {
        self.read(|shared| &shared.generation)
    }

    /// Changes with every fetch that ends, well or not.
    pub fn finished(&self) -> u64 {
        self.read(|shared| &shared.finished)
    }

    /// Milliseconds since the set was fetched. `None` before the first, and when the memory is gone.
    pub fn age(&self, now: Moment) -> Option<u64> {
        let shared = self.shared().filter(|_| self.generation() > 0)?;
        Some(now.age_since(shared.fetched_at.load()))
    }

    /// Fetches that have come to their end.
    pub fn fetches(&self) -> u64 {
        self.read(|shared| &shared.fetches)
    }

    /// Those of them that have brought no key set.
    pub fn failures(&self) -> u64 {
        self.read(|shared| &shared.failures)
    }

    /// Counts a fetch that has come to its end.
    pub fn count_fetch(&self, stored: bool) {
        let Some(shared) = self.shared() else { return };
        shared.fetches.fetch_add(1, Ordering::Relaxed);
        shared.failures.fetch_add(u64::from(!stored), Ordering::Relaxed);
    }

    /// Whether a fetch is under way, by a process that lives and is not too slow.
    pub fn is_fetching(&self) -> bool {
        self.shared().is_some_and(|shared| self.is_fetching_in(shared))
    }

    /// The system is asked now and then whether the process lives, not for each request that waits or finds a set due.
    fn is_fetching_in(&self, shared: &Shared) -> bool {
        let Some((holder, now)) = shared.fetching() else { return false };
        let (looked_for, when, lived) = self.looked_for.get();
        if looked_for == holder && now.elapsed_since(when) < ASKED_AGAIN {
            return lived;
        }
        let lives = is_alive(holder);
        self.looked_for.set((holder, now, lives));
        lives
    }

    /// Whether the last fetch has brought neither an answer nor an error, since its worker is gone, or the client whose
    /// request fetched.
    pub fn is_lost(&self) -> bool {
        self.shared().is_some_and(|shared| matches!(shared.early(), Attempt::Lost) && !self.is_fetching_in(shared))
    }

    /// Whether a fetch has begun within so many milliseconds.
    pub fn has_begun_within(&self, milliseconds: u64) -> bool {
        self.shared().is_some_and(|shared| shared.has_begun_within(milliseconds))
    }

    /// Asks for the turn to fetch. There is none when a fetch has begun within `floor` milliseconds, nor when one has ended
    /// since `finished` was read: the caller has not looked at what it has brought.
    pub fn attempt(&self, floor: u64, finished: u64) -> Attempt {
        let Some(shared) = self.shared() else { return Attempt::Over };
        // Without the mutex first: junk in tokens must not have workers wait for each other. The start is looked at before
        // the fetch that it is of.
        let is_early = shared.has_begun_within(floor);
        if self.is_fetching_in(shared) {
            return Attempt::UnderWay;
        }
        if is_early {
            return shared.early();
        }
        let attempt = self.locked(|_| {
            if self.is_fetching_in(shared) {
                return Attempt::UnderWay;
            }
            if shared.finished.load(Ordering::Acquire) != finished {
                return Attempt::Over;
            }
            if shared.has_begun_within(floor) {
                return shared.early();
            }
            let began = Moment::now();
            let count = shared.begun.load(Ordering::Acquire) + 1;
            let holder = own_process() << 32 | number(count);
            // In this order: who is kept from a fetch of its own by this start sees whose fetch is under way.
            shared.holder.store(holder, Ordering::Release);
            shared.started_at.store(began);
            shared.begun.store(count, Ordering::Release);
            Attempt::Begins(Turn { holder, began })
        });
        attempt.unwrap_or(Attempt::Over)
    }

    /// Gives the turn back. `ended`: the fetch has come to its end, rather than lost its client.
    pub fn give_back(&self, turn: Turn, ended: bool) {
        self.locked(|shared| {
            if shared.holder.load(Ordering::Acquire) == turn.holder {
                if ended {
                    shared.finished.store(number(turn.holder), Ordering::Release);
                }
                shared.holder.store(0, Ordering::Release);
            }
        });
    }

    /// Stores a set. `false` when it is too large, or the turn has passed to another: its set is the newer one.
    pub fn store(&self, turn: Turn, text: &[u8]) -> bool {
        let stored = self.locked(|shared| {
            if text.len() > MAX_TEXT || shared.holder.load(Ordering::Acquire) != turn.holder {
                return false;
            }
            // The same set again, as usual: nobody has to read it anew, and tokens verified with it stay known.
            // SAFETY: the mutex is held.
            if unsafe { stored(shared) } == Some(text) {
                shared.fetched_at.store(turn.began);
                return true;
            }
            let next = shared.generation.load(Ordering::Acquire) + 1;
            let half = (next & 1) as usize;
            // SAFETY: the mutex is held, and nothing of this half is borrowed; the text fits.
            unsafe { ptr::copy_nonoverlapping(text.as_ptr(), shared.texts[half].get().cast::<u8>(), text.len()) };
            shared.lengths[half].store(text.len() as u64, Ordering::Release);
            // In this order: the last set is never as new as this one, whoever looks in between or ends here.
            shared.generation.store(next, Ordering::Release);
            shared.fetched_at.store(turn.began);
            true
        });
        stored.unwrap_or(false)
    }

    /// A copy of the set. `None` before the first.
    pub fn load(&self, now: Moment) -> Option<Stored> {
        self.locked(|shared| {
            // SAFETY: the mutex is held.
            let text = unsafe { stored(shared) }?.to_vec();
            let generation = shared.generation.load(Ordering::Acquire);
            Some(Stored { generation, age: now.age_since(shared.fetched_at.load()), text })
        })?
    }

    /// `None` when the memory is gone.
    fn locked<T>(&self, body: impl FnOnce(&Shared) -> T) -> Option<T> {
        let Mapped { mutex, .. } = self.mapped()?;
        // SAFETY: the mutex of the zone's slab pool; nginx's master frees it when a worker dies with it.
        unsafe { ngx_shmtx_lock(mutex.as_ptr()) };
        let result = self.shared().map(body);
        // SAFETY: as above.
        unsafe { ngx_shmtx_unlock(mutex.as_ptr()) };
        result
    }
}

/// The set. `None` before the first.
///
/// # Safety
/// The mutex is held for as long as the set is looked at.
unsafe fn stored(shared: &Shared) -> Option<&[u8]> {
    let generation = shared.generation.load(Ordering::Acquire);
    let half = (generation & 1) as usize;
    let length = usize::try_from(shared.lengths[half].load(Ordering::Acquire)).ok()?;
    if generation == 0 || length > MAX_TEXT {
        return None;
    }
    // SAFETY: so many bytes of this half have been written; only a holder of the mutex writes others.
    Some(unsafe { slice::from_raw_parts(shared.texts[half].get().cast::<u8>(), length) })
}

/// The number of a fetch, of its turn or its count.
fn number(of: u64) -> u64 {
    of & u64::from(u32::MAX)
}

fn own_process() -> u64 {
    // SAFETY: nginx sets it once in every process.
    unsafe { ngx_pid as u64 }
}

/// Whether the process of a turn may exist. A signal of 0 only asks; who may not ask does not know.
fn is_alive(holder: u64) -> bool {
    let holder = holder >> 32;
    if holder == own_process() {
        return true;
    }
    // SAFETY: sends nothing.
    let asked = unsafe { libc::kill(holder as libc::pid_t, 0) };
    asked == 0 || std::io::Error::last_os_error().raw_os_error() != Some(libc::ESRCH)
}

/// Lets go of the memory that nginx frees now that a configuration is in force. With `master_process off`, requests of the
/// last one go on in the same process.
///
/// # Safety
/// `cycle` is a configuration that has been read, and nothing can keep it from being in force.
pub unsafe fn forget_freed(cycle: *mut ngx_cycle_t) {
    // SAFETY: the caller's duty; the last configuration is there until its memory has been freed, and null or empty the
    // first time. The data of a zone with our tags is a `Zone` or a `CounterZone`.
    unsafe {
        let Some(old) = (*cycle).old_cycle.as_ref() else { return };
        for zone in zones(&old.shared_memory) {
            let is_kept = zones(&(*cycle).shared_memory).any(|kept| ptr::eq(kept.shm.addr, zone.shm.addr));
            if is_kept {
                continue;
            }
            if ptr::eq(zone.tag, tag())
                && let Some(mapped) = zone.data.cast::<Zone>().as_ref().and_then(|zone| zone.mapped.get())
            {
                mapped.set(None);
            }
            if ptr::eq(zone.tag, counters::tag())
                && let Some(counters) = zone.data.cast::<CounterZone>().as_ref()
            {
                counters.forget();
            }
        }
    }
}

/// What nginx tells the zones of modules apart by.
fn tag() -> *mut c_void {
    ptr::addr_of_mut!(ngx_http_jwt_user_scope_module).cast()
}

/// # Safety
/// A list of zones.
unsafe fn zones(list: &ngx_list_t) -> impl Iterator<Item = &ngx_shm_zone_t> {
    let mut part = Some(&list.part);
    let parts = core::iter::from_fn(move || {
        let this = part?;
        // SAFETY: a list ends with null.
        part = unsafe { this.next.as_ref() };
        Some(this)
    });
    // SAFETY: each part holds so many zones.
    parts.flat_map(|part| (0..part.nelts).map(|i| unsafe { &*part.elts.cast::<ngx_shm_zone_t>().add(i) }))
}

/// Finds the memory of the last configuration, or prepares new one.
unsafe extern "C" fn init(zone: *mut ngx_shm_zone_t, last: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx calls with a zone of `register`, whose data is a `Zone`, mapped and with a slab pool in it; `last` is
    // null or the `Zone` of the last configuration under this name, with memory of the same size.
    catch_conf(ERROR, || unsafe {
        let own = &*(*zone).data.cast::<Zone>();
        if let Some(last) = last.cast::<Zone>().as_ref() {
            if let Some(mapped) = last.mapped.get() {
                _ = own.mapped.set(mapped.clone());
            }
            return NGX_OK as ngx_int_t;
        }
        let pool = (*zone).shm.addr.cast::<ngx_slab_pool_t>();
        if (*zone).shm.exists == 0 {
            let shared = ngx_slab_alloc(pool, mem::size_of::<Shared>());
            if !shared.is_null() {
                // The numbers only: the texts are written before they are read, and would take memory at once.
                ptr::write_bytes(shared.cast::<u8>(), 0, mem::offset_of!(Shared, texts));
            }
            (*pool).data = shared;
        }
        let Some(shared) = NonNull::new((*pool).data.cast()) else { return ERROR };
        let Some(mutex) = NonNull::new(&raw mut (*pool).mutex) else { return ERROR };
        _ = own.mapped.set(Rc::new(Cell::new(Some(Mapped { shared, mutex }))));
        NGX_OK as ngx_int_t
    })
}
