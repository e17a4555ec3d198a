//! Cuts the stream that `COPY ... TO STDOUT (FORMAT BINARY)` sends into its tuples.

/// What every binary COPY stream begins with.
pub(crate) const SIGNATURE: &[u8; 11] = b"PGCOPY\n\xff\r\n\0";
/// What every binary COPY stream ends with, in place of a field count.
pub(crate) const TRAILER: [u8; 2] = [0xff, 0xff];

/// Why a stream is no binary COPY.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SplitError {
    /// It does not begin as one.
    #[error("failed to find the signature of a binary COPY")]
    Signature,
    /// A length makes no sense.
    #[error("failed to read a tuple of a binary COPY")]
    Tuple,
    /// It ends before its trailer, or goes on after it.
    #[error("failed to find the end of a binary COPY")]
    End,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Tuples,
    Done,
}

/// Takes chunks cut anywhere, gives whole tuples. Holds no more than one unfinished tuple.
#[derive(Debug)]
pub(crate) struct TupleSplitter {
    state: State,
    pending: Vec<u8>,
}

impl Default for TupleSplitter {
    fn default() -> Self {
        Self { state: State::Header, pending: Vec::new() }
    }
}

impl TupleSplitter {
    /// Takes the next chunk; appends the tuples that it completes to `bytes`, and where each ends
    /// to `ends`.
    pub(crate) fn push(
        &mut self,
        chunk: &[u8],
        bytes: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<(), SplitError> {
        if self.pending.is_empty() {
            let used = self.consume(chunk, bytes, ends)?;
            self.pending.extend_from_slice(&chunk[used..]);
        } else {
            let mut pending = std::mem::take(&mut self.pending);
            pending.extend_from_slice(chunk);
            let used = self.consume(&pending, bytes, ends)?;
            pending.drain(..used);
            self.pending = pending;
        }
        Ok(())
    }

    /// Says whether the stream came to its proper end.
    pub(crate) fn finish(&self) -> Result<(), SplitError> {
        let whole = self.state == State::Done && self.pending.is_empty();
        if whole { Ok(()) } else { Err(SplitError::End) }
    }

    fn consume(
        &mut self,
        data: &[u8],
        bytes: &mut Vec<u8>,
        ends: &mut Vec<usize>,
    ) -> Result<usize, SplitError> {
        let mut at = 0;
        loop {
            let rest = &data[at..];
            let used = match self.state {
                State::Header => header(rest)?.inspect(|_| self.state = State::Tuples),
                State::Tuples if rest.starts_with(&TRAILER) => {
                    self.state = State::Done;
                    Some(TRAILER.len())
                }
                State::Tuples => tuple(rest)?.inspect(|&length| {
                    bytes.extend_from_slice(&rest[..length]);
                    ends.push(bytes.len());
                }),
                State::Done if rest.is_empty() => None,
                State::Done => return Err(SplitError::End),
            };
            match used {
                Some(used) => at += used,
                None => return Ok(at),
            }
        }
    }
}

/// The length of the header, once it is there as a whole.
fn header(data: &[u8]) -> Result<Option<usize>, SplitError> {
    let known = data.len().min(SIGNATURE.len());
    if data[..known] != SIGNATURE[..known] {
        return Err(SplitError::Signature);
    }
    let Some(extension) = data.get(15..19).and_then(|four| four.first_chunk()) else {
        return Ok(None);
    };
    let length =
        usize::try_from(i32::from_be_bytes(*extension)).ok().ok_or(SplitError::Signature)?;
    Ok((data.len() >= 19 + length).then_some(19 + length))
}

/// The length of the first tuple, once it is there as a whole.
fn tuple(data: &[u8]) -> Result<Option<usize>, SplitError> {
    let Some(fields) = data.first_chunk() else { return Ok(None) };
    let fields = u16::try_from(i16::from_be_bytes(*fields)).ok().ok_or(SplitError::Tuple)?;
    let mut at = 2;
    for _ in 0..fields {
        let Some(length) = data.get(at..at + 4).and_then(|four| four.first_chunk()) else {
            return Ok(None);
        };
        at += 4;
        match i32::from_be_bytes(*length) {
            -1 => {}
            length => at += usize::try_from(length).ok().ok_or(SplitError::Tuple)?,
        }
        if at > data.len() {
            return Ok(None);
        }
    }
    Ok(Some(at))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Fields = Vec<Option<Vec<u8>>>;

    fn written(rows: &[Fields]) -> (Vec<u8>, Vec<Vec<u8>>) {
        let mut stream = [&SIGNATURE[..], &[0; 8]].concat();
        let mut tuples = Vec::new();
        for row in rows {
            let mut tuple = i16::try_from(row.len()).unwrap().to_be_bytes().to_vec();
            for field in row {
                let length = field.as_ref().map_or(-1, |f| i32::try_from(f.len()).unwrap());
                tuple.extend_from_slice(&length.to_be_bytes());
                tuple.extend_from_slice(field.as_deref().unwrap_or_default());
            }
            stream.extend_from_slice(&tuple);
            tuples.push(tuple);
        }
        stream.extend_from_slice(&TRAILER);
        (stream, tuples)
    }

    proptest! {
        #[test]
        fn any_cut_gives_the_same_tuples(
            rows in prop::collection::vec(
                prop::collection::vec(prop::option::of(prop::collection::vec(any::<u8>(), 0..9)), 0..4),
                0..8,
            ),
            sizes in prop::collection::vec(1usize..12, 1..40),
        ) {
            let (stream, tuples) = written(&rows);
            let mut splitter = TupleSplitter::default();
            let (mut bytes, mut ends) = (Vec::new(), Vec::new());
            let mut rest = &stream[..];
            let mut sizes = sizes.iter().cycle();
            while !rest.is_empty() {
                prop_assert_eq!(splitter.finish(), Err(SplitError::End));
                let (chunk, after) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
                splitter.push(chunk, &mut bytes, &mut ends).unwrap();
                rest = after;
            }
            prop_assert_eq!(splitter.finish(), Ok(()));
            let starts = std::iter::once(0).chain(ends.iter().copied());
            let got: Vec<Vec<u8>> =
                starts.zip(&ends).map(|(from, &to)| bytes[from..to].to_vec()).collect();
            prop_assert_eq!(got, tuples);
            prop_assert_eq!(splitter.push(b"x", &mut bytes, &mut ends), Err(SplitError::End));
        }
    }

    #[test]
    fn what_is_no_copy_is_refused() {
        let push =
            |data: &[u8]| TupleSplitter::default().push(data, &mut Vec::new(), &mut Vec::new());
        assert_eq!(push(b"PGCOPX"), Err(SplitError::Signature));
        let bad = [&SIGNATURE[..], &[0; 8], &[0, 1, 0xff, 0xff, 0xff, 0xfe]].concat();
        assert_eq!(push(&bad), Err(SplitError::Tuple));
    }
}
