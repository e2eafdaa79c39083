//! What came of asks. Nothing is ever taken away because an ask failed. Pure.

use std::collections::BTreeSet;
use std::time::Instant;

use model::{ObjectRef, RouterId};
use serde_json::Value;

use super::asks::{Ask, Reason};
use super::router::Known;
use super::{L3, PART, SMALLEST_PART};
use crate::neutron::fault::Fault;
use crate::neutron::finding::Finding;
use crate::neutron::queue::Urgency;
use crate::neutron::wire::router::{self, RouterDict, Routers};
use crate::neutron::wire::{l3_calls, port_forwarding};

impl L3 {
    pub(super) fn answer(&mut self, ask: Ask, answer: Result<Value, Fault>, now: Instant) {
        match ask {
            Ask::Ids => self.ids_answered(answer, now),
            Ask::Routers(routers, reason) => {
                match reason {
                    Reason::Event => self.calls = self.calls.saturating_sub(1),
                    Reason::Part => self.part_answered(&answer),
                }
                self.routers_answered(&routers, answer, reason, now);
                if self.queue.asking() == 0 {
                    self.told_since.clear();
                }
                self.tell_departed();
            }
            Ask::Forwardings(asked) => {
                let answer =
                    answer.and_then(|answer| port_forwarding::pulled(&answer).map_err(Fault::Malformed));
                let routers = match answer {
                    Ok(push) => {
                        push.why.iter().for_each(|why| self.complaints.add(format_args!("bulk_pull: {why}")));
                        self.forwardings.pulled(&asked, push)
                    }
                    Err(fault) => {
                        let refused = matches!(fault, Fault::Refused { .. } | Fault::Malformed(_));
                        self.forwardings.failed(&asked, refused, now)
                    }
                };
                routers.into_iter().for_each(|router| self.find(router));
            }
            Ask::Statuses(router, told) => {
                if self.queue.asking() > 0 {
                    self.told_since.extend(told.keys());
                }
                // What is gone needs no status.
                let good = answer.as_ref().map_or_else(Fault::is_not_found, |_| true);
                self.statuses.answered(router, good, now);
                self.forget_departed(router);
                self.settle_doubts();
            }
        }
    }

    fn ids_answered(&mut self, answer: Result<Value, Fault>, now: Instant) {
        if !self.everything.answered(()) {
            return;
        }
        let ids = match answer.map(|answer| l3_calls::ids(&answer)) {
            Ok(Ok((ids, unread))) => {
                unread.iter().for_each(|why| self.complaints.add(format_args!("get_router_ids: {why}")));
                // What could not be read may be any of those that are known.
                if unread.is_empty() {
                    self.leave_all_but(&ids.iter().copied().collect());
                }
                ids
            }
            Ok(Err(why)) => {
                self.complaints.add(format_args!("get_router_ids: {why}"));
                return self.everything.failed((), now);
            }
            Err(_) => return self.everything.failed((), now),
        };
        self.everything.succeeded(());
        ids.iter().for_each(|router| self.queue.want(*router, Urgency::Sync));
        if !self.listed {
            self.listed = true;
            self.unsettled = ids.into_iter().chain(self.heard_since.iter().copied()).collect();
        }
    }

    /// What is not in the list is not ours, unless something was heard of it since the list was asked for.
    fn leave_all_but(&mut self, there: &BTreeSet<RouterId>) {
        let known = self.routers.keys().chain(self.beyond.keys()).chain(self.queue.keys_asking());
        let gone = known.filter(|id| !there.contains(id) && !self.heard_since.contains(id));
        let gone: BTreeSet<RouterId> = gone.copied().collect();
        for router in gone {
            self.queue.cancel(router);
            self.leave(router);
        }
    }

    /// Long answers may not come in time; short ones are many.
    fn part_answered(&mut self, answer: &Result<Value, Fault>) {
        self.is_reading_part = false;
        match answer {
            Ok(_) => self.part = (self.part + SMALLEST_PART).min(PART),
            Err(Fault::Timeout(_)) => self.part = (self.part / 2).max(SMALLEST_PART),
            Err(_) => {}
        }
    }

    fn routers_answered(
        &mut self,
        asked: &[RouterId],
        answer: Result<Value, Fault>,
        reason: Reason,
        now: Instant,
    ) {
        let wanted: BTreeSet<RouterId> =
            asked.iter().filter(|id| self.queue.answered(**id)).copied().collect();
        let answer = answer.and_then(|answer| router::all(&answer, &self.host).map_err(Fault::Malformed));
        let all = match answer {
            Ok(all) => all,
            Err(fault) => {
                if let Fault::Malformed(why) = fault {
                    self.complaints.add(format_args!("sync_routers: {why}"));
                }
                return wanted.into_iter().for_each(|router| self.queue.failed(router, now));
            }
        };
        all.why.iter().for_each(|why| self.complaints.add(format_args!("sync_routers: {why}")));
        self.leave_missing(&wanted, &all);
        self.leave_unread_alone(&wanted, &all);
        let urgency = match reason {
            Reason::Event => Urgency::Event,
            Reason::Part => Urgency::Sync,
        };
        for dict in all.routers {
            let router = dict.router.id;
            if wanted.contains(&router) {
                self.take_in(dict, urgency);
            } else if !asked.contains(&router) && !self.is_known(router) {
                // The server adds routers that are related to those asked for.
                self.queue.want(router, Urgency::Sync);
            }
        }
    }

    /// A router that is ours and cannot be understood: what exists of it, from a process before this one, is
    /// not to be taken for stale. One that was understood before goes on as it was.
    fn leave_unread_alone(&mut self, wanted: &BTreeSet<RouterId>, all: &Routers) {
        for router in all.unread.iter().flatten().filter(|router| wanted.contains(router)) {
            if !self.routers.contains_key(router) && self.beyond.insert(*router, "cannot be read").is_none() {
                self.findings.push(Finding::LeftAlone(ObjectRef::Router(*router), true));
            }
        }
    }

    /// What was asked for and is not in the answer is not ours, unless it is being read again anyway.
    fn leave_missing(&mut self, wanted: &BTreeSet<RouterId>, all: &Routers) {
        let there: BTreeSet<RouterId> = all.routers.iter().map(|dict| dict.router.id).collect();
        let is_unread = |id: &RouterId| all.unread.contains(&None) || all.unread.contains(&Some(*id));
        for router in wanted {
            self.queue.succeeded(*router);
            if !there.contains(router) && !is_unread(router) && !self.queue.is_waiting(*router) {
                self.leave(*router);
            }
        }
    }

    fn take_in(&mut self, dict: RouterDict, urgency: Urgency) {
        let router = dict.router.id;
        if let Some(why) = dict.beyond {
            if self.routers.get(&router).is_some_and(|known| !known.is_found()) {
                self.leave(router);
            }
            if self.beyond.insert(router, why) != Some(why) {
                self.complaints
                    .add(format_args!("router {router} {why}, which is not supported yet: it is left alone"));
                self.findings.push(Finding::LeftAlone(ObjectRef::Router(router), true));
            }
            return;
        }
        self.not_beyond(router);
        if dict.router.gateway.is_none() && !self.internal_only {
            return self.leave(router);
        }
        let mut dict = dict;
        if !self.port_forwarding {
            dict.forwarded.clear();
        }
        let Self { routers, forwardings, statuses, doubtful, told_since, findings, .. } = self;
        let known = routers.entry(router).or_insert_with(|| Known::new(dict.router.clone()));
        let old = known.forwarded.clone();
        known.take_in(dict, |floating_ip| statuses.is_busy(floating_ip), told_since, findings);
        if !known.doubted.is_empty() {
            doubtful.insert(router);
        }
        forwardings.need(router, &old, &known.forwarded, urgency);
        self.forget_departed(router);
        self.find(router);
    }
}
