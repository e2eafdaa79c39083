//! What a step means to the packets that pass a node: whether an operator has to think about it before it is taken.
//! Steps are taken all the same, whatever they mean.

use serde::Serialize;

/// See the head of this module.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "effect", content = "why")]
pub enum Effect {
    /// Packets meet something else than before, or may.
    Changes,
    /// The same, on purpose: it is done in another way than Neutron's agents do it, for this reason.
    Differs(&'static str),
    /// A flow is put in the place of one that does the same, to get our cookie.
    Cookie,
    /// A row gets a note that says whose it is, or what its device has already.
    Mark,
    /// A server inside this process begins, in the place of one that ran as a process of its own.
    Service,
    /// A router's rules take the place of another program's, in one transaction.
    Rules,
}
