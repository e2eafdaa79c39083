//! Which answer belongs to whom. Every conversation has a range of transaction ids; the reader delivers
//! by them, and what nobody waits for any more is dropped.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::mpsc;

/// Which conversation an answer belongs to.
#[derive(Debug, Default)]
pub(super) struct Routes {
    table: Mutex<RouteTable>,
}

#[derive(Debug, Default)]
struct RouteTable {
    /// By first transaction id: the last one, and where the answers go.
    open: BTreeMap<u32, (u32, mpsc::UnboundedSender<Bytes>)>,
    last_used: u32,
    ended: bool,
}

impl Routes {
    /// Opens a route for `count` transaction ids and gives the first; None after the end. Id 0 is for probes.
    pub(super) fn open(&self, count: u32, route: mpsc::UnboundedSender<Bytes>) -> Option<u32> {
        let mut table = self.lock();
        if table.ended {
            return None;
        }
        let last_used = table.last_used.checked_add(count).map_or(0, |_| table.last_used);
        let (first, last) = (last_used + 1, last_used + count);
        table.last_used = last;
        table.open.insert(first, (last, route));
        Some(first)
    }

    pub(super) fn close(&self, first: u32) {
        self.lock().open.remove(&first);
    }

    pub(super) fn deliver(&self, xid: u32, message: Bytes) {
        let table = self.lock();
        if let Some((_, (last, route))) = table.open.range(..=xid).next_back()
            && xid <= *last
        {
            // Nobody listens any more: the conversation is just being dropped.
            _ = route.send(message);
        }
    }

    /// Ends every conversation, those to come included.
    pub(super) fn end(&self) {
        let mut table = self.lock();
        table.ended = true;
        table.open.clear();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, RouteTable> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transaction_ids_begin_again_before_they_end() {
        let routes = Routes::default();
        let open = |count| routes.open(count, mpsc::unbounded_channel().0);
        assert_eq!(open(u32::MAX - 10), Some(1));
        assert_eq!(open(10), Some(u32::MAX - 9));
        assert_eq!(open(2), Some(1));
        routes.end();
        assert_eq!(open(1), None);
    }
}
