//! Takes care that of a port only one thing is told to the server at a time.
//!
//! A port becomes ACTIVE when the last of those whom the server waits for has reported: the L2 agent, and a DHCP agent.
//! Neutron (29.0, `provisioning_blocks.provisioning_complete`) takes one report back and looks for others in one
//! transaction. Of two that come together neither sees that the other is done, and the port stays DOWN for ever. What
//! comes from other nodes cannot be held back here: the L2 part looks whether a port that it reported became ACTIVE.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::PortId;
use tokio::sync::Notify;

/// See the head of this file. A clone is the same.
#[derive(Clone, Debug, Default)]
pub(crate) struct Turns(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    told: Mutex<BTreeSet<PortId>>,
    freed: Notify,
}

impl Inner {
    fn told(&self) -> MutexGuard<'_, BTreeSet<PortId>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whoever has this may tell the server of the ports. It ends with the value.
#[derive(Debug)]
pub(crate) struct Turn<'p> {
    turns: Turns,
    ports: &'p [PortId],
}

impl Turns {
    /// Waits until nobody else tells anything of any of these ports. Nothing is waited for when there are none.
    pub(crate) async fn take<'p>(&self, ports: &'p [PortId]) -> Turn<'p> {
        loop {
            let freed = self.0.freed.notified();
            {
                // All or none, so that nobody waits for somebody who waits for him.
                let mut told = self.0.told();
                if !ports.iter().any(|port| told.contains(port)) {
                    told.extend(ports);
                    return Turn { turns: self.clone(), ports };
                }
            }
            freed.await;
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut told = self.turns.0.told();
        self.ports.iter().for_each(|port| _ = told.remove(port));
        drop(told);
        self.turns.0.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn of_a_port_one_thing_at_a_time() {
        let [a, b, c] = [1, 2, 3].map(|number| PortId(Uuid::from_u128(number)));
        let turns = Turns::default();
        let early = [a, b];
        let first = turns.take(&early).await;
        let (both, other) = ([b, c], [c]);
        let mut second = Box::pin(turns.take(&both));
        assert!(second.as_mut().now_or_never().is_none());
        // Who waits holds nothing.
        drop(turns.take(&other).await);
        assert!(turns.take(&[]).now_or_never().is_some());
        drop(first);
        let second = second.await;
        assert!(turns.take(&other).now_or_never().is_none());
        drop(second);
        assert!(turns.0.told().is_empty());
    }
}
