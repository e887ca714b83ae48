//! Custom fields of CEF and LEEF by what they are called: `cs1Label=Threat Name cs1=X` is the slot `label.Threat Name`, whatever the
//! field's number, and whichever of the two comes first.
//!
//! Only keys at a key's place are seen here. Of two fields with the same label, two labels of a field and two values of a field, the
//! first stands, filled or not, so that text further on, which a stranger may have written, changes nothing.

use smallvec::SmallVec;

/// How such a slot's name begins.
pub const PREFIX: &str = "label.";
const SUFFIX: &[u8] = b"Label";
/// Fields whose meaning their label says, each with a digit behind it: CEF's own (rev. 27), and their long names, which some write.
const FAMILIES: [&[u8]; 12] = [
    b"cs",
    b"cn",
    b"c6a",
    b"cfp",
    b"flexString",
    b"flexNumber",
    b"flexDate",
    b"deviceCustomDate",
    b"deviceCustomString",
    b"deviceCustomNumber",
    b"deviceCustomFloatingPoint",
    b"deviceCustomIPv6Address",
];

/// The labels that a pack asks for, with their slots.
#[derive(Default)]
pub struct Labels {
    wanted: Vec<(Box<[u8]>, usize)>,
}

impl Labels {
    /// Ask for a label. Errors say which one is asked for twice.
    pub fn add(&mut self, label: &str, slot: usize) -> Result<(), String> {
        if self.slot(label.as_bytes()).is_some() {
            return Err(format!("asks for the label {label:?} in two ways of writing; any case is found"));
        }
        self.wanted.push((label.as_bytes().into(), slot));
        Ok(())
    }

    fn slot(&self, label: &[u8]) -> Option<usize> {
        self.wanted.iter().find(|(wanted, _)| wanted.eq_ignore_ascii_case(label)).map(|(_, slot)| *slot)
    }

    /// What one line says of them.
    pub fn gather(&self) -> Gathered<'_, '_> {
        Gathered { labels: self, fields: SmallVec::new() }
    }
}

/// One custom field: the slot that its label gives it, and its value.
struct Field<'a> {
    number: usize,
    labelled: bool,
    slot: Option<usize>,
    value: Option<&'a [u8]>,
}

/// A line's custom fields; no more than there are families and digits.
pub struct Gathered<'l, 'a> {
    labels: &'l Labels,
    fields: SmallVec<[Field<'a>; 16]>,
}

impl<'a> Gathered<'_, 'a> {
    /// Take notice of a pair, in the order of the line.
    #[inline(always)]
    pub fn pair(&mut self, key: &[u8], value: &'a [u8]) {
        // Such keys end in a digit, or in `Label`.
        if !self.labels.wanted.is_empty() && key.last().is_some_and(|last| last.is_ascii_digit() || *last == b'l') {
            self.custom(key, value);
        }
    }

    fn custom(&mut self, key: &[u8], value: &'a [u8]) {
        let (base, is_label) = key.strip_suffix(SUFFIX).map_or((key, false), |base| (base, true));
        let Some(number) = number(base) else { return };
        let known = self.fields.iter().position(|field| field.number == number);
        let at = known.unwrap_or(self.fields.len());
        if known.is_none() {
            self.fields.push(Field { number, labelled: false, slot: None, value: None });
        }
        let taken = |slot: usize| self.fields.iter().any(|field| field.slot == Some(slot));
        let slot = if is_label { self.labels.slot(value).filter(|slot| !taken(*slot)) } else { None };
        let Some(field) = self.fields.get_mut(at) else { return };
        if !is_label {
            field.value = field.value.or(Some(value));
        } else if !field.labelled {
            field.labelled = true;
            field.slot = slot;
        }
    }

    /// The slots that labels give, with their fields' values.
    pub fn found(&self) -> impl Iterator<Item = (usize, &'a [u8])> {
        self.fields.iter().filter_map(|field| Some((field.slot?, field.value?)))
    }
}

/// A custom field's own number, from 0.
fn number(key: &[u8]) -> Option<usize> {
    let (digit, family) = key.split_last()?;
    let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10)?;
    let family = FAMILIES.iter().position(|known| *known == family)?;
    Some(family * 10 + usize::from(digit))
}
