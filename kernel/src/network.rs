//! Sets of networks, and which way traffic went.

use crate::event::{INBOUND, INTERNAL, OUTBOUND};
use crate::value::Address;

/// Merged, sorted ranges of 128-bit addresses.
#[derive(Default)]
pub struct Networks {
    ranges: Vec<(u128, u128)>,
}

impl Networks {
    /// From first and last addresses, in any order, overlapping or not.
    pub fn new(mut ranges: Vec<(u128, u128)>) -> Self {
        ranges.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(ranges.len());
        for (first, last) in ranges {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        Self { ranges: merged }
    }

    pub fn contains(&self, address: &Address) -> bool {
        let value = u128::from_be_bytes(*address);
        let after = self.ranges.partition_point(|range| range.0 <= value);
        after.checked_sub(1).and_then(|at| self.ranges.get(at)).is_some_and(|range| value <= range.1)
    }
}

const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];

fn ipv4(address: &Address) -> Option<[u8; 4]> {
    let rest = address.strip_prefix(&MAPPED)?;
    rest.try_into().ok()
}

/// Networks that exist inside only; the same list as `core.addresses.PRIVATE_NETWORKS`.
pub fn is_private(address: &Address) -> bool {
    match ipv4(address) {
        Some([10 | 127, ..] | [192, 168, ..] | [169, 254, ..]) => true,
        Some([172, second, ..]) => (16..32).contains(&second),
        Some([100, second, ..]) => (64..128).contains(&second),
        Some(_) => false,
        None => {
            let [first, second, ..] = *address;
            first & 0xfe == 0xfc || (first == 0xfe && second & 0xc0 == 0x80) || *address == LOOPBACK
        }
    }
}

const LOOPBACK: Address = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];

/// Multicast, broadcast and "this host": never another party on the Internet.
pub fn is_local_only(address: &Address) -> bool {
    match ipv4(address) {
        Some([first, ..]) if (224..240).contains(&first) => true,
        Some([255, 255, 255, 255] | [0, ..]) => true,
        Some(_) => false,
        None => address.first() == Some(&0xff),
    }
}

/// The direction that private addresses alone tell; 0 (unknown) between two public ones.
pub fn plain_direction(src: &Address, dst: &Address) -> u8 {
    direction(src, dst, &is_private).unwrap_or(0)
}

/// The direction, given which addresses are the member's. None when neither end is.
pub fn direction(src: &Address, dst: &Address, is_home: &dyn Fn(&Address) -> bool) -> Option<u8> {
    let from_home = is_home(src) || is_local_only(src);
    match (from_home, is_home(dst) || (from_home && is_local_only(dst))) {
        (true, true) => Some(INTERNAL),
        (true, false) => Some(OUTBOUND),
        (false, true) => Some(INBOUND),
        (false, false) => None,
    }
}
