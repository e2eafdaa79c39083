//! Recorded messages and answers with anything in them replaced by anything: nothing of it may stop the machine,
//! and none of it takes away what other objects are.

use proptest::prelude::*;

use super::bench::*;
use super::*;

const MESSAGES: [(&str, &str); 9] = [
    ("push", include_str!("../../../tests/wire/push/port_bound.json")),
    ("push", include_str!("../../../tests/wire/push/port_deleted.json")),
    ("push", include_str!("../../../tests/wire/push/network_updated.json")),
    ("add_fdb_entries", include_str!("../../../tests/wire/add_fdb_entries/table.json")),
    ("remove_fdb_entries", include_str!("../../../tests/wire/remove_fdb_entries/port.json")),
    ("update_fdb_entries", include_str!("../../../tests/wire/update_fdb_entries/address_added.json")),
    ("tunnel_update", include_str!("../../../tests/wire/tunnel_update/gre.json")),
    ("port_update", include_str!("../../../tests/wire/port_update/port.json")),
    ("network_update", include_str!("../../../tests/wire/network_update/mtu.json")),
];

const ANSWERS: [&str; 4] = [
    include_str!("../../../tests/wire/bulk_pull/port.json"),
    include_str!("../../../tests/wire/bulk_pull/network_tunnel.json"),
    include_str!("../../../tests/wire/update_device_list/plain.json"),
    include_str!("../../../tests/wire/tunnel_sync/vxlan.json"),
];

fn recorded(text: &str, part: &str) -> Value {
    serde_json::from_str::<Value>(text).unwrap()[part].take()
}

fn anything() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("x".repeat(100_000))),
        Just(json!([])),
        Just(json!({})),
        Just(json!([[], {}, null, 1, "fa:16:3e:00:00:01"])),
        Just(json!(vec![0; 5000])),
        Just(json!({"versioned_object.data": {"id": 7}})),
    ]
}

/// Replaces what a walk of so many steps leads to.
fn replace(value: &mut Value, walk: &[usize], by: Value) {
    let Some((step, rest)) = walk.split_first() else {
        *value = by;
        return;
    };
    let inside = match value {
        Value::Array(values) if !values.is_empty() => {
            let index = step % values.len();
            &mut values[index]
        }
        Value::Object(fields) if !fields.is_empty() => {
            let key = fields.keys().nth(step % fields.len()).unwrap().clone();
            &mut fields[&key]
        }
        _ => {
            *value = by;
            return;
        }
    };
    replace(inside, rest, by);
}

fn mangled() -> impl Strategy<Value = (Vec<usize>, Value)> {
    (prop::collection::vec(any::<usize>(), 1..9), anything())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn mangled_messages_harm_nobody(
        messages in prop::collection::vec((0..MESSAGES.len(), mangled()), 1..20),
        answers in prop::collection::vec((0..ANSWERS.len(), mangled()), 1..20),
    ) {
        let mut server = Server::with_networks(1);
        let mut bench = Bench::new(config(true));
        let port = server.create(1, 0, HERE);
        bench.plug(port);
        // The port of the recordings lives here too.
        bench.plug("c4e51b13-15c3-4b7e-b41b-deddf256ba6b".parse().unwrap());
        bench.begin();
        bench.converge(&mut server);
        let known = (bench.sum.ports[&port].clone(), bench.sum.networks[&network_id(0)].clone());
        for (which, (walk, by)) in messages {
            let (method, text) = MESSAGES[which];
            let mut args = recorded(text, "args");
            replace(&mut args, &walk, by);
            if args.is_object() {
                bench.push(&message("some topic", method, args));
            }
        }
        prop_assert!(bench.complaints.iter().all(|text| text.len() < 2000));
        prop_assert_eq!((&bench.sum.ports[&port], &bench.sum.networks[&network_id(0)]), (&known.0, &known.1));
        bench.hear(Event::Gap);
        for (which, (walk, by)) in answers {
            let Some((ask, _)) = bench.next() else { break };
            // An honest list without the port would say that it is gone.
            if !matches!(&ask, Ask::L2(L2Ask::Ports(_) | L2Ask::Networks(_))) || which > 1 {
                let mut answer = recorded(ANSWERS[which], "result");
                replace(&mut answer, &walk, by);
                if !answer.is_array() {
                    bench.hear(Event::Answer(ask, Ok(answer)));
                    continue;
                }
            }
            bench.hear(Event::Answer(ask, Err(Fault::Unreachable)));
        }
        bench.converge(&mut server);
        prop_assert_eq!((&bench.sum.ports[&port].port, &bench.sum.networks[&network_id(0)]), (&known.0.port, &known.1));
        prop_assert!(bench.sum.complete);
    }
}
