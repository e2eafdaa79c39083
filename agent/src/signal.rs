//! What signals mean: TERM and INT end the agent and leave the node as it is.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::event::Event;

/// Turns the first TERM or INT into an event. A second one ends the process at once, as usual.
pub(crate) fn watch(events: mpsc::UnboundedSender<Event>) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        // Nobody listens any more when the agent is stopping for another reason.
        let _ = events.send(Event::Stop);
    });
    Ok(())
}
