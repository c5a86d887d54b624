//! Which parts of a piece of memory are taken. Memory itself is not touched here.

/// The smallest part that is given away, in bytes.
pub const GRANULE: usize = 128;

/// A map of `64 * WORDS` granules.
pub struct Taken<const WORDS: usize>([u64; WORDS]);

impl<const WORDS: usize> Taken<WORDS> {
    pub const fn none() -> Self {
        Self([0; WORDS])
    }

    /// Takes the first gap of so many bytes, and gives its offset. `None` when there is none.
    pub fn take(&mut self, size: usize) -> Option<usize> {
        let wanted = granules(size);
        let mut free = 0;
        for granule in 0..64 * WORDS {
            free = if self.is_taken(granule) { 0 } else { free + 1 };
            if free == wanted {
                let first = granule + 1 - wanted;
                (first..=granule).for_each(|granule| self.0[granule / 64] |= 1 << (granule % 64));
                return Some(first * GRANULE);
            }
        }
        None
    }

    /// Gives back what `take` gave for the same size.
    pub fn give_back(&mut self, offset: usize, size: usize) {
        let first = offset / GRANULE;
        (first..first + granules(size)).for_each(|granule| self.0[granule / 64] &= !(1 << (granule % 64)));
    }

    fn is_taken(&self, granule: usize) -> bool {
        self.0[granule / 64] & 1 << (granule % 64) != 0
    }
}

/// How many granules hold so many bytes; one at least.
fn granules(size: usize) -> usize {
    size.div_ceil(GRANULE).max(1)
}
