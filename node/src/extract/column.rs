//! A value column while it is evaluated: codes, and what the protection needs to know of the whole column.

use kobling_model::interval::Interval;
use kobling_model::value::PartForm;

use crate::values::{NO_VALUE, Values, WholeColumn};

pub(super) struct Column {
    form: PartForm,
    bounds: Interval,
    codes: Vec<i64>,
    count: u64,
    sum: i128,
    squares: u128,
}

impl Column {
    pub(super) fn new(form: PartForm, bounds: Interval, units: usize) -> Self {
        let codes = Vec::with_capacity(units);
        Self { form, bounds, codes, count: 0, sum: 0, squares: 0 }
    }

    /// The next units' values; not a number where missing.
    pub(super) fn add(&mut self, values: &[f64]) {
        for value in values {
            if value.is_nan() {
                self.codes.push(NO_VALUE);
                continue;
            }
            let code = self.form.coding.code(*value, &self.bounds);
            self.count += 1;
            self.sum += i128::from(self.form.coding.offset(code));
            self.squares += u128::from(self.form.square(code));
            self.codes.push(code);
        }
    }

    pub(super) fn finish(self) -> Values {
        let Self { form, bounds, .. } = self;
        let [low, high] = [bounds.low, bounds.high].map(|bound| form.coding.code(bound, &bounds));
        let count = self.count.max(1);
        Values {
            codes: self.codes,
            whole: WholeColumn {
                // Down from above the smallest: the same for the column from another zero.
                mean: form.coding.low + (self.sum / i128::from(count)) as i64,
                bounds: (low, high),
                square_mean: (self.squares / u128::from(count)) as u64,
                square_width: form.square(low).max(form.square(high)),
            },
        }
    }
}
