use std::collections::VecDeque;
use std::fmt::Write;

use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes that are kept of the beginning of a stream, and as many of its end.
const KEPT: usize = 16 << 10;
/// Lines of the end that an error repeats.
const LAST: usize = 5;
/// What stands where a secret was.
const MASK: &[u8] = b"***";

/// What a program printed: the beginning and the end, without the secrets that it was given.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Captured {
    /// Standard output.
    pub(crate) stdout: String,
    /// Standard error.
    pub(crate) stderr: String,
}

impl Captured {
    /// The last lines of what it said, the errors where there are any.
    pub(super) fn last_words(&self) -> Vec<String> {
        let said = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        let lines: Vec<_> = said.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(LAST)..].iter().map(|line| (*line).to_owned()).collect()
    }
}

/// Reads a stream to its end in bounded memory.
pub(super) async fn read(
    mut stream: impl AsyncRead + Unpin,
    secrets: &[String],
) -> std::io::Result<String> {
    let mut kept = Kept::default();
    let mut mask = Mask::new(secrets);
    let mut chunk = vec![0; 8 << 10];
    loop {
        let read = stream.read(&mut chunk).await?;
        if read == 0 {
            kept.add(&mask.rest());
            return Ok(kept.text());
        }
        kept.add(&mask.pass(&chunk[..read]));
    }
}

/// Hides secrets in a stream, also where one is cut between two reads.
struct Mask {
    secrets: Vec<Vec<u8>>,
    held: Vec<u8>,
    longest: usize,
}

impl Mask {
    fn new(secrets: &[String]) -> Self {
        let mut secrets: Vec<Vec<u8>> =
            secrets.iter().map(|secret| secret.clone().into()).collect();
        secrets.retain(|secret| !secret.is_empty());
        // One that holds another goes first.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let longest = secrets.first().map_or(0, Vec::len);
        Self { secrets, held: Vec::new(), longest }
    }

    /// Gives what can be shown by now; what may be the beginning of a secret waits.
    fn pass(&mut self, bytes: &[u8]) -> Vec<u8> {
        self.held.extend_from_slice(bytes);
        let waits = self.longest.saturating_sub(1);
        self.show(waits)
    }

    fn rest(&mut self) -> Vec<u8> {
        self.show(0)
    }

    fn show(&mut self, waits: usize) -> Vec<u8> {
        let mut shown = Vec::new();
        let mut at = 0;
        while at + waits < self.held.len() {
            let rest = &self.held[at..];
            if let Some(secret) = self.secrets.iter().find(|secret| rest.starts_with(secret)) {
                shown.extend_from_slice(MASK);
                at += secret.len();
            } else {
                shown.push(rest[0]);
                at += 1;
            }
        }
        self.held.drain(..at.min(self.held.len()));
        shown
    }
}

/// The beginning and the end of a stream.
#[derive(Default)]
struct Kept {
    head: Vec<u8>,
    tail: VecDeque<u8>,
    dropped: u64,
}

impl Kept {
    fn add(&mut self, bytes: &[u8]) {
        let (first, rest) = bytes.split_at(bytes.len().min(KEPT - self.head.len()));
        self.head.extend_from_slice(first);
        self.tail.extend(rest);
        let over = self.tail.len().saturating_sub(KEPT);
        self.tail.drain(..over);
        self.dropped += over as u64;
    }

    fn text(mut self) -> String {
        let mut text = readable(&self.head);
        if self.dropped > 0 {
            let _infallible = write!(text, "\n[{} bytes left out]\n", self.dropped);
        }
        text.push_str(&readable(self.tail.make_contiguous()));
        text
    }
}

/// Text without what a terminal would obey.
fn readable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.chars().filter(|c| !c.is_control() || matches!(c, '\n' | '\t')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn captured(bytes: &[u8], secrets: &[&str]) -> String {
        let secrets: Vec<String> = secrets.iter().map(|secret| (*secret).to_owned()).collect();
        read(bytes, &secrets).await.unwrap()
    }

    #[tokio::test]
    async fn the_middle_of_much_is_left_out_and_counted() {
        let mut bytes = vec![b'a'; KEPT];
        bytes.extend(vec![b'b'; 100]);
        bytes.extend(vec![b'c'; KEPT]);
        let text = captured(&bytes, &[]).await;
        assert!(text.starts_with('a') && text.ends_with('c') && !text.contains("bb"));
        assert!(text.contains("[100 bytes left out]"));
        assert_eq!(captured(b"\x1b[31mred\n", &[]).await, "[31mred\n");
    }

    proptest::proptest! {
        #[test]
        fn no_secret_is_shown_however_it_is_cut(
            parts in proptest::collection::vec("[a-c]{0,6}|hush|hushhush", 0..20),
            cuts in proptest::collection::vec(1usize..7, 1..10),
        ) {
            let text = parts.concat();
            let mut mask = Mask::new(&["hush".to_owned(), "hushhush".to_owned()]);
            let (mut shown, mut rest) = (Vec::new(), text.as_bytes());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (now, later) = rest.split_at((*cut).min(rest.len()));
                shown.extend(mask.pass(now));
                rest = later;
            }
            shown.extend(mask.rest());
            let shown = String::from_utf8(shown).unwrap();
            assert!(!shown.contains("hush"), "{shown}");
            let clear = |text: &str| text.replace("hush", "").replace('*', "");
            assert_eq!(clear(&shown), clear(&text));
        }
    }
}
