//! What follows what: a product's lines repeat their keys in nearly the same order, so what stands between two values (a separator,
//! the next key, its equals sign, a quotation mark) is mostly known before it is read, and need only be compared.
//!
//! A guess is taken only when exactly the learnt bytes stand there, so that what is found never depends on what was seen before.
//! Memory is bounded; a line of endless new keys only loses the shortcut.

use hashbrown::HashMap;
use wide::u8x16;

/// More keys than any product's lines have.
const MOST_KEYS: usize = 512;
/// What stands between two values is compared at once.
pub const WIDTH: usize = 16;
/// Of a gap whose key nobody asks for.
const NOBODYS: u16 = u16::MAX;

/// What may be proved of a line by its keys, a bit each (`recognise.rs`).
pub type Proofs = u32;

/// What stands between two values: separators, a key, its equals sign, and perhaps the mark that begins a quoted value.
#[derive(Clone, Copy)]
pub struct Gap {
    text: u8x16,
    /// The bytes that count.
    mask: u8x16,
    pub proves: Proofs,
    slot: u16,
    /// What followed it the last time, and what the last time that it was something else: a product has lines of several kinds.
    next: u16,
    other: u16,
    pub length: u8,
    pub quoted: bool,
}

impl Gap {
    /// The slot of its key.
    #[inline(always)]
    pub fn slot(&self) -> Option<usize> {
        (self.slot != NOBODYS).then_some(usize::from(self.slot))
    }

    #[inline(always)]
    fn stands(&self, there: u8x16) -> bool {
        (there & self.mask).cmp_eq(self.text).move_mask() == 0xffff
    }
}

/// What one kind of line has taught.
pub struct Habit {
    gaps: Vec<Gap>,
    numbers: HashMap<[u8; WIDTH], u16>,
    /// The gap before the next one; 0 stands for the line's beginning.
    before: u16,
    /// What the gaps so far prove.
    pub proved: Proofs,
}

impl Default for Habit {
    fn default() -> Self {
        // The beginning follows nothing: its text is never found.
        let (text, mask) = (u8x16::splat(1), u8x16::splat(0));
        let beginning = Gap { text, mask, proves: 0, slot: NOBODYS, next: 0, other: 0, length: 0, quoted: false };
        Self { gaps: vec![beginning], numbers: HashMap::new(), before: 0, proved: 0 }
    }
}

/// The first bytes of `rest`, which is the end of `body`; zeros where it is shorter.
#[inline(always)]
fn first(rest: &[u8], body: &[u8]) -> Option<u8x16> {
    if let Some(first) = rest.first_chunk::<WIDTH>() {
        return Some(u8x16::new(*first));
    }
    let last = u128::from_le_bytes(*body.last_chunk::<WIDTH>()?);
    let missing = u32::try_from(8 * (WIDTH - rest.len())).ok()?;
    Some(u8x16::new(last.checked_shr(missing)?.to_le_bytes()))
}

impl Habit {
    pub fn begin(&mut self) {
        self.before = 0;
        self.proved = 0;
    }

    /// Go over the values in `rest`, which is the end of `body`, as long as the gaps are expected ones. `value` is given each gap and what follows it, and gives
    /// what follows the value; where it gives nothing, that value is left. Gives what is left.
    #[inline(always)]
    pub fn walk<'a>(
        &mut self,
        mut rest: &'a [u8],
        body: &[u8],
        mut value: impl FnMut(&Gap, &'a [u8]) -> Option<&'a [u8]>,
    ) -> &'a [u8] {
        let gaps = self.gaps.as_slice();
        let Some(mut before) = gaps.get(usize::from(self.before)) else { return rest };
        let (mut number, mut proved) = (self.before, self.proved);
        while let Some(there) = first(rest, body) {
            let mut next = before.next;
            let Some(mut gap) = gaps.get(usize::from(next)) else { break };
            if !gap.stands(there) {
                next = before.other;
                match gaps.get(usize::from(next)) {
                    Some(other) if other.stands(there) => gap = other,
                    _ => break,
                }
            }
            let Some(after) = rest.get(usize::from(gap.length)..).and_then(|after| value(gap, after)) else { break };
            (rest, before, number) = (after, gap, next);
            proved |= gap.proves;
        }
        (self.before, self.proved) = (number, proved);
        rest
    }

    /// Learn that `gap`, with a key and its equals sign, follows the one before.
    pub fn learn(&mut self, gap: &[u8], slot: Option<usize>, quoted: bool, proves: impl Fn() -> Proofs) {
        let mut text = [0; WIDTH];
        let Some(place) = text.get_mut(..gap.len()).filter(|place| !place.is_empty()) else {
            return;
        };
        place.copy_from_slice(gap);
        let number = match self.numbers.get(&text) {
            Some(&number) => number,
            None if self.gaps.len() < MOST_KEYS => {
                let mask = u8x16::new(std::array::from_fn(|lane| if lane < gap.len() { u8::MAX } else { 0 }));
                let slot = slot.and_then(|slot| u16::try_from(slot).ok()).unwrap_or(NOBODYS);
                let (number, length) = (self.gaps.len() as u16, gap.len() as u8);
                self.gaps.push(Gap { text: u8x16::new(text), mask, proves: proves(), slot, next: 0, other: 0, length, quoted });
                self.numbers.insert(text, number);
                number
            }
            None => return,
        };
        if let Some(before) = self.gaps.get_mut(usize::from(self.before)).filter(|before| before.next != number) {
            before.other = before.next;
            before.next = number;
        }
        self.before = number;
        self.proved |= self.gaps.get(usize::from(number)).map_or(0, |gap| gap.proves);
    }
}
