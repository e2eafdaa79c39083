//! The calls that wait for an answer.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::oneshot;

use crate::envelope::ReceivedReply;
use crate::error::CallError;

/// All waiting calls by the identifier of their answer.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Mutex<HashMap<String, Waiter>>);

#[derive(Debug)]
struct Waiter {
    topic: String,
    method: String,
    /// Dropped when the bus is closed.
    done: oneshot::Sender<Result<Value, CallError>>,
    /// On which connection it was sent, once the broker has it.
    sent: Option<u64>,
    /// The result of an answer whose end is still to come.
    result: Option<Value>,
}

/// A place among the waiting; given up when dropped.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    waiting: &'a Waiting,
    id: &'a str,
}

impl Waiting {
    pub(crate) fn enter<'a>(
        &'a self,
        id: &'a str,
        topic: &str,
        method: &str,
    ) -> (Place<'a>, oneshot::Receiver<Result<Value, CallError>>) {
        let (done, outcome) = oneshot::channel();
        let waiter =
            Waiter { topic: topic.to_owned(), method: method.to_owned(), done, sent: None, result: None };
        self.lock().insert(id.to_owned(), waiter);
        (Place { waiting: self, id }, outcome)
    }

    /// The broker has the request.
    pub(crate) fn sent(&self, id: &str, epoch: u64) {
        if let Some(waiter) = self.lock().get_mut(id) {
            waiter.sent = Some(epoch);
        }
    }

    /// Takes an answer, or a part of one. `false`: nobody waits for it (any more).
    pub(crate) fn answer(&self, reply: ReceivedReply) -> bool {
        let mut waiting = self.lock();
        let Some(waiter) = waiting.get_mut(&reply.message_id) else { return false };
        let outcome = match reply.outcome {
            Err(failure) => Err(CallError::Remote(failure)),
            Ok(result) => {
                if !result.is_null() {
                    waiter.result = Some(result);
                }
                if !reply.ending {
                    return true;
                }
                Ok(waiter.result.take().unwrap_or_default())
            }
        };
        if let Some(waiter) = waiting.remove(&reply.message_id) {
            // The caller may have stopped waiting this moment.
            let _ = waiter.done.send(outcome);
        }
        true
    }

    /// Who was sent on an earlier connection.
    pub(crate) fn sent_before(&self, epoch: u64) -> Vec<String> {
        let waiting = self.lock();
        let earlier = waiting.iter().filter(|(_, waiter)| waiter.sent.is_some_and(|sent| sent < epoch));
        earlier.map(|(id, _)| id.clone()).collect()
    }

    /// The answers to these calls will not come.
    pub(crate) fn lose(&self, ids: &[String]) {
        let mut waiting = self.lock();
        for waiter in ids.iter().filter_map(|id| waiting.remove(id)) {
            let _ = waiter.done.send(Err(CallError::Lost { topic: waiter.topic, method: waiter.method }));
        }
    }

    pub(crate) fn close(&self) {
        for (_, waiter) in self.lock().drain() {
            let _ = waiter.done.send(Err(CallError::Closed));
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Waiter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::failure::Failure;

    fn reply(id: &str, outcome: Result<Value, Failure>, ending: bool) -> ReceivedReply {
        ReceivedReply { message_id: id.into(), unique_id: String::new(), outcome, ending }
    }

    #[test]
    fn an_answer_in_two_parts_is_complete_at_its_end() {
        let waiting = Waiting::default();
        let (_place, mut outcome) = waiting.enter("a", "t", "m");
        assert!(waiting.answer(reply("a", Ok(json!([1])), false)));
        assert!(outcome.try_recv().is_err());
        assert!(waiting.answer(reply("a", Ok(Value::Null), true)));
        assert_eq!(outcome.try_recv().unwrap().unwrap(), json!([1]));
        assert!(!waiting.answer(reply("a", Ok(Value::Null), true)), "it is no longer waited for");
    }

    #[test]
    fn a_failure_ends_at_once_and_a_place_given_up_is_unknown() {
        let waiting = Waiting::default();
        let (place, mut outcome) = waiting.enter("a", "t", "m");
        assert!(waiting.answer(reply("a", Err(Failure::internal("no")), false)));
        assert!(matches!(outcome.try_recv().unwrap(), Err(CallError::Remote(_))));
        drop(place);
        let (place, _) = waiting.enter("b", "t", "m");
        drop(place);
        assert!(!waiting.answer(reply("b", Ok(Value::Null), true)));
    }

    #[test]
    fn only_what_was_sent_earlier_is_lost() {
        let waiting = Waiting::default();
        let (_old, mut old) = waiting.enter("old", "t", "m");
        let (_new, mut new) = waiting.enter("new", "t", "m");
        let (_unsent, mut unsent) = waiting.enter("unsent", "t", "m");
        waiting.sent("old", 1);
        waiting.sent("new", 2);
        waiting.lose(&waiting.sent_before(2));
        assert!(matches!(old.try_recv().unwrap(), Err(CallError::Lost { .. })));
        assert!(new.try_recv().is_err() && unsent.try_recv().is_err());
    }
}
