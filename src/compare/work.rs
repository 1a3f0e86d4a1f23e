//! Workers per server: run reads in the order they are asked for, while the comparison goes on.
//!
//! Must never hand on part of an answer as the whole: a read that breaks is an error or is run again from its start.

use crate::connect::{LocalSession, Reader, Remote, RemoteSession, Row, Side};
use crate::sql::Read;
use anyhow::{Result, anyhow};
use std::cell::Cell as Counter;
use std::sync::mpsc;
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
}

/// Production: tried again along the configured delays, each table under its own snapshot.
pub(super) struct RemoteSource<'a> {
    pub(super) remote: &'a Remote,
    pub(super) session: &'a mut RemoteSession,
}

impl Source for RemoteSource<'_> {
    fn rows(&mut self, step: &str, read: &Read) -> Result<Vec<Row>> {
        self.remote.wait_while_busy(self.session)?;
        self.remote
            .run(self.session, step, |session| session.rows(read))
    }
    fn stream(
        &mut self,
        step: &str,
        read: &Read,
        on_row: &mut dyn FnMut(Row) -> Result<()>,
    ) -> Result<()> {
        self.remote.wait_while_busy(self.session)?;
        self.session
            .stream(read, on_row)
            .map_err(|error| error.context(step.to_owned()))
    }
    fn next_snapshot(&mut self) -> Result<()> {
        // A connection that breaks only now harms nothing: the next snapshot is opened on another.
        drop(self.session.end_snapshot());
        let step = "opening a snapshot on the remote server";
        self.remote
            .run(self.session, step, RemoteSession::start_snapshot)
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

type Job = Box<dyn FnOnce(&mut dyn Source) + Send>;

/// Hands reads to one server's threads, one for each connection. What must be read under one snapshot is asked of the
/// first.
pub(super) struct Worker {
    side: Side,
    jobs: Vec<mpsc::Sender<Job>>,
    turn: Counter<usize>,
}

/// An answer that is being waited for.
pub(super) struct Answer<T> {
    side: Side,
    result: mpsc::Receiver<(Result<T>, Duration)>,
}

/// Rows of a read, as they come.
pub(super) struct Batches {
    side: Side,
    queue: mpsc::Receiver<Result<Vec<Row>>>,
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
        let start = |source: &'env mut dyn Source| {
            let (jobs, queue) = mpsc::channel::<Job>();
            scope.spawn(move || {
                for job in queue {
                    job(source);
                }
            });
            jobs
        };
        Self {
            side,
            jobs: sources.into_iter().map(start).collect(),
            turn: Counter::new(0),
        }
    }

    /// Returns how many reads run at the same time.
    pub(super) fn connections(&self) -> usize {
        self.jobs.len()
    }

    /// Asks for the rows of a read of whichever connection's turn it is: only where it does not matter that another
    /// read is under another snapshot.
    pub(super) fn ask_any(&self, step: String, read: impl Into<Read>) -> Answer<Vec<Row>> {
        let read = read.into();
        let turn = self.turn.get();
        self.turn.set((turn + 1) % self.jobs.len().max(1));
        self.run(turn, move |source| source.rows(&step, &read))
    }

    /// Asks for the rows of a read.
    pub(super) fn ask(&self, step: String, read: impl Into<Read>) -> Answer<Vec<Row>> {
        let read = read.into();
        self.run(0, move |source| source.rows(&step, &read))
    }

    /// Asks for the rows of a read as they come, in batches.
    pub(super) fn ask_stream(&self, step: String, read: impl Into<Read>) -> Batches {
        let read = read.into();
        let (sender, queue) = mpsc::sync_channel(BATCHES_AHEAD);
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
        (0..self.jobs.len())
            .map(|place| self.run(place, |source| source.next_snapshot()))
            .collect()
    }

    /// Gives a job to a connection. One whose thread has ended takes none: whoever waits for the answer is told.
    fn send(&self, place: usize, job: Job) {
        if let Some(jobs) = self.jobs.get(place) {
            drop(jobs.send(job));
        }
    }

    fn run<T: Send + 'static>(
        &self,
        place: usize,
        work: impl FnOnce(&mut dyn Source) -> Result<T> + Send + 'static,
    ) -> Answer<T> {
        let (sender, result) = mpsc::channel();
        let job: Job = Box::new(move |source| {
            let start = Instant::now();
            let outcome = work(source);
            // Nobody waits any more where the comparison has failed meanwhile.
            drop(sender.send((outcome, start.elapsed())));
        });
        self.send(place, job);
        Answer {
            side: self.side,
            result,
        }
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
