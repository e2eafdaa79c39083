//! What lines look like, and that none is lost without a word.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;

use tracing::{debug, error, info, warn};
use tracing_subscriber::layer::SubscriberExt as _;

use crate::layer::{Form, LineLayer};
use crate::lines::{Lines, MOST, Output};

#[derive(Debug, thiserror::Error)]
#[error("changing the rules of router 7")]
struct Outer(#[source] Inner);

#[derive(Debug, thiserror::Error)]
#[error("running nft:\nno such table")]
struct Inner(#[source] std::fmt::Error);

fn text_lost(lost: u64) -> Vec<u8> {
    Form::Text { colours: false }.complaint(lost)
}

/// A file that is gone with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("diary-{name}-{}", std::process::id())))
    }

    fn open(&self) -> Output {
        Output::File(File::options().create(true).append(true).open(&self.0).unwrap())
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// What is in the log when this is logged, without its times.
fn logged(form: Form, log: impl FnOnce()) -> String {
    let scratch = Scratch::new(&format!("{:?}", std::thread::current().id()));
    let lines = Lines::start(scratch.open(), text_lost).unwrap();
    let subscriber = tracing_subscriber::registry().with(LineLayer { form, lines: lines.clone() });
    tracing::subscriber::with_default(subscriber, log);
    lines.flush();
    let is_time = |word: &str| word.len() == 27 && word.ends_with('Z') && word.starts_with("20");
    let text = scratch.text();
    let time =
        text.split(['"', ' ', '\n', 'm', '\x1b']).find(|word| is_time(word)).expect("a time").to_owned();
    let (day, _) = time.split_at(11);
    text.lines()
        .map(|line| {
            let at = line.find(day).unwrap();
            format!("{}TIME{}\n", &line[..at], &line[at + 27..])
        })
        .collect()
}

fn examples() {
    let error = Outer(Inner(std::fmt::Error));
    info!(network = %"9b71be4a", device = "tap \"1\"", "DHCP server listens");
    warn!(count = 3_u64, below = -1, is = true, "told {} times", 3);
    error!(error = &error as &dyn std::error::Error, "failed");
    debug!(name = %"a\nb\u{1b}[31m\u{85}ü", r#type = ?Some("x"), "from a guest");
    info!(target: "elsewhere", only = 1);
}

#[test]
fn text_is_what_people_know() {
    assert_eq!(
        logged(Form::Text { colours: false }, examples),
        "TIME  INFO diary::tests: DHCP server listens network=9b71be4a device=\"tap \\\"1\\\"\"\n\
         TIME  WARN diary::tests: told 3 times count=3 below=-1 is=true\n\
         TIME ERROR diary::tests: failed error=changing the rules of router 7 \
         error.sources=[running nft:\\nno such table, an error occurred when formatting an argument]\n\
         TIME DEBUG diary::tests: from a guest name=a\\nb\\u{1b}[31m\\u{85}ü type=Some(\"x\")\n\
         TIME  INFO elsewhere: only=1\n"
    );
}

#[test]
fn colours_are_around_words() {
    let line = logged(Form::Text { colours: true }, || info!(a = 1, "b"));
    assert_eq!(
        line,
        "\x1b[2mTIME\x1b[0m \x1b[32m INFO\x1b[0m \x1b[2mdiary::tests:\x1b[0m b \x1b[3ma\x1b[0m\x1b[2m=\x1b[0m1\n"
    );
}

#[test]
fn json_is_what_programs_know() {
    assert_eq!(
        logged(Form::Json, examples),
        "{\"timestamp\":\"TIME\",\"level\":\"INFO\",\"fields\":{\"message\":\"DHCP server listens\",\
         \"network\":\"9b71be4a\",\"device\":\"tap \\\"1\\\"\"},\"target\":\"diary::tests\"}\n\
         {\"timestamp\":\"TIME\",\"level\":\"WARN\",\"fields\":{\"message\":\"told 3 times\",\
         \"count\":3,\"below\":-1,\"is\":true},\"target\":\"diary::tests\"}\n\
         {\"timestamp\":\"TIME\",\"level\":\"ERROR\",\"fields\":{\"message\":\"failed\",\
         \"error\":\"changing the rules of router 7\",\"error.sources\":[\"running nft:\\nno such table\",\
         \"an error occurred when formatting an argument\"]},\"target\":\"diary::tests\"}\n\
         {\"timestamp\":\"TIME\",\"level\":\"DEBUG\",\"fields\":{\"message\":\"from a guest\",\
         \"name\":\"a\\nb\\u001b[31m\u{85}ü\",\"type\":\"Some(\\\"x\\\")\"},\"target\":\"diary::tests\"}\n\
         {\"timestamp\":\"TIME\",\"level\":\"INFO\",\"fields\":{\"only\":1},\"target\":\"elsewhere\"}\n"
    );
}

/// A value that logs while it is shown, and one of the crate `log`.
#[test]
fn lines_within_lines_are_lines() {
    struct Loud;
    impl std::fmt::Display for Loud {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            info!("inner");
            f.write_str("loud")
        }
    }
    let text = logged(Form::Text { colours: false }, || info!(value = %Loud, "outer"));
    // Which of them comes when is up to `tracing`, which may not pass on what is logged by a subscriber.
    assert!(text.ends_with("TIME  INFO diary::tests: outer value=loud\n"), "{text}");
}

#[test]
fn every_line_is_written_in_the_order_of_its_thread() {
    const LINES: usize = 5_000;
    let scratch = Scratch::new("threads");
    let lines = Lines::start(scratch.open(), text_lost).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let lines = &lines;
            scope.spawn(move || {
                for number in 0..LINES {
                    lines.push(format!("{thread} {number}\n").as_bytes(), number % 1000 == 7);
                    if number % 900 == 0 {
                        lines.flush();
                    }
                }
            });
        }
    });
    lines.end();
    lines.push(b"4 0\n", false);
    let text = scratch.text();
    let mut next = [0; 5];
    for line in text.lines() {
        let (thread, number) = line.split_once(' ').unwrap();
        let next = &mut next[thread.parse::<usize>().unwrap()];
        assert_eq!(number.parse::<usize>().unwrap(), *next);
        *next += 1;
    }
    assert_eq!(next, [LINES, LINES, LINES, LINES, 1]);
}

#[test]
fn a_file_that_was_moved_away_keeps_what_was_before() {
    let (old, new) = (Scratch::new("old"), Scratch::new("new"));
    let lines = Lines::start(old.open(), text_lost).unwrap();
    lines.push(b"before\n", false);
    lines.turn_to(new.open());
    lines.push(b"after\n", false);
    lines.flush();
    assert_eq!((old.text().as_str(), new.text().as_str()), ("before\n", "after\n"));
}

/// Nobody reads: whoever logs goes on. Then somebody does, and hears of what is missing.
#[test]
fn a_stuck_reader_stops_nobody() {
    let (reader, writer) = std::io::pipe().unwrap();
    let lines = Lines::start(Output::File(File::from(OwnedFd::from(writer))), text_lost).unwrap();
    let line = [b'x'; 1023].iter().chain(b"\n").copied().collect::<Vec<_>>();
    let pushed = 3 * MOST / line.len();
    (0..pushed).for_each(|_| lines.push(&line, false));
    let read = std::thread::spawn(move || {
        let mut text = Vec::new();
        File::from(OwnedFd::from(reader)).read_to_end(&mut text).map(|_| text)
    });
    lines.flush();
    lines.push(b"again\n", false);
    lines.flush();
    // The other end closes with the output.
    lines.turn_to(Output::StandardError);
    let text = String::from_utf8(read.join().unwrap().unwrap()).unwrap();
    let written = text.lines().filter(|line| line.starts_with("xxx")).count();
    let lost: usize =
        text.lines().filter_map(|line| line.split_once("are missing lost=")?.1.parse::<usize>().ok()).sum();
    assert!(lost > 0 && written > 0, "{lost} {written}");
    assert_eq!(written + lost, pushed);
    assert!(text.ends_with("again\n"));
}

/// A full disk.
#[test]
fn what_cannot_be_written_is_counted() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let after = Scratch::new("after");
    let lines: Arc<Lines> = Lines::start(Output::File(full), text_lost).unwrap();
    lines.push(b"one\n", false);
    lines.flush();
    lines.turn_to(after.open());
    lines.push(b"two\n", false);
    lines.flush();
    let text = after.text();
    assert!(text.starts_with("two\n") && text.ends_with("are missing lost=1\n"), "{text}");
}
