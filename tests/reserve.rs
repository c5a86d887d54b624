//! The map of the reserve: what it gives away never overlaps, and comes back whole.

#[path = "../src/reserve.rs"]
mod reserve;

use reserve::{GRANULE, Taken};

#[test]
fn gives_the_first_gap_that_is_large_enough() {
    let mut taken = Taken::<1>::none();
    let cases = [(1, Some(0)), (GRANULE, Some(1)), (GRANULE + 1, Some(2)), (0, Some(4)), (60 * GRANULE, None)];
    for (size, granule) in cases {
        assert_eq!(taken.take(size), granule.map(|granule| granule * GRANULE), "{size}");
    }
    assert_eq!(taken.take(59 * GRANULE), Some(5 * GRANULE), "all that is left");
    assert_eq!(taken.take(1), None);
    taken.give_back(2 * GRANULE, GRANULE + 1);
    assert_eq!(taken.take(2 * GRANULE + 1), None);
    assert_eq!(taken.take(2 * GRANULE), Some(2 * GRANULE));
}

#[test]
fn never_gives_a_byte_twice() {
    const WORDS: usize = 8;
    let mut taken = Taken::<WORDS>::none();
    let mut blocks: Vec<(usize, usize)> = Vec::new();
    let mut state = 0x5EED_u64;
    for _ in 0..20_000 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let number = usize::try_from(state >> 33).expect("31 bits");
        if number % 2 == 0 && !blocks.is_empty() {
            let (offset, size) = blocks.swap_remove(number / 2 % blocks.len());
            taken.give_back(offset, size);
        } else if let Some(offset) = taken.take(number % 5000) {
            let size = number % 5000;
            assert!(offset % GRANULE == 0 && offset + size <= 64 * WORDS * GRANULE, "{offset} {size}");
            let apart =
                |&(other, length): &(usize, usize)| offset + size.max(1) <= other || other + length.max(1) <= offset;
            assert!(blocks.iter().all(apart), "{offset} {size} in {blocks:?}");
            blocks.push((offset, size));
        }
    }
    blocks.into_iter().for_each(|(offset, size)| taken.give_back(offset, size));
    assert_eq!(taken.take(64 * WORDS * GRANULE), Some(0), "all of it, once all has come back");
}
