//! Golden packets: every folder of `packets/` has a table, requests, and what the server says to each.
//!
//! `table.yaml` stands in the folder, or one above for all cases that have none. `request.txt` has one or
//! more requests with an empty line between them; `reply.txt` has the answers. To write the answers anew:
//! `UPDATE_GOLDEN=1 cargo test -p dhcp --test packets`, and then read the difference.

mod packet;

use std::fs;
use std::path::Path;

use packet::{request, table, text};

#[test]
fn every_request_has_its_answer() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/packets");
    let mut wrong = Vec::new();
    let mut cases: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.retain(|path| path.is_dir());
    cases.sort();
    assert!(cases.len() > 15, "the cases are gone");
    for case in cases {
        let name = case.file_name().unwrap().to_string_lossy().into_owned();
        let yaml = [case.join("table.yaml"), folder.join("table.yaml")];
        let yaml = yaml.iter().find_map(|path| fs::read_to_string(path).ok()).unwrap();
        let table = table::read(&yaml).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        let requests = fs::read_to_string(case.join("request.txt")).unwrap();
        let said: Vec<String> = requests
            .split("\n\n")
            .filter(|text| !text.trim().is_empty())
            .map(|text| {
                let asked = request::read(text).unwrap_or_else(|error| panic!("{name}: {error:#}"));
                let (_, answer) = dhcp::server::reply::answer(&table, |_| asked.held, &asked.packet);
                text::answer(&answer)
            })
            .collect();
        let said = said.join("\n");
        let golden = case.join("reply.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&golden, &said).unwrap();
        } else if fs::read_to_string(&golden).unwrap_or_default() != said {
            wrong.push(format!("{name}:\n{said}"));
        }
    }
    assert!(wrong.is_empty(), "these answers differ from reply.txt:\n\n{}", wrong.join("\n\n"));
}
