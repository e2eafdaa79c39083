//! What a step means to the packets that pass a router. Pure.
//!
//! Rules that take the place of those of Neutron's L3 agent are the same in other words. Connections that an
//! address outside was translated for are then looked through, because it is not known what it stood for before;
//! those that the agent's rules made are kept.

use model::Effect;

use crate::actual::{Actual, Found};
use crate::step::{Change, Step};

/// See the head of this module.
pub(crate) fn effect(step: &Step, have: &Actual) -> Effect {
    let succeeds_the_agent = matches!(
        have.routers.get(&step.router),
        Some(Found::Namespace(snapshot)) if !snapshot.leftovers.is_empty()
    );
    match step.change {
        Change::LoadRules { .. } | Change::Forget { keep: Some(_), .. } | Change::ForgetForwarded { .. }
            if succeeds_the_agent =>
        {
            Effect::Rules
        }
        _ => Effect::Changes,
    }
}

#[cfg(test)]
mod tests {
    use model::RouterId;

    use super::*;
    use crate::actual::Snapshot;
    use crate::leftover::Leftover;
    use crate::ruleset::Family;

    #[test]
    fn rules_are_the_same_in_other_words_only_where_the_agents_are() {
        let router = RouterId(uuid::Uuid::from_u128(1));
        let leftover = Leftover {
            family: Family::Ip,
            table: "nat".to_owned(),
            whole: true,
            chains: [].into(),
            jumps: Vec::new(),
        };
        let with = |leftovers| Actual {
            routers: [(router, Found::Namespace(Snapshot { leftovers, ..Snapshot::default() }))].into(),
            ..Actual::default()
        };
        let forget = |keep| Step { router, change: Change::Forget { address: [192, 0, 2, 1].into(), keep } };
        let kept = forget(Some([10, 0, 0, 1].into()));
        assert_eq!(effect(&kept, &with(vec![leftover.clone()])), Effect::Rules);
        assert_eq!(effect(&forget(None), &with(vec![leftover])), Effect::Changes);
        assert_eq!(effect(&kept, &with(Vec::new())), Effect::Changes);
        assert_eq!(effect(&kept, &Actual::default()), Effect::Changes);
    }
}
