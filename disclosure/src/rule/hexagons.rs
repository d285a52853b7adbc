//! Rule 11: points of two numbers are shown as hexagons only, each with the number of units in it.
//!
//! - Settings: `hexagon_grid_max`, at most 25: hexagons across; `hexagon_groups_max`, at most 10: groups that a plot is divided by;
//!   `hexagon_units_min`, at least 15, which ensures 10 true units with the published table (D = 5).
//! - Judged: the grid and the number of groups from the plan, before anything is computed; each hexagon of each group on its perturbed count.
//! - Effect: a grid that is too fine, or too many groups, are refused with the code `hexagons`; a hexagon with a smaller perturbed count is not shown, as one
//!   in which nobody is. Silent; results say that it is done.
//! - Carried out: here, on given counts; no command makes a plot yet. A hexagon is a cell: rules 3 and 4 hold for it as for any other.
//!
//! Why: a point is a person. Why 25 across and ten units: some 740 hexagons, of which those with few are left out, show where the many are and never where the
//! outlier is; corners are given by the public bounds of the columns (rule 2), not by the data. microdata.no shows `hexbin` plots only, for the same reason.
//! Source: D. B. Carr et al., "Scatterplot Matrix Techniques for Large N", JASA 82, 1987, for hexagons as the nearer of two
//! rectangular lattices.

/// Hexagons across at most; an owner may only lower it.
pub const LOOSEST_GRID: u32 = 25;
/// Groups at most; an owner may only lower it.
pub const LOOSEST_GROUPS: u32 = 10;
/// Perturbed count from which on a hexagon is shown; an owner may only raise it.
pub const LOOSEST_UNITS: u32 = 15;

/// The rule's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Hexagons across. From 1 to 25.
    pub grid_max: u32,
    /// Groups. From 1 to 10.
    pub groups_max: u32,
    /// Smallest perturbed count that is shown. At least 15.
    pub units_min: u32,
}

/// Why a plot is not made. Public: it follows from the script alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too many hexagons across, or none.
    #[error("[hexagons] rule 11: the grid is too fine; ask for fewer hexagons")]
    Grid,
    /// Too many groups, or none.
    #[error("[hexagons] rule 11: the plot has too many groups; use coarser categories")]
    Groups,
}

impl Limits {
    /// What `init` writes.
    pub const LOOSEST: Self =
        Self { grid_max: LOOSEST_GRID, groups_max: LOOSEST_GROUPS, units_min: LOOSEST_UNITS };

    /// Of each number the stricter.
    pub fn stricter(self, other: Self) -> Self {
        Self {
            grid_max: self.grid_max.min(other.grid_max),
            groups_max: self.groups_max.min(other.groups_max),
            units_min: self.units_min.max(other.units_min),
        }
    }

    /// Judges what a plot asks for.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn judge(self, across: u32, groups: u32) -> Result<(), Refusal> {
        if !(1..=self.grid_max).contains(&across) {
            return Err(Refusal::Grid);
        }
        if !(1..=self.groups_max).contains(&groups) {
            return Err(Refusal::Groups);
        }
        Ok(())
    }

    /// What is shown of hexagons with these perturbed counts, in their order.
    pub fn shown(self, perturbed: &[u64]) -> Vec<Option<u64>> {
        let shown = |count: &u64| Some(*count).filter(|count| *count >= u64::from(self.units_min));
        perturbed.iter().map(shown).collect()
    }
}

/// A grid of hexagons over the public bounds of two columns.
///
/// Centres stand on two lattices: one through the lower left corner, `across` steps to the right and about as many hexagons' heights up, and the same
/// moved by half a step in both directions. A point belongs to the nearer centre.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    across: u32,
    up: u32,
    x: [f64; 2],
    y: [f64; 2],
}

/// A hexagon by its centre: column and row, the second lattice behind the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hexagon {
    /// Whether the centre is one of the moved lattice.
    pub moved: bool,
    /// From 0.
    pub column: u32,
    /// From 0.
    pub row: u32,
}

impl Grid {
    /// A grid over the bounds [low, high] of both columns, in a square plot; none without hexagons, or where bounds are not finite or are in no order.
    pub fn new(across: u32, x: [f64; 2], y: [f64; 2]) -> Option<Self> {
        let usable = |bounds: [f64; 2]| {
            bounds[0] < bounds[1] && bounds[0].is_finite() && (bounds[1] - bounds[0]).is_finite()
        };
        // Regular hexagons of width 1 stand √3 apart in a lattice.
        let up = (f64::from(across) / 3_f64.sqrt()).round().max(1.0) as u32;
        (across > 0 && usable(x) && usable(y)).then_some(Self { across, up, x, y })
    }

    /// How many hexagons there are.
    pub fn len(&self) -> usize {
        let (across, up) = (self.across as usize, self.up as usize);
        (across + 1) * (up + 1) + across * up
    }

    /// Whether there are none; never, since a grid has at least one across.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The hexagon of a point, brought within the bounds first (rule 2); none for what is no number.
    pub fn hexagon(&self, x: f64, y: f64) -> Option<Hexagon> {
        let place = |value: f64, [low, high]: [f64; 2], steps: u32| {
            (value.clamp(low, high) - low) / (high - low) * f64::from(steps)
        };
        let (right, up) = (place(x, self.x, self.across), place(y, self.y, self.up));
        if right.is_nan() || up.is_nan() {
            return None;
        }
        // Of each lattice the nearest centre. A step up is √3 steps to the right, so heights count three times in squares.
        let distance = |column: f64, row: f64| (right - column).powi(2) + 3.0 * (up - row).powi(2);
        let first = (right.round(), up.round());
        let inner = |place: f64, steps: u32| place.floor().min(f64::from(steps - 1));
        let second = (inner(right, self.across), inner(up, self.up));
        let moved = distance(second.0 + 0.5, second.1 + 0.5) < distance(first.0, first.1);
        let (column, row) = if moved { second } else { first };
        Some(Hexagon { moved, column: column as u32, row: row as u32 })
    }

    /// A hexagon's place in a list of all of them, row by row; none for one of another grid.
    pub fn index(&self, hexagon: Hexagon) -> Option<usize> {
        let (across, up) = (self.across as usize, self.up as usize);
        let (column, row) = (hexagon.column as usize, hexagon.row as usize);
        let (width, height, first) =
            if hexagon.moved { (across, up, (across + 1) * (up + 1)) } else { (across + 1, up + 1, 0) };
        (column < width && row < height).then(|| first + row * width + column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::PerturbationTable;
    use crate::rule::perturbed_counts;

    #[test]
    fn a_hexagon_that_is_shown_has_at_least_ten_units_whatever_the_noise() {
        let (limits, table) = (Limits::LOOSEST, PerturbationTable::published());
        for units in 0..10 {
            for key in 0..=255 {
                assert_eq!(limits.shown(&[perturbed_counts::perturbed(table, units, key)]), [None]);
            }
        }
        assert_eq!(limits.shown(&[0, 14, 15, 400]), [None, None, Some(15), Some(400)]);
    }

    #[test]
    fn a_grid_that_is_too_fine_and_too_many_groups_are_refused_before_anything_is_counted() {
        let limits = Limits::LOOSEST;
        assert_eq!(limits.judge(25, 10), Ok(()));
        assert_eq!(limits.judge(26, 1), Err(Refusal::Grid));
        assert_eq!(limits.judge(0, 1), Err(Refusal::Grid));
        assert_eq!(limits.judge(25, 11), Err(Refusal::Groups));
        assert_eq!(limits.judge(25, 0), Err(Refusal::Groups));
    }

    #[test]
    fn every_point_is_in_the_hexagon_whose_centre_is_nearest() {
        for across in [1, 2, 7, 25] {
            let grid = Grid::new(across, [-10.0, 30.0], [0.0, 5.0]).expect("bounds");
            let (steps, up) = (f64::from(grid.across), f64::from(grid.up));
            for i in 0..=60 {
                for j in 0..=60 {
                    let (x, y) = (f64::from(i) / 60.0, f64::from(j) / 60.0);
                    let found = grid.hexagon(-10.0 + 40.0 * x, 5.0 * y).expect("a point");
                    let half = if found.moved { 0.5 } else { 0.0 };
                    let distance = |c: f64, r: f64| (x * steps - c).powi(2) + 3.0 * (y * up - r).powi(2);
                    let own = distance(f64::from(found.column) + half, f64::from(found.row) + half);
                    for column in 0..=grid.across {
                        for row in 0..=grid.up {
                            let (c, r) = (f64::from(column), f64::from(row));
                            assert!(own <= distance(c, r) + 1e-9);
                            if column < grid.across && row < grid.up {
                                assert!(own <= distance(c + 0.5, r + 0.5) + 1e-9);
                            }
                        }
                    }
                    assert!(grid.index(found).is_some_and(|at| at < grid.len()));
                }
            }
        }
    }

    #[test]
    fn hexagons_have_places_of_their_own_and_points_outside_are_brought_in() {
        let grid = Grid::new(25, [0.0, 1.0], [0.0, 1.0]).expect("bounds");
        assert_eq!((grid.up, grid.len(), grid.is_empty()), (14, 26 * 15 + 25 * 14, false));
        let all = [false, true].into_iter().flat_map(|moved| {
            (0..30).flat_map(move |column| (0..30).map(move |row| Hexagon { moved, column, row }))
        });
        let mut places: Vec<usize> = all.filter_map(|hexagon| grid.index(hexagon)).collect();
        places.sort_unstable();
        assert_eq!(places, (0..grid.len()).collect::<Vec<_>>());
        assert_eq!(grid.hexagon(f64::INFINITY, -3.0), grid.hexagon(1.0, 0.0));
        assert_eq!(grid.hexagon(f64::NAN, 0.5), None);
        for bounds in [[1.0, 1.0], [1.0, 0.0], [0.0, f64::INFINITY], [f64::NAN, 1.0]] {
            assert_eq!(Grid::new(25, bounds, [0.0, 1.0]), None);
        }
        assert_eq!(Grid::new(0, [0.0, 1.0], [0.0, 1.0]), None);
    }
}
