//! A small fork-join thread pool that does not collapse on a busy machine
//!
//! Each call cuts its range into about eight chunks per worker. A worker takes its own chunks from
//! the front, in memory order, and then steals from the back of the others: a core that is busy
//! elsewhere gives its share away. The caller waits only for workers that have entered the call; a
//! worker that the scheduler has not woken yet finds the call closed and goes back to sleep.
//!
//! Idle workers spin for some microseconds (the gap between two matrices), then park.
//!
//! A scheduler that shares a core takes it away for milliseconds, many matrices long. So workers offer their core between
//! calls, where nobody waits for them, rather than lose it inside a chunk; and a caller that waits for a chunk on a core
//! that was taken sleeps, which leaves its own core to the worker.

#![expect(unsafe_code, reason = "labelled room: lends the caller's closure to the workers")]

use core::ops::Range;
use core::panic::AssertUnwindSafe;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use std::boxed::Box;
use std::panic::{catch_unwind, resume_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::vec::Vec;
use std::{format, io, thread};

use crate::parallel::{Body, Parallel};

/// Chunks per worker: enough that a stolen share is small, few enough that streams stay long.
const CHUNKS_PER_WORKER: usize = 8;

/// Polls before an idle worker parks: about 0.1 ms where a poll takes 53 ns, as measured on a shared
/// Zen 4 virtual core; longer than the gap between matrices and short beside a scheduler's time slice.
const SPINS: u32 = 2_000;

/// Polls between two offers of an idle worker's core to whoever else wants it: a call that opens is seen a
/// microsecond late at worst.
const SPINS_PER_YIELD: u32 = 64;

/// Polls before a caller that waits for the last chunks sleeps: half the time that an idle worker spins, several times
/// what a chunk takes.
const SPINS_BEFORE_SLEEP: u32 = 1_000;

/// State word: generation in the high bits, then "open", then the number of workers inside.
const ACTIVE: u64 = 0xffff;
const MAX_WORKERS: usize = 0xffff;
const OPEN: u64 = 1 << 16;
const GENERATION: u64 = 1 << 17;

/// One worker's chunks: first in the low half, end in the high half. On its own cache line.
#[repr(align(64))]
#[derive(Debug, Default)]
struct Queue(AtomicU64);

impl Queue {
    fn fill(&self, chunks: Range<u32>) {
        self.0.store(u64::from(chunks.start) | u64::from(chunks.end) << 32, Ordering::Relaxed);
    }

    #[expect(clippy::cast_possible_truncation, reason = "splits the word into its halves")]
    fn halves(word: u64) -> [u32; 2] {
        [word as u32, (word >> 32) as u32]
    }

    fn take(&self, pick: impl Fn(u32, u32) -> (u32, u32, u32)) -> Option<u32> {
        let mut word = self.0.load(Ordering::Relaxed);
        loop {
            let [front, back] = Self::halves(word);
            if front >= back {
                return None;
            }
            let (chunk, front, back) = pick(front, back);
            let next = u64::from(front) | u64::from(back) << 32;
            match self.0.compare_exchange_weak(word, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(chunk),
                Err(now) => word = now,
            }
        }
    }

    fn take_front(&self) -> Option<u32> {
        self.take(|front, back| (front, front + 1, back))
    }

    fn steal_back(&self) -> Option<u32> {
        self.take(|front, back| (back - 1, front, back - 1))
    }
}

/// One call of `run`, on the caller's stack.
struct Job<'f> {
    body: &'f Body<'f>,
    n: usize,
    chunk_len: usize,
}

#[derive(Debug)]
struct Shared {
    /// Generation, open flag and entered workers, see [`ACTIVE`].
    state: AtomicU64,
    /// The open call's [`Job`]; valid while the state is open or has entered workers.
    job: AtomicPtr<()>,
    queues: Box<[Queue]>,
    sleepers: AtomicUsize,
    sleep: Mutex<()>,
    wake: Condvar,
    /// Whether the caller sleeps until the last worker has left.
    caller_sleeps: AtomicBool,
    last_left: Condvar,
    panicked: AtomicBool,
    shut_down: AtomicBool,
}

impl Shared {
    /// Runs chunks of `job` as `worker` until none is left anywhere.
    fn work(&self, job: &Job<'_>, worker: usize) {
        let run = |chunk: u32| {
            let start = chunk as usize * job.chunk_len;
            (job.body)(worker, start..(start + job.chunk_len).min(job.n));
        };
        while let Some(chunk) = self.queues[worker].take_front() {
            run(chunk);
        }
        for step in 1..self.queues.len() {
            let victim = (worker + step) % self.queues.len();
            while let Some(chunk) = self.queues[victim].steal_back() {
                run(chunk);
            }
        }
    }

    /// Enters the open call of a generation newer than `seen`; the new generation on success.
    fn enter(&self, seen: u64) -> Option<u64> {
        let state = self.state.load(Ordering::Relaxed);
        let generation = state / GENERATION;
        if generation == seen || state & OPEN == 0 {
            return None;
        }
        self.state
            .compare_exchange(state, state + 1, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
            .then_some(generation)
    }

    /// Leaves the call; the last worker wakes a caller that sleeps.
    fn leave(&self) {
        // Ordered before the look at `caller_sleeps`, as the caller's two steps are: one of us sees the other.
        let before = self.state.fetch_sub(1, Ordering::SeqCst);
        if before & ACTIVE == 1 && self.caller_sleeps.load(Ordering::SeqCst) {
            drop(self.sleep.lock().unwrap_or_else(PoisonError::into_inner));
            self.last_left.notify_one();
        }
    }

    /// Waits until every worker has left the closed call.
    fn wait_for_workers(&self) {
        for _ in 0..SPINS_BEFORE_SLEEP {
            if self.state.load(Ordering::Acquire) & ACTIVE == 0 {
                return;
            }
            core::hint::spin_loop();
        }
        let mut guard = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        // A swap, as QEMU on x86-64 lets a load overtake a sequentially consistent store of an emulated Arm core, and the
        // wake-up would be lost.
        self.caller_sleeps.swap(true, Ordering::SeqCst);
        while self.state.load(Ordering::SeqCst) & ACTIVE != 0 {
            guard = self.last_left.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.caller_sleeps.store(false, Ordering::SeqCst);
    }

    fn worker_loop(&self, worker: usize) {
        let mut seen = 0;
        let mut idle = 0;
        while !self.shut_down.load(Ordering::Relaxed) {
            let Some(generation) = self.enter(seen) else {
                idle += 1;
                if idle < SPINS {
                    match idle.is_multiple_of(SPINS_PER_YIELD) {
                        true => thread::yield_now(),
                        false => core::hint::spin_loop(),
                    }
                } else {
                    self.park(seen);
                    idle = 0;
                }
                continue;
            };
            seen = generation;
            idle = 0;
            let job = self.job.load(Ordering::Relaxed).cast::<Job<'_>>();
            // SAFETY: `enter` succeeded, so the caller of this generation waits in `run` until we
            // `leave`; its `Job` stays alive and unmoved on its stack until then.
            let outcome = catch_unwind(AssertUnwindSafe(|| self.work(unsafe { &*job }, worker)));
            if outcome.is_err() {
                self.panicked.store(true, Ordering::Relaxed);
            }
            self.leave();
        }
    }

    /// Sleeps until a newer generation opens or the pool shuts down.
    fn park(&self, seen: u64) {
        let mut guard = self.sleep.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        loop {
            let state = self.state.load(Ordering::SeqCst);
            let news = state / GENERATION != seen && state & OPEN != 0;
            if news || self.shut_down.load(Ordering::SeqCst) {
                break;
            }
            guard = self.wake.wait(guard).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    fn wake_sleepers(&self) {
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            // Taking the lock orders this after a worker's last look at the state before it waits.
            drop(self.sleep.lock().unwrap_or_else(PoisonError::into_inner));
            self.wake.notify_all();
        }
    }
}

/// Worker threads for [`Parallel::run`]; the calling thread is worker 0.
#[derive(Debug)]
pub struct ThreadPool {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// One call at a time: a second caller waits.
    calling: Mutex<()>,
}

impl ThreadPool {
    /// A pool of `n_workers` in all: the caller and `n_workers - 1` threads. 0 counts as 1, more than
    /// 65535 as 65535.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn new(n_workers: usize) -> io::Result<Self> {
        let n_workers = n_workers.clamp(1, MAX_WORKERS);
        let shared = Arc::new(Shared {
            state: AtomicU64::new(0),
            job: AtomicPtr::new(ptr::null_mut()),
            queues: (0..n_workers).map(|_| Queue::default()).collect(),
            sleepers: AtomicUsize::new(0),
            sleep: Mutex::new(()),
            wake: Condvar::new(),
            caller_sleeps: AtomicBool::new(false),
            last_left: Condvar::new(),
            panicked: AtomicBool::new(false),
            shut_down: AtomicBool::new(false),
        });
        let mut pool = Self { shared, threads: Vec::new(), calling: Mutex::new(()) };
        for worker in 1..n_workers {
            let shared = Arc::clone(&pool.shared);
            let thread = thread::Builder::new()
                .name(format!("ternlet-{worker}"))
                .spawn(move || shared.worker_loop(worker))?;
            pool.threads.push(thread);
        }
        Ok(pool)
    }
}

// SAFETY: chunks are disjoint sub-ranges of 0..n and each is taken once (compare-exchange in
// `Queue::take`); thread i uses worker index i only, and `calling` admits one caller as worker 0;
// `run` closes the call and waits for every worker that entered, also when the body panics.
unsafe impl Parallel for ThreadPool {
    fn n_workers(&self) -> usize {
        self.shared.queues.len()
    }

    fn run(&self, n: usize, grain: usize, body: &Body<'_>) {
        let n_workers = self.n_workers();
        let grain = grain.max(1);
        if n == 0 {
            return;
        }
        let _one_caller = self.calling.lock().unwrap_or_else(PoisonError::into_inner);
        if n_workers == 1 || n <= grain {
            body(0, 0..n);
            return;
        }
        let chunk_len = n.div_ceil(n_workers * CHUNKS_PER_WORKER).next_multiple_of(grain);
        let n_chunks = u32::try_from(n.div_ceil(chunk_len)).unwrap_or(u32::MAX);
        let job = Job { body, n, chunk_len };
        let share = |worker: usize| u32::try_from(worker * n_chunks as usize / n_workers).unwrap_or(n_chunks);
        for (worker, queue) in self.shared.queues.iter().enumerate() {
            queue.fill(share(worker)..share(worker + 1));
        }
        self.shared.job.store(ptr::from_ref(&job).cast_mut().cast(), Ordering::Relaxed);
        let generation = self.shared.state.load(Ordering::Relaxed) / GENERATION + 1;
        self.shared.state.store(generation * GENERATION + OPEN, Ordering::SeqCst);
        self.shared.wake_sleepers();

        let outcome = catch_unwind(AssertUnwindSafe(|| self.shared.work(&job, 0)));

        self.shared.state.fetch_and(!OPEN, Ordering::Relaxed);
        self.shared.wait_for_workers();
        let worker_panicked = self.shared.panicked.swap(false, Ordering::Relaxed);
        if let Err(panic) = outcome {
            resume_unwind(panic);
        }
        assert!(!worker_panicked, "a worker thread panicked");
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.shut_down.store(true, Ordering::SeqCst);
        drop(self.shared.sleep.lock().unwrap_or_else(PoisonError::into_inner));
        self.shared.wake.notify_all();
        for thread in self.threads.drain(..) {
            // A worker catches its panics; a failed join has nothing left to tell.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicU32;

    #[test]
    fn every_index_is_visited_once_whatever_the_sizes() {
        for n_workers in [1, 2, 3, 7] {
            let pool = ThreadPool::new(n_workers).unwrap();
            for n in [0, 1, 2, 3, 15, 16, 17, 1000, 4097] {
                for grain in [1, 4, 64] {
                    let visits: Vec<AtomicU32> = (0..n).map(|_| AtomicU32::new(0)).collect();
                    pool.run(n, grain, &|worker, range| {
                        assert!(worker < n_workers);
                        range.for_each(|i| {
                            visits[i].fetch_add(1, Ordering::Relaxed);
                        });
                    });
                    assert!(visits.iter().all(|v| v.load(Ordering::Relaxed) == 1), "{n_workers} {n} {grain}");
                }
            }
        }
    }

    #[test]
    fn a_panic_reaches_the_caller_and_the_pool_goes_on() {
        let pool = ThreadPool::new(3).unwrap();
        let every = |_: usize| true;
        let bodies: [&(dyn Fn(usize) -> bool + Sync); 3] = [&|i| i == 0, &|i| i == 99, &every];
        for is_bad in bodies {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                pool.run(100, 1, &|_, mut range| {
                    thread::sleep(core::time::Duration::from_micros(200));
                    assert!(!range.any(is_bad), "hit");
                });
            }));
            assert!(outcome.is_err());
        }
        let sum = AtomicU32::new(0);
        pool.run(100, 1, &|_, range| {
            sum.fetch_add(u32::try_from(range.len()).unwrap(), Ordering::Relaxed);
        });
        assert_eq!(sum.load(Ordering::Relaxed), 100);
    }

    #[test]
    fn many_short_calls_with_pauses_between_them_all_finish() {
        let pool = ThreadPool::new(4).unwrap();
        let sum = AtomicU64::new(0);
        for round in 0..2000u64 {
            pool.run(64, 1, &|_, range| {
                sum.fetch_add(range.len() as u64, Ordering::Relaxed);
            });
            if round % 500 == 0 {
                thread::sleep(core::time::Duration::from_millis(3));
            }
        }
        assert_eq!(sum.load(Ordering::Relaxed), 2000 * 64);
    }
}
