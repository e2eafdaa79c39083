//! Any flow, in the forms that the constructors give.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::super::{FlowFilter, FlowMod, FlowStats, Message, PortDescription};
use crate::openflow::{
    Action, Ct, Field, Flow, Learn, Match, Nat, NatAddresses, NatChoice, NatDirection, OfError, Subfield,
};

pub(super) fn flow_mod() -> impl Strategy<Value = FlowMod> {
    prop_oneof![
        4 => flow().prop_map(FlowMod::Add),
        1 => flow().prop_map(FlowMod::Modify),
        1 => flow().prop_map(|flow| FlowMod::Remove(flow.key())),
        1 => flow().prop_map(|flow| FlowMod::RemoveWithCookie(flow.key(), flow.cookie)),
        1 => flow_filter().prop_map(FlowMod::RemoveAll),
    ]
}

pub(super) fn flow_filter() -> impl Strategy<Value = FlowFilter> {
    (option::of(0..255_u8), any::<(u64, u64)>(), matches()).prop_map(|(table, (cookie, mask), matches)| {
        FlowFilter { table, ..FlowFilter::all().cookie(cookie, mask).matches(matches) }
    })
}

pub(super) fn flow_stats() -> impl Strategy<Value = FlowStats> {
    (flow(), any::<(u64, u64, u32)>()).prop_map(|(flow, (packets, bytes, age))| FlowStats {
        flow,
        packets,
        bytes,
        age,
    })
}

pub(super) fn plain_message() -> impl Strategy<Value = Message> {
    let bytes = || vec(any::<u8>(), 0..40);
    let error = (0..18_u16, any::<u16>(), bytes())
        .prop_map(|(kind, code, data)| Message::Error(OfError { kind, code, vendor: 0, data }));
    let vendor_error = (any::<u16>(), any::<u32>(), bytes())
        .prop_map(|(code, vendor, data)| Message::Error(OfError { kind: 0xffff, code, vendor, data }));
    let port = (any::<u32>(), any::<[u8; 6]>(), "[a-z0-9.-]{0,15}", any::<(u32, u32)>()).prop_map(
        |(number, mac, name, (config, state))| PortDescription {
            number,
            mac: model::Mac(mac),
            name,
            config,
            state,
        },
    );
    prop_oneof![
        error,
        vendor_error,
        any::<u32>().prop_map(|versions| Message::Hello { versions }),
        bytes().prop_map(Message::EchoRequest),
        bytes().prop_map(Message::EchoReply),
        (any::<u64>(), any::<u8>()).prop_map(|(datapath, tables)| Message::Features { datapath, tables }),
        (vec(port, 0..5), any::<bool>()).prop_map(|(ports, more)| Message::Ports { ports, more }),
        bytes().prop_map(|body| Message::Other { kind: 12, body }),
    ]
}

fn flow() -> impl Strategy<Value = Flow> {
    let place = any::<(u8, u16)>();
    let times = any::<(u64, u16, u16)>();
    (place, times, matches(), vec(action(), 0..6)).prop_map(|(place, times, matches, actions)| {
        let flow = Flow::new(place.0, place.1, matches).cookie(times.0);
        flow.idle_timeout(times.1).hard_timeout(times.2).actions(actions)
    })
}

fn matches() -> impl Strategy<Value = Match> {
    vec((field(), any::<u128>(), mask()), 0..6).prop_map(|fields| {
        let add =
            |matches: Match, (field, value, mask): (Field, u128, u128)| matches.masked(field, value, mask);
        fields.into_iter().fold(Match::new(), add)
    })
}

fn mask() -> impl Strategy<Value = u128> {
    prop_oneof![Just(u128::MAX), any::<u128>(), Just(0)]
}

fn field() -> impl Strategy<Value = Field> {
    prop::sample::select(Field::ALL)
}

fn subfield() -> impl Strategy<Value = Subfield> {
    (field(), any::<(u16, u16)>()).prop_map(|(field, (first, length))| {
        let first = first % field.bits();
        // What one load can reach.
        Subfield::bits(field, first, first + length % 64)
    })
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![plain_action(), instruction(), ct().prop_map(Action::ct), learn().prop_map(Action::learn)]
}

fn plain_action() -> impl Strategy<Value = Action> {
    prop_oneof![
        any::<u32>().prop_map(Action::output),
        any::<u16>().prop_map(|max_len| Action::Controller { max_len }),
        subfield().prop_map(Action::OutputField),
        any::<u32>().prop_map(Action::Group),
        any::<u32>().prop_map(Action::SetQueue),
        (option::of(0..0xff00_u16), option::of(0..255_u8))
            .prop_map(|(port, table)| Action::Resubmit { port, table }),
        any::<u16>().prop_map(Action::PushVlan),
        Just(Action::PopVlan),
        Just(Action::DecTtl),
        Just(Action::CtClear),
        (field(), any::<u128>()).prop_map(|(field, value)| Action::set_field(field, value)),
        (any::<u64>(), subfield()).prop_map(|(value, target)| Action::load(value, target)),
        (subfield(), subfield()).prop_map(|(source, target)| Action::move_field(source, target)),
        (any::<u32>(), 1..=255_u8, any::<u8>())
            .prop_map(|(id, clause, clauses)| Action::conjunction(id, clause, clauses)),
        vec(any::<u8>(), 0..20).prop_map(Action::note),
    ]
}

fn instruction() -> impl Strategy<Value = Action> {
    prop_oneof![
        any::<u32>().prop_map(Action::Meter),
        Just(Action::ClearActions),
        any::<(u64, u64)>().prop_map(|(value, mask)| Action::WriteMetadata { value, mask }),
        any::<u8>().prop_map(Action::GotoTable),
    ]
}

fn learn() -> impl Strategy<Value = Learn> {
    let spec = (subfield(), subfield(), any::<u128>(), 0..5_u8);
    let head = any::<(u8, u16, u64, u16, u16)>();
    (head, vec(spec, 0..5)).prop_map(|(head, specs)| {
        let (table, priority, cookie, idle, hard) = head;
        let learn = Learn::new(table).priority(priority).cookie(cookie).idle_timeout(idle).hard_timeout(hard);
        specs.into_iter().fold(learn, |learn, (target, source, value, kind)| match kind {
            0 => learn.match_field(target, source),
            1 => learn.match_value(target, value),
            2 => learn.load_field(source, target),
            3 => learn.load_value(value, target),
            _ => learn.output(source),
        })
    })
}

fn ct() -> impl Strategy<Value = Ct> {
    let exec = (field(), any::<u128>()).prop_map(|(field, value)| Action::set_field(field, value));
    let zone = prop_oneof![any::<u16>().prop_map(Into::into), subfield().prop_map(Into::into)];
    (any::<(bool, bool, u16)>(), option::of(0..255_u8), zone, option::of(nat()), vec(exec, 0..3)).prop_map(
        |((commit, force, helper), table, zone, nat, exec)| Ct {
            commit,
            force,
            table,
            zone,
            nat,
            helper,
            exec,
        },
    )
}

fn nat() -> impl Strategy<Value = Nat> {
    let direction = option::of(prop::sample::select(&[NatDirection::Source, NatDirection::Destination][..]));
    let choice = prop::sample::select(&[NatChoice::Any, NatChoice::Hash, NatChoice::Random][..]);
    let addresses = prop_oneof![
        Just(NatAddresses::Same),
        any::<(u32, Option<u32>)>()
            .prop_map(|(first, last)| NatAddresses::V4(first.into(), last.map(Into::into))),
        any::<(u128, Option<u128>)>()
            .prop_map(|(first, last)| NatAddresses::V6(first.into(), last.map(Into::into))),
    ];
    let ports = option::of(any::<(u16, Option<u16>)>());
    (direction, choice, addresses, ports, any::<bool>()).prop_map(
        |(direction, choice, addresses, ports, persistent)| Nat {
            direction,
            addresses,
            ports,
            persistent,
            choice,
        },
    )
}
