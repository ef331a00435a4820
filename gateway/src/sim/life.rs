//! One life of the process: everything that runs in it takes its turns here, in an order that the seed decides.
//!
//! The journal's committer, keeper and watchdog, which are threads in the program, are stepped; the rest are the tasks
//! that they are in the program, woken by their real wakers: who is not woken does not go on. While one of them writes to
//! the disk, others have turns. When the machine goes down nobody has another.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use contract::Micros;
use contract::directory::{Epoch, Message};
use contract::id::SessionKey;
use prometheus::IntCounter;

use super::disk::{SlowDisk, set_others};
use super::exchange;
use super::people::{auditor_keys, pseudonym_key};
use super::truth::Item;
use super::{STALE_AFTER, World};
use crate::client::Clients;
use crate::directory::Directory;
use crate::journal::{Committer, Journal, Keeper, State, Step};
use crate::recorder::Recorder;
use crate::recorder::sealer::Sealer;
use crate::shipper::tests::rig::{Next, Rig};

/// A life.
pub(super) struct Life {
    pub(super) world: Rc<World>,
    pub(super) journal: Journal,
    pub(super) recorder: Recorder,
    pub(super) directory: Arc<Directory>,
    pub(super) clients: Arc<Clients>,
    /// There once the gateway takes requests.
    sealer: RefCell<Option<Rc<Sealer>>>,
    /// Counts what the journal did not take.
    refused: IntCounter,
    committer: RefCell<Option<Committer>>,
    commit_not_before: Cell<Duration>,
    slow: bool,
    keeper: RefCell<Option<Keeper>>,
    tasks: RefCell<Vec<Task>>,
    timers: RefCell<Vec<(Duration, Waker)>>,
    /// What the journal took, in its order, and has not said to be durable.
    items: RefCell<VecDeque<(u64, Item)>>,
    taken: Cell<u64>,
    pub(super) news: News,
    /// No more requests.
    closing: Cell<bool>,
    over: Cell<bool>,
    depth: Cell<u32>,
}

/// What the gateway has been told by the feed.
#[derive(Default)]
pub(super) struct News {
    /// All changes up to this epoch have been heard.
    pub(super) heard: Cell<u64>,
    /// And for all up to this one it was looked which exchanges they end.
    pub(super) swept: Cell<u64>,
    /// When it was last heard.
    pub(super) at: Cell<Micros>,
}

struct Task {
    name: &'static str,
    future: Option<Pin<Box<dyn Future<Output = ()>>>>,
    woken: Arc<Woken>,
    done: bool,
}

struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Exchanges at the same time.
pub(super) const EXCHANGES: i64 = 6;

impl Life {
    /// Starts the process, as far as the disk lets it.
    pub(super) fn begin(world: &Rc<World>) -> Option<Rc<Self>> {
        let storage = SlowDisk::storage(&world.sim);
        let opened = Journal::open_parts(world.config.clone(), Arc::clone(&storage), world.metrics.journal.clone());
        let parts = match opened {
            Ok(parts) => parts,
            Err(error) => {
                assert!(world.disk_fails(), "the journal does not open on a sound disk: {error:?}");
                return None;
            }
        };
        assert_eq!(parts.recovery.gaps, [], "P2: the journal has lost frames");
        let rig = match Rig::open(&parts, &storage, (&world.database, &world.sim), world.rows_max) {
            Ok(rig) => rig,
            Err(error) => {
                assert!(world.disk_fails(), "the shipper does not open on a sound disk: {error:?}");
                return None;
            }
        };
        let metrics = world.metrics.recorder.clone();
        let life = Rc::new(Self {
            refused: metrics.failures.clone(),
            recorder: Recorder::new(parts.journal.clone(), metrics),
            directory: Arc::new(Directory::new(STALE_AFTER, world.metrics.directory.clone())),
            clients: Arc::default(),
            world: Rc::clone(world),
            journal: parts.journal,
            sealer: RefCell::default(),
            committer: RefCell::new(Some(parts.committer)),
            commit_not_before: Cell::default(),
            slow: world.sim.below(4) == 0,
            keeper: RefCell::new(Some(parts.keeper)),
            tasks: RefCell::default(),
            timers: RefCell::default(),
            items: RefCell::default(),
            taken: Cell::default(),
            news: News::default(),
            closing: Cell::default(),
            over: Cell::default(),
            depth: Cell::default(),
        });
        let others: Weak<Self> = Rc::downgrade(&life);
        set_others(Some(Rc::new(move || {
            if let Some(life) = others.upgrade() {
                life.meanwhile();
            }
        })));
        life.spawn("start", Rc::clone(&life).start());
        life.spawn("shipper", Rc::clone(&life).ship(rig));
        life.spawn("feed", Rc::clone(&life).follow());
        life.spawn("revocation", Rc::clone(&life).sweep());
        life.spawn("tidying", Rc::clone(&life).tidy());
        Some(life)
    }

    /// Goes on for so many turns, or until the machine is down.
    pub(super) fn go_on(self: &Rc<Self>, turns: u64) {
        for _ in 0..turns {
            if self.is_down() || !self.world.may_go_on() {
                break;
            }
            self.turn();
        }
    }

    /// Takes no more requests, and tells so when the last has ended.
    pub(super) fn close(self: &Rc<Self>) {
        self.closing.set(true);
        self.spawn("stop", Rc::clone(self).stop());
    }

    /// Whether it takes requests.
    pub(super) fn has_started(&self) -> bool {
        self.sealer.borrow().is_some()
    }

    /// Whether everything has ended and is shipped.
    pub(super) fn is_drained(&self) -> bool {
        self.count("stop") == 0
            && self.journal.durable_end() == self.journal.acked()
            && self.items.borrow().is_empty()
            && self.journal.state() == State::Healthy
    }

    /// The end of the process, wherever it is.
    pub(super) fn end(self: Rc<Self>) {
        self.over.set(true);
        set_others(None);
        let tasks = std::mem::take(&mut *self.tasks.borrow_mut());
        drop(tasks);
        self.committer.take();
        self.keeper.take();
    }

    /// Nobody has another turn.
    pub(super) fn is_down(&self) -> bool {
        self.over.get() || self.world.sim.crashed()
    }

    /// The wall clock.
    pub(super) fn now(&self) -> Micros {
        self.world.now()
    }

    /// What goes wrong and what comes next.
    pub(super) fn below(&self, bound: u64) -> u64 {
        self.world.sim.below(bound)
    }

    /// Waits.
    pub(super) fn sleep(self: &Rc<Self>, time: Duration) -> impl Future<Output = ()> + use<> {
        let (life, until) = (Rc::clone(self), self.world.clock() + time);
        std::future::poll_fn(move |context| {
            if life.world.clock() >= until {
                return Poll::Ready(());
            }
            life.timers.borrow_mut().push((until, context.waker().clone()));
            Poll::Pending
        })
    }

    /// Waits for up to so many milliseconds.
    pub(super) fn sleep_some(self: &Rc<Self>, most_ms: u64) -> impl Future<Output = ()> + use<> {
        self.sleep(Duration::from_millis(self.below(most_ms + 1)))
    }

    /// The present sealer.
    pub(super) fn sealer(&self) -> Rc<Sealer> {
        Rc::clone(self.sealer.borrow().as_ref().expect("requests come only after the start"))
    }

    /// The journal took this. Gives its place in the order.
    pub(super) fn took(&self, item: Item) -> u64 {
        self.taken.set(self.taken.get() + 1);
        self.items.borrow_mut().push_back((self.taken.get(), item));
        self.taken.get()
    }

    /// The journal said that this is durable, and so is all before it.
    pub(super) fn proved(&self, mark: u64) {
        let mut items = self.items.borrow_mut();
        let end = items.partition_point(|(place, _)| *place <= mark);
        let mut truth = self.world.truth.borrow_mut();
        items.drain(..end).for_each(|(_, item)| truth.prove(item));
    }

    /// Whether the journal took what this writes and does not tell of.
    pub(super) fn takes(&self, write: impl FnOnce(&Recorder)) -> bool {
        let before = self.refused.get();
        write(&self.recorder);
        self.refused.get() == before
    }

    /// Asks the auditor for a session.
    pub(super) async fn ask(self: &Rc<Self>, key: SessionKey) {
        let snapshots = self.directory.snapshots();
        self.sleep_some(1_500).await;
        let answer = self.world.auditor.borrow().live(key);
        self.sleep_some(1_500).await;
        if let Some((session, account)) = answer.filter(|_| self.below(6) > 0) {
            self.world.trace(|| "the auditor tells of a session".into());
            // Not taken: it is as if there had been no answer.
            let _known = self.directory.learn(snapshots, session, account);
        }
    }

    fn spawn(&self, name: &'static str, future: impl Future<Output = ()> + 'static) {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        self.tasks.borrow_mut().push(Task { name, future: Some(Box::pin(future)), woken, done: false });
    }

    fn count(&self, name: &str) -> usize {
        self.tasks.borrow().iter().filter(|task| task.name == name && !task.done).count()
    }

    /// While one writes to the disk.
    fn meanwhile(self: &Rc<Self>) {
        if self.depth.get() >= 3 || self.below(3) > 0 {
            return;
        }
        self.depth.set(self.depth.get() + 1);
        self.go_on(self.below(8));
        self.depth.set(self.depth.get() - 1);
    }

    /// Somebody does something.
    fn turn(self: &Rc<Self>) {
        match self.below(32) {
            0..=13 => {
                if !self.poll() {
                    self.pass_time();
                }
            }
            14..=19 => self.commit(),
            20 => self.keep(),
            21 | 29 => self.journal.expire(self.world.clock()),
            22..=24 => self.request(),
            25 => self.world.auditor.borrow_mut().change(&self.world.sim, self.world.now()),
            26 => self.world.meddle(),
            27 if self.below(4) == 0 => self.leave(),
            28 => self.happen(),
            _ => self.pass_time(),
        }
    }

    fn poll(self: &Rc<Self>) -> bool {
        let (index, mut future, woken) = {
            let mut tasks = self.tasks.borrow_mut();
            let ready = |task: &&Task| task.future.is_some() && task.woken.0.load(Ordering::Relaxed);
            let count = tasks.iter().filter(ready).count() as u64;
            if count == 0 {
                return false;
            }
            let nth = self.below(count) as usize;
            let index = tasks.iter().enumerate().filter(|(_, task)| ready(task)).nth(nth).expect("counted").0;
            let task = &mut tasks[index];
            task.woken.0.store(false, Ordering::Relaxed);
            (index, task.future.take().expect("ready"), Arc::clone(&task.woken))
        };
        let waker = Waker::from(woken);
        let done = future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
        if let Some(task) = self.tasks.borrow_mut().get_mut(index) {
            task.done = done;
            task.future = (!done).then_some(future);
        }
        true
    }

    fn commit(&self) {
        let now = self.world.clock();
        if now < self.commit_not_before.get() && !self.world.is_calm() {
            return;
        }
        let Some(mut committer) = self.committer.take() else { return };
        let step = committer.step(now);
        self.committer.replace(Some(committer));
        self.world.trace(|| format!("commit: {step:?}, durable below {}", self.journal.durable_end()));
        let wait = match step {
            Step::Failed(time) | Step::Gather(time) => time,
            // Now and then, on a slow disk, for longer than anybody waits.
            Step::Committed if self.slow && !self.world.is_calm() && self.below(4) == 0 => {
                Duration::from_millis(self.below(4_000))
            }
            Step::Idle | Step::Wait(_) | Step::Committed => Duration::ZERO,
        };
        self.commit_not_before.set(now + wait);
    }

    fn keep(&self) {
        let Some(mut keeper) = self.keeper.take() else { return };
        // What it cannot do now it does later.
        let _later = keeper.step(self.world.clock());
        self.keeper.replace(Some(keeper));
    }

    fn pass_time(&self) {
        if self.world.is_calm() && self.depth.get() == 0 {
            // A disk in good order is never behind.
            self.commit();
            self.keep();
        }
        let tasks = self.tasks.borrow();
        let ready = tasks.iter().any(|task| task.future.is_some() && task.woken.0.load(Ordering::Relaxed));
        drop(tasks);
        let now = self.world.clock();
        let next = self.timers.borrow().iter().map(|(until, _)| *until).min();
        let time = match next.filter(|_| !ready && self.depth.get() == 0) {
            Some(until) => until.saturating_sub(now),
            None if self.below(12) == 0 && !self.world.is_calm() => Duration::from_millis(self.below(3_000)),
            None => Duration::from_millis(self.below(20)),
        };
        self.world.sim.advance(time);
        let now = now + time;
        let due: Vec<_> = self.timers.borrow_mut().extract_if(.., |(until, _)| *until <= now).collect();
        for (_, waker) in due {
            waker.wake();
        }
    }

    /// Somebody asks for something.
    fn request(self: &Rc<Self>) {
        let full = i64::try_from(self.count("exchange")).is_ok_and(|count| count >= EXCHANGES);
        if !full && !self.closing.get() && self.sealer.borrow().is_some() {
            self.spawn("exchange", exchange::exchange(Rc::clone(self)));
        }
    }

    /// A client leaves: its request is dropped wherever it waits.
    fn leave(&self) {
        let mut tasks = self.tasks.borrow_mut();
        let mut waiting = tasks.iter_mut().filter(|task| task.name == "exchange" && task.future.is_some());
        let Some(task) = waiting.next() else { return };
        task.done = true;
        let future = task.future.take();
        drop(tasks);
        self.world.trace(|| "a client leaves".into());
        drop(future);
    }

    /// An event that is recorded for itself.
    fn happen(&self) {
        if self.sealer.borrow().is_none() || self.closing.get() {
            return;
        }
        let event = self.world.event();
        if self.takes(|recorder| recorder.event(&event)) {
            let item = self.world.truth.borrow_mut().happened(event.id);
            self.took(item);
        }
    }

    async fn start(self: Rc<Self>) {
        let Ok(pending) = self.recorder.started(self.now()) else { return self.give_up() };
        if pending.durable().await.is_err() {
            return self.give_up();
        }
        let (_, key) = auditor_keys();
        let started = Sealer::start(pseudonym_key(), key, self.recorder.clone(), self.now()).await;
        let Ok(sealer) = started else { return self.give_up() };
        let sealer = Rc::new(sealer);
        self.sealer.replace(Some(Rc::clone(&sealer)));
        self.world.trace(|| "the gateway takes requests".into());
        loop {
            self.sleep_some(60_000).await;
            // The old one goes on if there is no new one.
            let _later = sealer.renew(self.now()).await;
        }
    }

    async fn stop(self: Rc<Self>) {
        loop {
            self.sleep_some(1_000).await;
            if self.count("exchange") > 0 || !self.has_started() {
                continue;
            }
            let mark = self.taken.get();
            if let Ok(pending) = self.recorder.stopped(self.now())
                && pending.durable().await.is_ok()
            {
                return self.proved(mark);
            }
        }
    }

    /// The program ends with an error: there is no record without a journal.
    fn give_up(&self) {
        self.world.trace(|| "the gateway cannot start".into());
        self.over.set(true);
    }

    async fn ship(self: Rc<Self>, mut rig: Rig) {
        let mut carried = 0;
        loop {
            let next = rig.step(self.now()).await;
            self.world.trace(|| format!("shipper: {next:?}, acknowledged below {}", self.journal.acked()));
            assert_eq!(rig.oddities(), 0, "P2: the shipper met lost frames or gave up a batch");
            // Those whose outcome was not taken stay open until it is, or until the next start.
            let owed = self.refused.get() - self.world.refused_before;
            let most = EXCHANGES + i64::try_from(owed).unwrap();
            assert!(rig.open_exchanges() <= most, "the fold keeps {} exchanges", rig.open_exchanges());
            if next == Next::WaitForNew {
                assert!(!rig.keeps_back(), "an open exchange keeps the journal from letting go of what is shipped");
            }
            self.world.cover("carried over", rig.carried() - carried);
            carried = rig.carried();
            match next {
                Next::Step => {}
                Next::Pause(time) => self.sleep(time).await,
                Next::WaitForNew => {
                    if !rig.wait_for_new().await {
                        return;
                    }
                    self.sleep_some(2_000).await;
                }
            }
        }
    }

    /// Follows the feed, over connections that break.
    async fn follow(self: Rc<Self>) {
        loop {
            self.sleep_some(2_000).await;
            let mut seen = None;
            let mut told = self.directory.epoch().0;
            let mut first = true;
            while first || self.below(12) > 0 {
                let lines = {
                    let auditor = self.world.auditor.borrow();
                    // Nothing new gives no lines, but at the beginning of a connection.
                    if !first && told == auditor.epoch() {
                        Vec::new()
                    } else {
                        auditor.lines(told, first, &self.world.sim)
                    }
                };
                first = false;
                for line in lines {
                    if self.below(10) == 0 {
                        self.sleep_some(400).await;
                    }
                    told = self.hear(line, &mut seen).unwrap_or(told);
                    if self.below(60) == 0 {
                        // It breaks off in the middle.
                        first = true;
                        break;
                    }
                }
                if first {
                    break;
                }
                let epoch = Epoch(self.world.auditor.borrow().epoch());
                self.hear(Message::Heartbeat { epoch, at: self.now() }, &mut seen);
                self.sleep_some(1_000).await;
            }
            self.world.trace(|| "the feed breaks".into());
        }
    }

    /// Takes a line of the feed; gives the epoch that it completes.
    fn hear(&self, line: Message, seen: &mut Option<crate::directory::Seen>) -> Option<u64> {
        let complete = match &line {
            Message::Change { epoch, .. } if seen.is_none() => Some(epoch.0),
            Message::SnapshotEnd { epoch } => Some(epoch.0),
            _ => None,
        };
        let alive = complete.is_some() || matches!(line, Message::Heartbeat { .. });
        self.directory.take(line, self.now(), seen);
        if alive {
            self.news.at.set(self.now());
        }
        if let Some(epoch) = complete {
            self.world.trace(|| format!("the directory is heard up to {epoch}"));
            self.news.heard.set(epoch);
        }
        complete
    }

    async fn tidy(self: Rc<Self>) {
        loop {
            self.sleep(Duration::from_secs(1)).await;
            self.recorder.catch_up();
        }
    }

    /// Cuts what has lost its right, after each change and each second: as the program's task does.
    async fn sweep(self: Rc<Self>) {
        let mut changes = self.directory.changes();
        loop {
            let news = std::pin::pin!(changes.changed());
            let second = std::pin::pin!(self.sleep(Duration::from_secs(1)));
            futures_util::future::select(news, second).await;
            let heard = self.news.heard.get();
            let belongs =
                |certificate: &_| self.directory.device(certificate).is_none_or(|known| known.device.revoked.is_none());
            let cut = self.clients.cut_unentitled(belongs, self.now());
            self.news.swept.set(heard);
            self.world.cover("cut", cut as u64);
        }
    }
}
