//! Which packs would take a line.

use super::{Decoder, Silent, strip_padding};
use crate::event::Row;
use crate::syntax::Slots;
use crate::{header, repeated};

impl Decoder<'_> {
    /// All packs that would take a line if they were asked, in the order in which they are; for checking packs against each other.
    pub fn claims(&mut self, text: &[u8]) -> Vec<usize> {
        let (text, _) = strip_padding(text);
        let mut header = header::parse(text, &self.context);
        let text = repeated::unwrap(text, &mut header).unwrap_or(text);
        let library = self.library;
        let mut packs = Vec::new();
        let mut batch = self.decode(b"");
        let (mut direct, mut searched) = (Vec::new(), Vec::new());
        library.recogniser.direct(text, &header, &mut direct);
        library.recogniser.candidates(text, &mut searched);
        for &number in direct.iter().chain(&searched) {
            let mut place = (Slots::new(), Row::new());
            let found = self.try_line(number, text, &header, None, &mut batch, (&mut place.0, &mut place.1), &mut Silent);
            let sure = found.filter(|(outcome, _)| outcome.is_some());
            packs.extend(sure.map(|(_, pack)| pack).filter(|pack| !packs.contains(pack)));
        }
        packs
    }
}
