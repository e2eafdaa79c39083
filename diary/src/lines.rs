//! Where lines wait until they are written, and the thread that writes them. What is in a line is not known
//! here.

use std::fs::File;
use std::io::{self, Write as _};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a line waits for others. Short enough for somebody who looks on.
pub const PATIENCE: Duration = Duration::from_millis(10);
/// Bytes that may wait; what comes on top is lost. More than is logged in any hundredth of a second.
pub const MOST: usize = 4 << 20;
/// Bytes that are written without waiting for more.
const MANY: usize = 256 << 10;
/// How long the end of the program waits for an output that takes nothing.
const FAREWELL: Duration = Duration::from_secs(2);
/// What a buffer keeps after a burst.
const KEPT: usize = 64 << 10;

/// What a batch is written to.
#[derive(Debug)]
pub enum Output {
    StandardError,
    File(File),
}

impl Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::StandardError => io::stderr().lock().write_all(bytes),
            Self::File(file) => file.write_all(bytes),
        }
    }
}

/// The lines of the process. See the head of this module.
pub struct Lines {
    waiting: Mutex<Waiting>,
    /// There is something to write, or it is urgent.
    work: Condvar,
    /// A batch was written.
    written: Condvar,
    output: Mutex<Output>,
    /// A line that says how many were lost.
    complaint: Box<dyn Fn(u64) -> Vec<u8> + Send + Sync>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// Lines that did not fit or could not be written, and of which nobody was told yet.
    lost: u64,
    /// The thread sleeps until there is something.
    idle: bool,
    /// Somebody waits for what is here.
    urgent: bool,
    /// Batches that were taken, and that are done with.
    taken: u64,
    done: u64,
    /// Nobody waits any more: every line is written by who has it.
    ended: bool,
}

impl Lines {
    /// Starts the thread; it lives as long as the process.
    ///
    /// # Errors
    ///
    /// When there can be no further thread.
    pub fn start(
        output: Output,
        complaint: impl Fn(u64) -> Vec<u8> + Send + Sync + 'static,
    ) -> io::Result<Arc<Self>> {
        let lines = Arc::new(Self {
            waiting: Mutex::default(),
            work: Condvar::new(),
            written: Condvar::new(),
            output: Mutex::new(output),
            complaint: Box::new(complaint),
        });
        let writer = lines.clone();
        std::thread::Builder::new().name("diary".to_owned()).spawn(move || writer.write_for_ever())?;
        Ok(lines)
    }

    /// Takes a line with its end. A line that is `urgent` waits for no other.
    pub fn push(&self, line: &[u8], urgent: bool) {
        let mut waiting = self.lock();
        if waiting.ended {
            drop(waiting);
            return self.write(line);
        }
        if waiting.bytes.len() + line.len() > MOST {
            waiting.lost += 1;
            return;
        }
        waiting.bytes.extend_from_slice(line);
        let wake = waiting.idle || (urgent || waiting.bytes.len() > MANY) && !waiting.urgent;
        waiting.urgent |= urgent || waiting.bytes.len() > MANY;
        waiting.idle = false;
        drop(waiting);
        if wake {
            self.work.notify_one();
        }
    }

    /// Returns when all that was pushed before is written, or when it has to be given up.
    pub fn flush(&self) {
        let mut waiting = self.lock();
        let last = waiting.taken + u64::from(!waiting.bytes.is_empty());
        waiting.urgent = true;
        waiting.idle = false;
        self.work.notify_one();
        let done = self.written.wait_timeout_while(waiting, FAREWELL, |waiting| waiting.done < last);
        drop(done);
    }

    /// Writes what is there; from now on every line is written when it is pushed.
    pub fn end(&self) {
        self.flush();
        self.lock().ended = true;
        // What came in between.
        self.flush();
    }

    /// Writes what is there to where it was to go, and everything else to another place.
    pub fn turn_to(&self, output: Output) {
        self.flush();
        *self.output.lock().unwrap_or_else(PoisonError::into_inner) = output;
    }

    fn write_for_ever(&self) {
        let mut batch = Vec::new();
        loop {
            let lost = self.take(&mut batch);
            if lost > 0 {
                batch.extend((self.complaint)(lost));
            }
            self.write(&batch);
            batch.clear();
            batch.shrink_to(KEPT);
            self.lock().done += 1;
            self.written.notify_all();
        }
    }

    /// Waits for lines, and then for more of them. Gives the number of lines that are missing in between.
    fn take(&self, batch: &mut Vec<u8>) -> u64 {
        let mut waiting = self.lock();
        while waiting.bytes.is_empty() {
            waiting.idle = true;
            waiting = self.work.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        waiting.idle = false;
        if !waiting.urgent {
            let more = self.work.wait_timeout_while(waiting, PATIENCE, |waiting| !waiting.urgent);
            waiting = more.unwrap_or_else(PoisonError::into_inner).0;
        }
        std::mem::swap(batch, &mut waiting.bytes);
        waiting.urgent = false;
        waiting.taken += 1;
        std::mem::take(&mut waiting.lost)
    }

    /// Who cannot write a log has nobody to tell but the log.
    fn write(&self, bytes: &[u8]) {
        let written = self.output.lock().unwrap_or_else(PoisonError::into_inner).write(bytes);
        if written.is_err() {
            let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
            self.lock().lost += u64::try_from(lines).unwrap_or(u64::MAX);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Lines {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lines").field("output", &self.output).finish_non_exhaustive()
    }
}
