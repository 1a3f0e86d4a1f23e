//! Workers per server: run reads while the comparison goes on, in the order they are asked for; what somebody waits for
//! goes before sums that were asked for ahead.
//!
//! Must never hand on part of an answer as the whole: a read that breaks is an error or is run again from its start.

use crate::connect::{LocalSession, Reader, Remote, RemoteSession, Row, Side};
use crate::sql::Read;
use anyhow::{Result, anyhow};
use crossbeam_channel::{Receiver, Sender, bounded, select_biased, unbounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::Scope;
use std::time::{Duration, Instant};

/// A server, as a comparison reads it.
pub trait Source: Send {
    /// Returns all rows of a read. Run again from its start where the connection breaks and that may pass.
    ///
    /// # Errors
    /// What the server says, or the last of the attempts' failures.
    fn rows(&mut self, step: &str, read: &Read) -> Result<Vec<Row>>;
    /// Hands on the rows of a read as they come. One attempt: what was handed on cannot be taken back.
    ///
    /// # Errors
    /// A broken stream is an error, never an end.
    fn stream(
        &mut self,
        step: &str,
        read: &Read,
        on_row: &mut dyn FnMut(Row) -> Result<()>,
    ) -> Result<()>;
    /// Ends the snapshot and opens the next.
    ///
    /// # Errors
    /// As for `rows`.
    fn next_snapshot(&mut self) -> Result<()>;
    /// Told that nothing has been asked of it for a while: a snapshot is not kept for that.
    fn idle(&mut self) {}
}

/// Production: tried again along the configured delays, each table under its own snapshot.
pub(super) struct RemoteSource<'a> {
    remote: &'a Remote,
    session: &'a mut RemoteSession,
    /// Whether the snapshot is the caller's, for more than this table.
    callers: bool,
    /// How often a snapshot was opened anew after a pause, and the most of any connection.
    renewed: (u64, Arc<AtomicU64>),
}

impl<'a> RemoteSource<'a> {
    pub(super) fn new(
        remote: &'a Remote,
        session: &'a mut RemoteSession,
        callers: bool,
        renewed: Arc<AtomicU64>,
    ) -> Self {
        Self {
            remote,
            session,
            callers,
            renewed: (0, renewed),
        }
    }

    /// Waits while production is busy, and sees that a snapshot is open.
    fn ready(&mut self) -> Result<()> {
        let mut renewed = self.remote.wait_while_busy(self.session, !self.callers)?;
        if !self.callers && !self.session.has_snapshot() {
            self.remote.open_snapshot(self.session)?;
            renewed = true;
        }
        if renewed {
            self.renewed.0 += 1;
            self.renewed.1.fetch_max(self.renewed.0, Ordering::Relaxed);
        }
        Ok(())
    }
}

impl Source for RemoteSource<'_> {
    fn rows(&mut self, step: &str, read: &Read) -> Result<Vec<Row>> {
        self.ready()?;
        self.remote
            .run(self.session, step, |session| session.rows(read))
    }
    fn stream(
        &mut self,
        step: &str,
        read: &Read,
        on_row: &mut dyn FnMut(Row) -> Result<()>,
    ) -> Result<()> {
        self.ready()?;
        self.session
            .stream(read, on_row)
            .map_err(|error| error.context(step.to_owned()))
    }
    fn next_snapshot(&mut self) -> Result<()> {
        // A connection that breaks only now harms nothing: the next snapshot is opened on another.
        drop(self.session.end_snapshot());
        self.remote.open_snapshot(self.session)
    }
    fn idle(&mut self) {
        if !self.callers && self.session.has_snapshot() {
            drop(self.session.end_snapshot());
        }
    }
}

/// The local server: tried again along the configured delays.
pub struct LocalSource<'a>(pub &'a mut LocalSession);

impl Source for LocalSource<'_> {
    fn rows(&mut self, step: &str, read: &Read) -> Result<Vec<Row>> {
        self.0
            .again(step, |session| session.rows(read))
            .map_err(|error| error.context(step.to_owned()))
    }
    fn stream(
        &mut self,
        step: &str,
        read: &Read,
        on_row: &mut dyn FnMut(Row) -> Result<()>,
    ) -> Result<()> {
        self.0
            .stream(read, on_row)
            .map_err(|error| error.context(step.to_owned()))
    }
    fn next_snapshot(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Bytes of a batch of streamed rows.
const BATCH_BYTES: usize = 1 << 20;
/// Batches that wait to be taken.
const BATCHES_AHEAD: usize = 3;

/// How long a connection keeps its snapshot while nothing is asked of it.
const IDLE: Duration = Duration::from_secs(5);

type Job = Box<dyn FnOnce(&mut dyn Source) + Send>;

/// Hands reads to one server's threads, one for each connection. What must be read under one snapshot is asked of the
/// first.
pub(super) struct Worker {
    side: Side,
    /// Jobs of one connection, which does them first.
    own: Vec<Sender<Job>>,
    /// Jobs of whichever connection is free, that somebody waits for.
    soon: Sender<Job>,
    /// Jobs of whichever connection is free and has nothing better to do.
    ahead: Sender<Job>,
}

/// An answer that is being waited for.
pub(super) struct Answer<T> {
    side: Side,
    result: Receiver<(Result<T>, Duration)>,
}

/// Rows of a read, as they come.
pub(super) struct Batches {
    side: Side,
    queue: Receiver<Result<Vec<Row>>>,
    done: bool,
}

impl Batches {
    /// Waits for more rows; `None` when the read has ended properly.
    pub(super) fn next(&mut self) -> Result<Option<Vec<Row>>> {
        while !self.done {
            let batch = self.queue.recv().map_err(|_| {
                anyhow!(
                    "reading from {} ended before its end was told",
                    self.side.server()
                )
            })??;
            if batch.is_empty() {
                self.done = true;
            } else {
                return Ok(Some(batch));
            }
        }
        Ok(None)
    }
}

impl Worker {
    /// Starts the threads of a server, one for each source. They end when the worker is dropped.
    pub(super) fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        side: Side,
        sources: Vec<&'env mut dyn Source>,
    ) -> Self {
        let (soon, soon_jobs) = unbounded::<Job>();
        let (ahead, ahead_jobs) = unbounded::<Job>();
        let start = |source: &'env mut dyn Source| {
            let (own, own_jobs) = unbounded::<Job>();
            let (soon_jobs, ahead_jobs) = (soon_jobs.clone(), ahead_jobs.clone());
            scope.spawn(move || {
                loop {
                    let job = select_biased! {
                        recv(own_jobs) -> job => job,
                        recv(soon_jobs) -> job => job,
                        recv(ahead_jobs) -> job => job,
                        default(IDLE) => {
                            source.idle();
                            continue;
                        }
                    };
                    match job {
                        Ok(job) => job(source),
                        Err(_) => break,
                    }
                }
            });
            own
        };
        Self {
            side,
            own: sources.into_iter().map(start).collect(),
            soon,
            ahead,
        }
    }

    /// Returns how many reads run at the same time.
    pub(super) fn connections(&self) -> usize {
        self.own.len()
    }

    /// Asks for the rows of a read of whichever connection is free first, once nothing is left that somebody waits for:
    /// only where it does not matter that another read is under another snapshot.
    pub(super) fn ask_ahead(&self, step: String, read: impl Into<Read>) -> Answer<Vec<Row>> {
        self.ask_any(&self.ahead, step, read.into())
    }

    /// As [`Self::ask_ahead`], and goes before all that is asked ahead.
    pub(super) fn ask_soon(&self, step: String, read: impl Into<Read>) -> Answer<Vec<Row>> {
        self.ask_any(&self.soon, step, read.into())
    }

    fn ask_any(&self, queue: &Sender<Job>, step: String, read: Read) -> Answer<Vec<Row>> {
        let (job, answer) = self.job(move |source| source.rows(&step, &read));
        // A server whose threads have all ended takes none: whoever waits for the answer is told.
        drop(queue.send(job));
        answer
    }

    /// Asks for the rows of a read.
    pub(super) fn ask(&self, step: String, read: impl Into<Read>) -> Answer<Vec<Row>> {
        let read = read.into();
        self.run(0, move |source| source.rows(&step, &read))
    }

    /// Asks for the rows of a read as they come, in batches.
    pub(super) fn ask_stream(&self, step: String, read: impl Into<Read>) -> Batches {
        let read = read.into();
        let (sender, queue) = bounded(BATCHES_AHEAD);
        let job: Job = Box::new(move |source| {
            let mut batch = Vec::new();
            let mut bytes = 0;
            let outcome = source.stream(&step, &read, &mut |row| {
                bytes += row
                    .iter()
                    .map(|cell| 32 + cell.as_ref().map_or(0, Vec::len))
                    .sum::<usize>();
                batch.push(row);
                if bytes < BATCH_BYTES {
                    return Ok(());
                }
                bytes = 0;
                sender
                    .send(Ok(std::mem::take(&mut batch)))
                    .map_err(|_| anyhow!("nobody waits for the rows any more"))
            });
            // The end is told apart from a break: an empty batch, or the error.
            let last = outcome.map(|()| batch);
            let is_end = last.is_ok();
            drop(sender.send(last));
            if is_end {
                drop(sender.send(Ok(Vec::new())));
            }
        });
        self.send(0, job);
        Batches {
            side: self.side,
            queue,
            done: false,
        }
    }

    /// Asks every connection for its next snapshot.
    pub(super) fn next_snapshots(&self) -> Vec<Answer<()>> {
        (0..self.own.len())
            .map(|place| self.run(place, |source| source.next_snapshot()))
            .collect()
    }

    /// Gives a job to a connection. One whose thread has ended takes none: whoever waits for the answer is told.
    fn send(&self, place: usize, job: Job) {
        if let Some(own) = self.own.get(place) {
            drop(own.send(job));
        }
    }

    fn run<T: Send + 'static>(
        &self,
        place: usize,
        work: impl FnOnce(&mut dyn Source) -> Result<T> + Send + 'static,
    ) -> Answer<T> {
        let (job, answer) = self.job(work);
        self.send(place, job);
        answer
    }

    fn job<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut dyn Source) -> Result<T> + Send + 'static,
    ) -> (Job, Answer<T>) {
        let (sender, result) = bounded(1);
        let job: Job = Box::new(move |source| {
            let start = Instant::now();
            let outcome = work(source);
            // Nobody waits any more where the comparison has failed meanwhile.
            drop(sender.send((outcome, start.elapsed())));
        });
        let side = self.side;
        (job, Answer { side, result })
    }
}

impl<T> Answer<T> {
    /// Waits for the answer, and returns it with the time the server took.
    pub(super) fn timed(self) -> Result<(T, Duration)> {
        let side = self.side;
        let (result, time) = self
            .result
            .recv()
            .map_err(|_| anyhow!("reading from {} ended unexpectedly", side.server()))?;
        Ok((result?, time))
    }

    /// Waits for the answer.
    pub(super) fn wait(self) -> Result<T> {
        Ok(self.timed()?.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ObjectName;
    use crate::sql::{Expr, Select};
    use std::sync::Mutex;

    /// Notes what it is asked; at "hold" it says so and waits to be let go.
    struct Noting {
        order: Arc<Mutex<Vec<String>>>,
        held: Sender<()>,
        go: Receiver<()>,
    }

    impl Source for Noting {
        fn rows(&mut self, step: &str, _: &Read) -> Result<Vec<Row>> {
            self.order.lock().unwrap().push(step.to_owned());
            if step == "hold" {
                self.held.send(()).unwrap();
                self.go.recv().unwrap();
            }
            Ok(Vec::new())
        }
        fn stream(
            &mut self,
            _: &str,
            _: &Read,
            _: &mut dyn FnMut(Row) -> Result<()>,
        ) -> Result<()> {
            Ok(())
        }
        fn next_snapshot(&mut self) -> Result<()> {
            Ok(())
        }
    }

    /// Runs a test over so many connections: the worker, what was done in which order, the end of "hold", its release.
    fn with(
        connections: usize,
        test: impl FnOnce(&Worker, &dyn Fn() -> Vec<String>, &Receiver<()>, &Sender<()>),
    ) {
        let order = Arc::new(Mutex::new(Vec::new()));
        let ((held, is_held), (release, go)) = (unbounded(), unbounded());
        let mut sources: Vec<_> = (0..connections)
            .map(|_| Noting {
                order: Arc::clone(&order),
                held: held.clone(),
                go: go.clone(),
            })
            .collect();
        std::thread::scope(|scope| {
            let sources = sources.iter_mut().map(|source| source as _).collect();
            let worker = Worker::start(scope, Side::Local, sources);
            test(
                &worker,
                &|| order.lock().unwrap().clone(),
                &is_held,
                &release,
            );
        });
    }

    fn read() -> Select {
        Select::from(&ObjectName::new("d", "t"), vec![Expr::count_all()])
    }

    #[test]
    fn what_is_waited_for_goes_before_what_was_asked_ahead() {
        with(1, |worker, order, held, release| {
            let holding = worker.ask_ahead("hold".into(), read());
            held.recv().unwrap();
            let ahead = worker.ask_ahead("ahead".into(), read());
            let soon = worker.ask_soon("soon".into(), read());
            let now = worker.ask("now".into(), read());
            release.send(()).unwrap();
            for answer in [holding, ahead, soon, now] {
                answer.wait().unwrap();
            }
            assert_eq!(order(), ["hold", "now", "soon", "ahead"]);
        });
    }

    #[test]
    fn a_connection_that_is_free_takes_what_another_has_no_time_for() {
        with(2, |worker, _, held, release| {
            let holding = worker.ask_ahead("hold".into(), read());
            held.recv().unwrap();
            for _ in 0..3 {
                worker.ask_ahead("ahead".into(), read()).wait().unwrap();
            }
            release.send(()).unwrap();
            holding.wait().unwrap();
        });
    }
}
