//! Who follows a line on its way.

use crate::header::Header;
use crate::pack::{Kind, Line};
use crate::syntax::{Slots, Split};

/// What is told of one line's way, for `explain`.
pub trait Observer {
    fn header(&mut self, _header: &Header) {}
    fn candidate(&mut self, _line: &Line) {}
    fn split(&mut self, _line: &Line, _slots: &Slots, _split: Split) {}
    fn kind(&mut self, _line: &Line, _kind: &Kind, _slots: &Slots) {}
    fn note(&mut self, _text: &str) {}
}

pub struct Silent;
impl Observer for Silent {}
