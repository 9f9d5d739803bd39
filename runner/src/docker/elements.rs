//! The objects of a JSON list, one by one while it comes: a list of ten thousand
//! has tens of megabytes, and each of its objects a kilobyte.

/// Takes a list apart.
#[derive(Debug, Default)]
pub(super) struct Elements {
    /// What has come of the object that is not whole yet.
    begun: Vec<u8>,
    /// How many brackets are open.
    depth: u32,
    in_text: bool,
    escaped: bool,
    ended: bool,
}

impl Elements {
    /// Takes the next piece, and hands on each object that it completes.
    pub(super) fn take(&mut self, piece: &[u8], mut each: impl FnMut(&[u8])) {
        // Where in this piece the object begins that is under way.
        let mut from = (self.depth > 1).then_some(0);
        for (at, &byte) in piece.iter().enumerate() {
            if self.in_text {
                self.within_text(byte);
                continue;
            }
            match byte {
                b'"' => self.in_text = true,
                b'[' | b'{' => {
                    if self.depth == 1 {
                        from = Some(at);
                    }
                    self.depth += 1;
                }
                b']' | b'}' => {
                    self.depth = self.depth.saturating_sub(1);
                    if let (1, Some(begin)) = (self.depth, from.take_if(|_| self.depth == 1)) {
                        self.begun.extend_from_slice(&piece[begin..=at]);
                        each(&self.begun);
                        self.begun.clear();
                    }
                    self.ended |= self.depth == 0;
                }
                _ => {}
            }
        }
        if let Some(begin) = from {
            self.begun.extend_from_slice(&piece[begin..]);
        }
    }

    fn within_text(&mut self, byte: u8) {
        match byte {
            _ if self.escaped => self.escaped = false,
            b'\\' => self.escaped = true,
            b'"' => self.in_text = false,
            _ => {}
        }
    }

    /// Whether the list has come to its end.
    pub(super) fn is_whole(&self) -> bool {
        self.ended
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIST: &str = r#"[{"a":"]}\"[{\\"},{"b":[1,{"c":[]}]}
        , {}]"#;

    fn taken(pieces: &[&[u8]]) -> (Vec<String>, bool) {
        let (mut elements, mut seen) = (Elements::default(), Vec::new());
        for piece in pieces {
            elements.take(piece, |it| {
                seen.push(String::from_utf8(it.to_vec()).unwrap());
            });
        }
        (seen, elements.is_whole())
    }

    #[test]
    fn brackets_within_texts_and_objects_end_nothing() {
        let expected = [r#"{"a":"]}\"[{\\"}"#, r#"{"b":[1,{"c":[]}]}"#, "{}"];
        assert_eq!(
            taken(&[LIST.as_bytes()]),
            (expected.map(str::to_owned).into(), true)
        );
        assert_eq!(taken(&[b"[]\n"]), (Vec::new(), true));
    }

    #[test]
    fn a_list_that_breaks_off_is_not_whole() {
        let (seen, whole) = taken(&[&LIST.as_bytes()[..LIST.len() - 1]]);
        assert_eq!((seen.len(), whole), (3, false));
        assert!(!taken(&[]).1);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_pieces_end(ends in prop::collection::vec(0..LIST.len(), 0..9)) {
            let (mut ends, mut begin, mut pieces) = (ends, 0, Vec::new());
            ends.push(LIST.len());
            ends.sort_unstable();
            for end in ends {
                pieces.push(&LIST.as_bytes()[begin..end]);
                begin = end;
            }
            prop_assert_eq!(taken(&pieces), taken(&[LIST.as_bytes()]));
        }
    }
}
