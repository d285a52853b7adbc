//! Bounds on what one script may ask of those who check and compute it.

/// Longest script, in bytes.
pub const SCRIPT_BYTES_MAX: usize = 1 << 20;
/// Turns of loops, and statements that they make, together.
pub const MADE_STATEMENTS_MAX: usize = 20_000;
/// Bytes of all statements that bindings and loops make.
pub const MADE_BYTES_MAX: usize = 1 << 20;
/// Loops inside one another.
pub const LOOPS_MAX: usize = 8;
/// Bytes of a name that bindings make.
pub const MADE_NAME_MAX: usize = 200;
/// Bytes of a text that bindings make.
pub const MADE_TEXT_MAX: usize = 10_000;
/// Diagnostics after which checking stops.
pub const DIAGNOSTICS_MAX: usize = 200;
/// Parentheses and signs inside one another.
pub const NESTING_MAX: usize = 64;
/// Height of a written expression.
pub const HEIGHT_MAX: u32 = 200;
/// Nodes of one column or condition after inlining.
pub const EXPRESSION_NODES_MAX: usize = 10_000;
/// Nesting of an inlined expression in its JSON form, whose readers stop at 128.
pub const EXPRESSION_LEVELS_MAX: usize = 100;
/// Nodes and categories of all columns and questions of a script together.
pub const PLAN_NODES_MAX: usize = 1_000_000;
/// Tables and population checks of one script.
pub const QUESTIONS_MAX: usize = 1_000;
/// Inner cells of one table.
pub const TABLE_CELLS_MAX: usize = 100_000;
/// Owners of one question: two workers, and those that share their columns to them.
pub const QUESTION_OWNERS_MAX: usize = 10;
/// Owners whose numbers add up to one that is summed.
pub const VALUE_PARTS_MAX: usize = 8;
/// Pairs of columns that are multiplied in every row of a question with three owners or more.
pub const COLUMN_PAIRS_MAX: usize = 1 << 24;
/// Values that an owner's part of a column over several owners may have before only its class is used.
pub const JOINT_VALUES_MAX: usize = 24;
/// Classes of a sum over several owners.
pub const JOINT_CLASSES_MAX: usize = 2_000;
/// Combinations of owners' categories and classes of sums in one column over several owners.
pub const JOINT_COMBINATIONS_MAX: usize = 1 << 16;
/// Classes of one owner's number in a column over several owners: its owner tells them apart one by one.
pub const OWN_CLASSES_MAX: usize = 200;
/// What columns over several owners are made of besides categories of the two workers: further owners' columns and sums.
pub const QUESTION_FACTORS_MAX: usize = 8;
/// Work of taking apart all columns over several owners of a script, in nodes looked at.
pub const JOINT_STEPS_MAX: usize = 40_000_000;
/// Dates of a panel.
pub const PANEL_DATES_MAX: usize = 100;
/// Tables that stand one on the other, as groups of groups do.
pub const PREPARATION_DEPTH_MAX: usize = 12;
/// Columns on shares of a question with sums.
pub const JOINED_COLUMNS_MAX: usize = 1 << 18;
/// Composite categories of one owner's side of a table.
pub const SIDE_CATEGORIES_MAX: usize = 4_096;
/// Combinations of two columns' categories of which arithmetic is computed by the checker.
pub const OPERATOR_COMBINATIONS_MAX: usize = 1_024;
