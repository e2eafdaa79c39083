//! What signals mean: TERM and INT end the agent and leave the node as it is; HUP reads the configuration
//! again, takes what may change while running, which is `debug`, and opens the log file again.

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::event::Event;

/// Turns TERM and INT into an event, and calls `reload` at every HUP.
pub(crate) fn watch(
    events: mpsc::UnboundedSender<Event>,
    mut reload: impl FnMut() + Send + 'static,
) -> std::io::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hang_up.recv() => reload(),
            }
        }
        // Nobody listens any more when the agent is stopping for another reason.
        let _ = events.send(Event::Stop);
    });
    Ok(())
}
