//! Golden cases. Every folder of `tests/cases` holds a router, what its namespace is to be like, its rules
//! and the plan that makes it:
//!
//! * `router.yaml`: the router as the controller says it;
//! * `before.yaml` (optional): the router as it was; the plan then leads from that one to this one;
//! * `spec.txt`, `ruleset.nft`, `plan.txt`: what comes out.
//!
//! `UPDATE_GOLDEN=1 cargo test -p router --test cases` writes the last three anew.

#![allow(clippy::unwrap_used, reason = "a test may fail anywhere")]

mod kernel_model;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use model::{Desired, Router, Scope};
use router::actual::Found;
use router::compile::compile;
use router::plan::plan;
use router::spec::{Forwarding, InterfaceSpec};
use router::{Actual, Config, RouterSpec, Spec};

fn config() -> Config {
    Config::new("node1".into())
}

fn spec(path: &Path) -> Spec {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let router: Router = serde_saphyr::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut desired = Desired::default();
    desired.set_router(router);
    compile(&desired, &config(), &Scope::All)
}

fn only(spec: &Spec) -> Option<&RouterSpec> {
    spec.routers.values().next().and_then(Option::as_ref)
}

/// The state in which everything of `spec` exists.
fn made(spec: &Spec) -> Actual {
    let mut actual = Actual::default();
    actual.arrived.extend(only(spec).into_iter().flat_map(kernel_model::devices));
    let plan = plan(spec, &actual);
    kernel_model::run(&mut actual, &plan);
    // As the domain knows what it wanted last.
    for found in actual.routers.values_mut() {
        if let Found::Namespace(snapshot) = found {
            snapshot.translations = only(spec).map(|spec| spec.translations.clone());
        }
    }
    actual
}

fn text(spec: &RouterSpec) -> String {
    let mut out = String::new();
    for (device, interface) in &spec.interfaces {
        describe(&mut out, device, interface);
    }
    for (destination, hops) in &spec.routes {
        for hop in hops {
            let via = hop.via.map_or("directly".to_owned(), |via| format!("via {via}"));
            writeln!(out, "route {destination} {via} on {}", hop.device).unwrap();
        }
    }
    for (key, value) in &spec.sysctls {
        writeln!(out, "{key}={value}").unwrap();
    }
    for (floating, fixed) in &spec.translations.floating {
        writeln!(out, "floating {floating} is {fixed}").unwrap();
    }
    for (floating, forwardings) in &spec.translations.forwarded {
        for Forwarding { protocol, external, fixed, internal } in forwardings {
            writeln!(out, "{protocol} {external} of {floating} is {internal} of {fixed}").unwrap();
        }
    }
    for condition in &spec.unmet {
        writeln!(out, "waits for {condition}").unwrap();
    }
    out
}

fn describe(out: &mut String, device: &str, interface: &InterfaceSpec) {
    let mtu = interface.mtu.map_or("any".to_owned(), |mtu| mtu.to_string());
    writeln!(out, "{device} {} mtu {mtu}", interface.mac).unwrap();
    for address in &interface.addresses {
        writeln!(out, "    {address}").unwrap();
    }
    for floating in &interface.floating {
        writeln!(out, "    {floating}/32 after the rules").unwrap();
    }
    for (key, value) in &interface.sysctls {
        writeln!(out, "    {key}={value}").unwrap();
    }
}

fn check(path: &Path, got: &str, wrong: &mut Vec<String>) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, got).unwrap();
        return;
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    if expected != got {
        wrong.push(format!("{} should be:\n{expected}\nbut is:\n{got}", path.display()));
    }
}

#[test]
fn every_case_comes_out_as_written() {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut wrong = Vec::new();
    let mut folders: Vec<PathBuf> = fs::read_dir(cases).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    assert!(folders.len() >= 10, "cases are missing");
    for folder in folders {
        let want = spec(&folder.join("router.yaml"));
        let before = folder.join("before.yaml");
        let mut have = if before.exists() { made(&spec(&before)) } else { Actual::default() };
        let devices = only(&want).into_iter().flat_map(kernel_model::devices);
        let new: Vec<String> = devices.filter(|device| !kernel_model::has_device(&have, device)).collect();
        have.arrived.extend(new);
        let steps = plan(&want, &have);
        check(&folder.join("plan.txt"), &steps.to_string(), &mut wrong);
        if let Some(spec) = only(&want) {
            check(&folder.join("spec.txt"), &text(spec), &mut wrong);
            let ruleset = if spec.ruleset.is_empty() { String::new() } else { spec.ruleset.to_string() };
            check(&folder.join("ruleset.nft"), &ruleset, &mut wrong);
        }
        kernel_model::run(&mut have, &steps);
        let again = plan(&want, &have);
        assert!(again.is_empty(), "{}: a second plan is not empty:\n{again}", folder.display());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
