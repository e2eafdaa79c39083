//! Makes one line of an event and hands it over.

use std::cell::RefCell;
use std::sync::Arc;

use tracing::{Event, Level, Metadata, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::lines::Lines;
use crate::{json, text};

thread_local! {
    /// What a line is made in.
    static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// How a line is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Form {
    Text { colours: bool },
    Json,
}

/// Gets every event that passed the filter.
#[derive(Debug)]
pub(crate) struct LineLayer {
    pub(crate) form: Form,
    pub(crate) lines: Arc<Lines>,
}

impl<S: Subscriber> Layer<S> for LineLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        // What came by way of the crate `log` has its target and so on in fields.
        let normalised = event.normalized_metadata();
        let metadata = normalised.as_ref().unwrap_or_else(|| event.metadata());
        let urgent = *metadata.level() <= Level::WARN;
        LINE.with(|line| match line.try_borrow_mut() {
            Ok(mut line) => self.write(metadata, event, urgent, &mut line),
            // A value that logs while it is shown.
            Err(_) => self.write(metadata, event, urgent, &mut Vec::new()),
        });
    }
}

impl LineLayer {
    fn write(&self, metadata: &Metadata<'_>, event: &Event<'_>, urgent: bool, line: &mut Vec<u8>) {
        line.clear();
        self.form.write(line, metadata, event);
        self.lines.push(line, urgent);
    }
}

impl Form {
    /// Appends a line with its end.
    pub(crate) fn write(self, line: &mut Vec<u8>, metadata: &Metadata<'_>, event: &Event<'_>) {
        match self {
            Self::Text { colours } => text::write(line, metadata, colours, |visit| event.record(visit)),
            Self::Json => json::write(line, metadata, |visit| event.record(visit)),
        }
    }

    /// For readers other than a terminal.
    pub(crate) fn plain(self) -> Self {
        match self {
            Self::Text { .. } => Self::Text { colours: false },
            Self::Json => Self::Json,
        }
    }

    /// What is in the log where lines are missing.
    pub(crate) fn complaint(self, lost: u64) -> Vec<u8> {
        let mut line = Vec::new();
        match self {
            Self::Text { colours } => text::complain(&mut line, colours, lost),
            Self::Json => json::complain(&mut line, lost),
        }
        line
    }
}

/// `log.target` and its like are about an event, not of it.
pub(crate) fn is_shown(field: &tracing::field::Field) -> bool {
    !field.name().starts_with("log.")
}
