//! Several futures in one thread and in virtual time: which of the ready ones goes next is drawn by lot, so one seed is one
//! interleaving.

use crate::chance::Chance;
use crate::time::Time;
use jiff::{SignedDuration, Timestamp};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// What befalls a task besides its own work.
#[derive(Debug, Clone, Copy, Default)]
pub struct Upset {
    /// It is killed once it has been polled this often.
    pub killed_at: Option<u64>,
    /// It stands still once it has been polled this often, for this long, as by SIGSTOP.
    pub paused_at: Option<(u64, SignedDuration)>,
}

/// A future with what befalls it.
pub struct Task<'a, T> {
    work: Option<Pin<Box<dyn Future<Output = T> + 'a>>>,
    ready: Arc<Ready>,
    upset: Upset,
    /// Told by the work itself: it is killed before it is polled again.
    kill: Arc<AtomicBool>,
    polls: u64,
    paused_until: Option<Timestamp>,
    output: Option<T>,
}

struct Ready(AtomicBool);

impl Wake for Ready {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl<'a, T> Task<'a, T> {
    /// A task; it is dropped as soon as `kill` is set.
    pub fn new(work: impl Future<Output = T> + 'a, upset: Upset, kill: Arc<AtomicBool>) -> Self {
        Self {
            work: Some(Box::pin(work)),
            ready: Arc::new(Ready(AtomicBool::new(true))),
            upset,
            kill,
            polls: 0,
            paused_until: None,
            output: None,
        }
    }

    fn is_ready(&self, now: Timestamp) -> bool {
        self.work.is_some() && self.ready.0.load(Ordering::SeqCst) && self.paused_until.is_none_or(|until| until <= now)
    }

    fn go_on(&mut self, now: Timestamp) {
        let Some(work) = &mut self.work else { return };
        self.ready.0.store(false, Ordering::SeqCst);
        let waker = Waker::from(self.ready.clone());
        match work.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => {
                self.output = Some(output);
                self.work = None;
                return;
            }
            Poll::Pending => self.polls += 1,
        }
        if self.kill.load(Ordering::SeqCst) || self.upset.killed_at == Some(self.polls) {
            self.work = None;
        }
        if let Some((at, length)) = self.upset.paused_at
            && at == self.polls
        {
            self.paused_until = now.checked_add(length).ok();
        }
    }
}

/// Runs all tasks to their ends, and gives what each one gave; nothing where it was killed.
///
/// Time stands still while any task can go on, and then jumps to the next instant that somebody waits for.
pub fn play<T>(time: &Time, chance: &mut Chance, mut tasks: Vec<Task<'_, T>>) -> Vec<Option<T>> {
    let mut ready = Vec::new();
    loop {
        let now = time.now();
        ready.clear();
        ready.extend((0..tasks.len()).filter(|task| tasks[*task].is_ready(now)));
        match ready.as_slice() {
            [] => {
                let open = tasks.iter().filter(|task| task.work.is_some());
                let pauses = open.filter_map(|task| task.paused_until.filter(|until| *until > now));
                match pauses.chain(time.next_waking()).min() {
                    Some(next) if tasks.iter().any(|task| task.work.is_some()) => time.advance_to(next),
                    Some(_) | None => break,
                }
            }
            [one] => tasks[*one].go_on(now),
            several => tasks[chance.one_of(several)].go_on(now),
        }
    }
    assert!(tasks.iter().all(|task| task.work.is_none()), "a task waits for nothing that will ever come");
    tasks.into_iter().map(|task| task.output).collect()
}

/// Runs one future to its end in virtual time.
pub fn play_one<T>(time: &Time, work: impl Future<Output = T>) -> T {
    let task = Task::new(work, Upset::default(), Arc::default());
    play(time, &mut Chance::of(0), vec![task]).pop().flatten().expect("nobody kills it")
}
