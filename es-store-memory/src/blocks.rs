//! What is only ever added to, in blocks: where there is no room left, nothing is moved, so that no commit is kept waiting by the length of the log.

/// How many elements are in a block.
const BLOCK: usize = 512;

pub(crate) struct Blocks<T> {
    /// All are full but the last, which is not empty.
    blocks: Vec<Vec<T>>,
}

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        Self { blocks: Vec::new() }
    }
}

impl<T> Blocks<T> {
    pub(crate) fn len(&self) -> usize {
        match self.blocks.split_last() {
            Some((last, full)) => full.len() * BLOCK + last.len(),
            None => 0,
        }
    }

    pub(crate) fn push(&mut self, element: T) {
        match self.blocks.last_mut() {
            Some(last) if last.len() < BLOCK => last.push(element),
            _ => {
                // The first block of a short log is as large as it must be.
                let room = if self.blocks.is_empty() { 0 } else { BLOCK };
                let mut block = Vec::with_capacity(room);
                block.push(element);
                self.blocks.push(block);
            }
        }
    }

    /// The element at a place that there is.
    #[inline]
    pub(crate) fn at(&self, place: usize) -> &T {
        &self.blocks[place / BLOCK][place % BLOCK]
    }

    pub(crate) fn last(&self) -> Option<&T> {
        self.blocks.last()?.last()
    }

    /// All elements from a place on.
    pub(crate) fn from(&self, place: usize) -> impl Iterator<Item = &T> {
        (place..self.len()).map(|place| self.at(place))
    }

    /// How many elements come before the first that is not `before`, which is so of none after it either.
    pub(crate) fn partition_point(&self, before: impl Fn(&T) -> bool) -> usize {
        let begun = self.blocks.partition_point(|block| before(&block[0]));
        let Some(last) = begun.checked_sub(1) else {
            return 0;
        };
        last * BLOCK + self.blocks[last].partition_point(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_where_they_were_pushed_over_the_bounds_of_blocks() {
        let mut blocks = Blocks::default();
        assert_eq!((blocks.len(), blocks.last()), (0, None));
        for place in 0..3 * BLOCK + 1 {
            blocks.push(place);
            assert_eq!((blocks.len(), blocks.last()), (place + 1, Some(&place)));
        }
        assert!(blocks.from(BLOCK - 1).copied().eq(BLOCK - 1..3 * BLOCK + 1));
    }

    #[test]
    fn a_bound_is_found_in_every_block() {
        let mut blocks = Blocks::default();
        assert_eq!(blocks.partition_point(|_: &usize| true), 0);
        for place in 0..2 * BLOCK + 2 {
            blocks.push(place);
        }
        for bound in 0..blocks.len() + 1 {
            assert_eq!(blocks.partition_point(|&place| place < bound), bound);
        }
    }
}
