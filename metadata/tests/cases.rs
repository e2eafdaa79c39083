//! Golden cases and properties of what must listen and what is done about it. Every folder of `tests/cases` holds
//!
//! * `wanted.yaml`: networks, subnets, ports and routers as the controller says them;
//! * `config.yaml` (optional): settings that differ from those of most cases;
//! * `plan.txt`: what is done on a node where nothing listens.
//!
//! `UPDATE_GOLDEN=1 cargo test -p metadata --test cases` writes the last one anew.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use host::netns;
use metadata::actual::Opened;
use metadata::compile::compile;
use metadata::place::{Bind, Place};
use metadata::plan::plan;
use metadata::spec::PlaceSpec;
use metadata::step::Change;
use metadata::{Actual, Config, Spec, Step};
use model::{Desired, Network, NetworkId, Plan, Port, Router, RouterId, Scope, Stage, Subnet};
use proptest::collection::{btree_map, btree_set};
use proptest::prelude::*;
use uuid::Uuid;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct Wanted {
    networks: Vec<Network>,
    subnets: Vec<Subnet>,
    ports: Vec<Port>,
    routers: Vec<Router>,
}

#[derive(serde::Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    force: bool,
    metadata_network: bool,
    use_veth: bool,
}

fn read<T: serde::de::DeserializeOwned + Default>(path: &Path) -> T {
    if !path.exists() {
        return T::default();
    }
    let text = fs::read_to_string(path).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn wanted(folder: &Path) -> (Desired, Config) {
    let wanted: Wanted = read(&folder.join("wanted.yaml"));
    let settings: Settings = read(&folder.join("config.yaml"));
    let mut desired = Desired::default();
    wanted.networks.into_iter().for_each(|network| desired.set_network(network));
    wanted.subnets.into_iter().for_each(|subnet| desired.set_subnet(subnet));
    wanted.ports.into_iter().for_each(|port| desired.set_port(port));
    wanted.routers.into_iter().for_each(|router| desired.set_router(router));
    let config = Config {
        isolated: true,
        force: settings.force,
        metadata_network: settings.metadata_network,
        use_veth: settings.use_veth,
        ..Config::new("node1".into())
    };
    (desired, config)
}

#[test]
fn every_case_comes_out_as_written() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut folders: Vec<PathBuf> = fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 9, "cases are missing");
    let mut wrong = Vec::new();
    for folder in folders {
        let (desired, config) = wanted(&folder);
        let spec = compile(&desired, &config, &Scope::All);
        let got = plan(&spec, &Actual::default()).to_string();
        let path = folder.join("plan.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &got).unwrap();
        } else if fs::read_to_string(&path).unwrap_or_default() != got {
            wrong.push(format!("{} is:\n{got}", path.display()));
        }
        // What is looked at alone is decided in the same way.
        for object in desired.networks().keys().map(|id| Place::Network(*id).object()) {
            let alone = compile(&desired, &config, &Scope::Objects([object].into()));
            let place = Place::of(object).unwrap();
            assert_eq!(
                alone.places[&place],
                spec.places.get(&place).cloned().flatten(),
                "{}",
                folder.display()
            );
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn any_place() -> impl Strategy<Value = Place> {
    (0..3u128, any::<bool>()).prop_map(|(number, router)| match router {
        true => Place::Router(RouterId(Uuid::from_u128(number))),
        false => Place::Network(NetworkId(Uuid::from_u128(number))),
    })
}

fn any_bind() -> impl Strategy<Value = Bind> {
    prop_oneof![
        Just(Bind::Port(9697)),
        Just(Bind::V4),
        (0..2u8).prop_map(|number| Bind::V6 { device: format!("tap{number}") }),
    ]
}

fn any_spec() -> impl Strategy<Value = Spec> {
    let place = (btree_set(any_bind(), 1..4), any_place());
    let place = place.prop_map(|(binds, guests_of)| PlaceSpec { binds, guests_of });
    btree_map(any_place(), proptest::option::of(place), 0..6).prop_map(|places| Spec {
        everything: true,
        places,
        ..Spec::default()
    })
}

/// What is there when a plan was carried out, on a kernel where every namespace and device exists.
fn done(mut have: Actual, plan: &Plan<Step>) -> Actual {
    let namespace = netns::identity_of_this_thread().unwrap();
    for planned in &plan.steps {
        let found = have.places.entry(planned.step.place).or_default();
        found.namespace = Some(namespace);
        match &planned.step.change {
            Change::Close { bind } => {
                assert!(found.open.remove(bind).is_some(), "{} is not open", planned.step);
            }
            Change::Open { bind, guests_of } => {
                let device = match bind {
                    Bind::V6 { device } => Some(*found.devices.entry(device.clone()).or_insert(7)),
                    _ => None,
                };
                found.arrived.clear();
                let opened = Opened { namespace, device, guests_of: *guests_of };
                found.open.insert(bind.clone(), opened);
            }
            Change::EndLeftover { .. } => found.leftover = None,
        }
    }
    have
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn one_plan_is_enough(old in any_spec(), new in any_spec()) {
        let have = done(Actual::default(), &plan(&old, &Actual::default()));
        prop_assert!(plan(&old, &have).is_empty());
        let steps = plan(&new, &have);
        prop_assert!(steps.steps.is_sorted_by_key(|planned| planned.stage));
        let have = done(have, &steps);
        let again = plan(&new, &have);
        prop_assert!(again.is_empty(), "after\n{steps}again\n{again}");
    }

    #[test]
    fn an_incomplete_picture_closes_nothing(old in any_spec(), new in any_spec()) {
        let have = done(Actual::default(), &plan(&old, &Actual::default()));
        let mut steps = plan(&new, &have);
        steps.keep_everything();
        prop_assert!(steps.steps.iter().all(|planned| planned.stage == Stage::StartServices));
    }

    /// A namespace that is another one, a device that is another one or is coming: what was opened there is
    /// opened again, and nothing else is.
    #[test]
    fn what_is_dead_is_opened_again(spec in any_spec(), dead in any_place(), how in 0..3u8) {
        let mut have = done(Actual::default(), &plan(&spec, &Actual::default()));
        if let Some(found) = have.places.get_mut(&dead) {
            match how {
                0 => found.namespace = None,
                1 => found.devices.values_mut().for_each(|index| *index += 1),
                _ => found.arrived = found.devices.keys().cloned().collect(),
            }
        }
        let steps = plan(&spec, &have).steps;
        prop_assert!(steps.iter().all(|planned| planned.step.place == dead));
        let binds: BTreeMap<_, _> = have.places.remove(&dead).unwrap_or_default().open;
        let expected = binds.keys().filter(|bind| how == 0 || matches!(bind, Bind::V6 { .. })).count();
        prop_assert_eq!(steps.len(), expected);
    }
}
