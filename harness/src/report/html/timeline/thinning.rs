//! Fewer dots for many answered requests. What was lost or late is never left
//! out: it does not come here.

use std::collections::BTreeMap;

/// Columns of the grid that dots are put on.
pub(super) const COLUMNS: u32 = 1000;
/// Rows of the grid.
pub(super) const ROWS: u32 = 55;

/// A place on the grid, and how many answered requests fell on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Dot {
    /// From 0 at the left.
    pub(super) column: u32,
    /// From 0 at the top.
    pub(super) row: u32,
    /// How many requests it stands for: one or more.
    pub(super) requests: usize,
}

/// Puts points on the grid: fractions of the width from the left, and of the
/// height from the bottom. Those that fall on one place become one dot.
pub(super) fn thin(points: impl Iterator<Item = (f64, f64)>) -> Vec<Dot> {
    let mut grid: BTreeMap<(u32, u32), usize> = BTreeMap::new();
    for (x, y) in points {
        *grid
            .entry((cell(x, COLUMNS), cell(1.0 - y, ROWS)))
            .or_default() += 1;
    }
    let dots = grid.into_iter();
    dots.map(|((column, row), requests)| Dot {
        column,
        row,
        requests,
    })
    .collect()
}

fn cell(fraction: f64, cells: u32) -> u32 {
    let cell = (fraction.clamp(0.0, 1.0) * f64::from(cells)) as u32;
    cell.min(cells - 1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever is put on one dot is counted, and dots are bounded.
        #[test]
        fn every_request_is_in_one_dot(
            points in prop::collection::vec((-0.5..1.5_f64, -0.5..1.5_f64), 0..2000)
        ) {
            let dots = thin(points.iter().copied());
            let requests: usize = dots.iter().map(|dot| dot.requests).sum();
            prop_assert_eq!(requests, points.len());
            prop_assert!(dots.iter().all(|dot| dot.column < COLUMNS && dot.row < ROWS));
            prop_assert!(dots.len() <= (COLUMNS * ROWS) as usize);
        }
    }

    #[test]
    fn those_on_one_place_become_one_dot() {
        let dots = thin([(0.5, 0.5), (0.500_1, 0.5), (0.9, 0.5)].into_iter());
        let requests: Vec<_> = dots.iter().map(|dot| dot.requests).collect();
        assert_eq!(requests, [2, 1]);
    }
}
