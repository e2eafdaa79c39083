//! Processes that somebody else left, found and ended.

#![allow(clippy::unwrap_used)]

mod seen;

use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use host::netns;
use host::process::{Argument, Error, Proof, Signal};

use seen::until;

/// Starts a shell under another name in a namespace. It writes its number itself when it is ready.
fn start(namespace: &str, folder: &Path, script: &str) -> Child {
    std::fs::create_dir_all(folder).unwrap();
    let ready = format!("{script}; echo $$ > {}/pid; while :; do sleep 0.02; done", folder.display());
    Command::new("ip")
        .args(["netns", "exec", namespace, "bash", "-c", "exec -a \"$0\" bash -c \"$1\" \"$2\" \"$3\""])
        .args(["/usr/sbin/served", &ready, "-f", &format!("{}/served.conf", folder.display())])
        .spawn()
        .unwrap()
}

fn proof(namespace: &str, folder: &Path) -> Proof {
    Proof {
        pid_file: folder.join("pid"),
        namespace: namespace.to_owned(),
        program: "served",
        argument: Argument { begins: "", ends: format!("{}/served.conf", folder.display()) },
    }
}

/// A namespace with a process in it that is there and ready.
async fn started(name: &str, script: &str) -> (Child, Proof, PathBuf) {
    let folder = std::env::temp_dir().join(name);
    netns::create(name).await.unwrap();
    let child = start(name, &folder, script);
    let proof = proof(name, &folder);
    until("the process is found", || proof.find() == Some(child.id())).await;
    (child, proof, folder)
}

#[tokio::test]
async fn one_that_listens_to_a_word_ends_at_it() {
    let (mut child, proof, _) = started("polite", "true").await;
    let signals = [(Signal::SIGTERM, Duration::from_secs(10)), (Signal::SIGKILL, Duration::from_secs(10))];
    proof.end(child.id(), &signals).await.unwrap();
    assert_eq!(proof.find(), None);
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(15));
    proof.end(child.id(), &signals).await.expect("one that is gone is a success");
}

#[tokio::test]
async fn one_that_does_not_listen_is_killed_after_its_time() {
    let (mut child, proof, _) = started("stubborn", "trap '' TERM").await;
    let polite = [(Signal::SIGTERM, Duration::from_millis(50))];
    let error = proof.end(child.id(), &polite).await.unwrap_err();
    assert!(matches!(error, Error::Remains { process } if process == child.id()), "{error:?}");
    let signals = [polite[0], (Signal::SIGKILL, Duration::from_secs(10))];
    proof.end(child.id(), &signals).await.unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&child.wait().unwrap()), Some(9));
}

#[tokio::test]
async fn a_number_alone_proves_nothing() {
    let (mut child, proof, folder) = started("proven", "true").await;
    netns::create("elsewhere").await.unwrap();
    let found = |change: &dyn Fn(&mut Proof)| {
        let mut other = proof.clone();
        change(&mut other);
        other.find()
    };
    assert_eq!(found(&|_| {}), Some(child.id()));
    assert_eq!(found(&|other| other.namespace = "elsewhere".to_owned()), None);
    assert_eq!(found(&|other| other.namespace = "absent".to_owned()), None);
    assert_eq!(found(&|other| other.program = "other"), None);
    assert_eq!(found(&|other| other.argument.ends = "/other.conf".to_owned()), None);
    for text in ["", "1", "0", "-1", "x", "99999999999", "4294967295"] {
        std::fs::write(folder.join("pid"), text).unwrap();
        assert_eq!(proof.find(), None, "{text}");
    }
    // What is not the one is not ended.
    let signals = [(Signal::SIGKILL, Duration::from_secs(1))];
    proof.end(child.id(), &signals).await.unwrap();
    assert_eq!(child.try_wait().unwrap(), None);
    child.kill().unwrap();
    child.wait().unwrap();
}
