//! A system that runs by itself: each follower on a thread of its own, or where the caller puts it.
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use event_listener::{Event, EventListener};
use futures_lite::future;

use super::engine::{Engine, Goal, Turn};
use super::followed::Followed;
use super::state::{State, told};
use super::steps::{none_failed, stopped};
use super::{FollowError, StopReason, System};
use crate::application::Result;
use crate::application::retry::Pauses;
use crate::persistence::BoxFuture;

/// How long at most until a follower asks again for a lease that another has.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// How often a store is tried again that cannot be reached.
const RECONNECT: Pauses = Pauses {
    first: Duration::from_millis(50),
    longest: Duration::from_secs(10),
};

impl System {
    /// Runs every follower from its checkpoint until it is [stopped](Running::stop).
    ///
    /// Each has a thread of its own: no async runtime is needed, a handler that blocks holds up nobody else, and who awaits inside of one is served
    /// by that thread. With the feature `tokio`, and called within a runtime of tokio, handlers may use that runtime's timers and sockets.
    ///
    /// A follower that is run already, here or in another process, stands by and takes over. One that has had nothing to do for a third of its lease
    /// gives that back, and takes it anew for what comes next: all that wait for the same log ask for its end once a second, together. One that has set
    /// events aside keeps it, and looks whether they are to be tried again.
    #[must_use = "dropping it stops the followers"]
    pub fn start(&self) -> Running {
        let context = Surroundings::current();
        self.start_on(|name, task| {
            let context = context.clone();
            let thread = thread::Builder::new().name(name.to_owned());
            thread
                .spawn(move || context.run(|| block_on(task)))
                .map(|_| ())
        })
    }

    /// As [`start`](System::start), on tasks of your own: `spawn` is given the name of each follower and what runs it, for instance for
    /// `tokio::spawn`. Followers of the SQLite store block the thread while they read.
    ///
    /// ```
    /// # fn started(system: &es_core::System) {
    /// let running = system.start_on(|_, follower| {
    ///     tokio::spawn(follower);
    ///     Ok(())
    /// });
    /// # drop(running);
    /// # }
    /// ```
    ///
    /// Where `spawn` fails, the state of that follower says so.
    pub fn start_on(
        &self,
        mut spawn: impl FnMut(&str, BoxFuture<'static, ()>) -> std::io::Result<()>,
    ) -> Running {
        let stop = Arc::new(Stop::default());
        for followed in &self.followed {
            followed.resume();
            if followed.is_stopped() {
                continue;
            }
            stop.running.fetch_add(1, Ordering::SeqCst);
            let guard = Ended {
                stop: Arc::clone(&stop),
                followed: Arc::clone(followed),
            };
            let task = run(
                Arc::clone(followed),
                self.holder.clone(),
                Arc::clone(&stop),
                guard,
            );
            let name = format!("es-{}", followed.id.name);
            if let Err(error) = spawn(&name, Box::pin(task)) {
                followed.set(State::Stopped(StopReason::Unable {
                    failure: told(&error),
                }));
            }
        }
        Running {
            stop,
            followed: self.followed.clone(),
        }
    }
}

/// The followers of a system, at work. Dropped, it tells them to stop and does not wait for it.
#[must_use = "dropping it stops the followers"]
pub struct Running {
    stop: Arc<Stop>,
    followed: Vec<Arc<Followed>>,
}

impl Running {
    /// Waits until a follower stops by itself, and says which and why; the others go on. It does not end while none does: it stands in a `select!` beside the signals that end the program, for those who would rather have it ended, and begun anew, than
    /// a read model that stands still.
    ///
    /// One that stopped before is told of at once, and one that [is resumed](super::FollowerHandle::resume) is no longer. One that waits for what
    /// it cannot reach, or that sets events aside, has not stopped.
    pub async fn failed(&self) -> FollowError {
        loop {
            // Before they are looked at, so that nothing is missed between.
            let mut told: Vec<_> = self.followed.iter().map(|it| it.told.listen()).collect();
            if let Some(stopped) = self.followed.iter().find_map(|it| stopped(it)) {
                return stopped;
            }
            future::poll_fn(|context| {
                let is_told = |told: &mut EventListener| Pin::new(told).poll(context).is_ready();
                match told.iter_mut().any(is_told) {
                    true => Poll::Ready(()),
                    false => Poll::Pending,
                }
            })
            .await;
        }
    }

    /// Lets every follower finish the batch that it has in hand, gives back its lease, and ends when all did.
    ///
    /// # Errors
    /// [`FollowError::Stopped`] where one had stopped by itself, once all did: the first of them. One whose read model a newer program makes by now is none
    /// of them: that is how a deployment goes.
    pub async fn stop(self) -> Result<()> {
        self.stop.tell();
        loop {
            let ended = self.stop.event.listen();
            if self.stop.running.load(Ordering::SeqCst) == 0 {
                return none_failed(self.followed.iter().filter(|it| !it.is_outdated()));
            }
            ended.await;
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.tell();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("followers", &self.stop.running)
            .finish_non_exhaustive()
    }
}

#[derive(Default)]
struct Stop {
    told: AtomicBool,
    running: AtomicUsize,
    event: Event,
}

impl Stop {
    fn tell(&self) {
        self.told.store(true, Ordering::SeqCst);
        self.event.notify(usize::MAX);
    }

    fn is_told(&self) -> bool {
        self.told.load(Ordering::SeqCst)
    }

    /// Waits for something, or until it is told to stop.
    async fn or(&self, wait: impl Future<Output = ()>) {
        let stop = async {
            loop {
                let told = self.event.listen();
                if self.is_told() {
                    return;
                }
                told.await;
            }
        };
        future::or(stop, wait).await;
    }
}

/// Says that a follower has ended, however it did.
struct Ended {
    stop: Arc<Stop>,
    followed: Arc<Followed>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        // Its task was dropped, for instance with the runtime that it was spawned on, and no other has the follower.
        if self.followed.is_free() && !self.stop.is_told() && !self.followed.is_stopped() {
            let failure = "what ran it was dropped".to_owned();
            let unable = StopReason::Unable { failure };
            self.followed.set(State::Stopped(unable));
        }
        self.stop.running.fetch_sub(1, Ordering::SeqCst);
        self.stop.event.notify(usize::MAX);
    }
}

async fn run(followed: Arc<Followed>, holder: String, stop: Arc<Stop>, ended: Ended) {
    // Another runner of the same system has it: it is asked again when that ends.
    let mut driven = loop {
        let told = followed.told.listen();
        if stop.is_told() {
            return;
        }
        if let Some(driven) = followed.take() {
            break driven;
        }
        let wait = future::or(told, followed.clock.sleep(ASK_AGAIN));
        stop.or(wait).await;
    };
    if let Some(follower) = driven.follower.as_deref_mut() {
        let mut engine = Engine::new(&followed, follower, &holder, Goal::Follow);
        let mut unreachable = 0_u32;
        while !stop.is_told() {
            let changed = followed.changed();
            let turn = engine.turn().await;
            unreachable = match turn {
                Turn::Unreachable(_) | Turn::Away(_) => unreachable.saturating_add(1),
                Turn::Retry(_) => unreachable,
                _ => 0,
            };
            let clock = &followed.clock;
            match turn {
                Turn::Moved(_) => future::yield_now().await,
                Turn::CaughtUp | Turn::Built => {
                    stop.or(engine.idle(changed)).await;
                }
                Turn::Retry(pause) => engine.pause(stop.or(clock.sleep(pause))).await,
                Turn::Unreachable(_) | Turn::Away(_) => {
                    let pause = RECONNECT.draw(unreachable);
                    engine.pause(stop.or(clock.sleep(pause))).await;
                }
                Turn::Standby { free_in, .. } => {
                    stop.or(clock.sleep(free_in.min(ASK_AGAIN))).await;
                }
                Turn::Fenced => stop.or(clock.sleep(Duration::from_millis(10))).await,
                Turn::Stopped => {
                    let resumed = async {
                        loop {
                            let told = followed.told.listen();
                            if !followed.is_stopped() {
                                return;
                            }
                            told.await;
                        }
                    };
                    stop.or(resumed).await;
                }
            }
        }
        engine.release().await;
    }
    drop(driven);
    if !followed.is_stopped() {
        followed.set(State::Stopped(StopReason::Told));
    }
    drop(ended);
}

/// Where handlers find what they await by.
#[derive(Clone)]
struct Surroundings {
    #[cfg(feature = "tokio")]
    tokio: Option<tokio::runtime::Handle>,
}

impl Surroundings {
    fn current() -> Self {
        Self {
            #[cfg(feature = "tokio")]
            tokio: tokio::runtime::Handle::try_current().ok(),
        }
    }

    fn run(&self, work: impl FnOnce()) {
        #[cfg(feature = "tokio")]
        let _entered = self.tokio.as_ref().map(tokio::runtime::Handle::enter);
        work();
    }
}

/// Runs a future to its end on this thread.
fn block_on(future: impl Future<Output = ()>) {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    while future.as_mut().poll(&mut context).is_pending() {
        thread::park();
    }
}
