//! Columns and tables that a script has made so far, whoever's they are, and how a plan comes to name only those that it uses.
//!
//! Expressions of the checker refer to columns by their place among all of the script's. A fragment, and each table that its owner prepares,
//! has columns of its own: a [`Binder`] takes over those that an expression names, in the order of first use, and with them the tables that they
//! come from.

use std::collections::{BTreeMap, HashMap};

use kobling_model::expression::Expression;
use kobling_model::preparation::{By, Column, Key, Layer, Measure, Preparation};
use kobling_model::{Hash, OwnerId};

/// All columns and tables of a script; expressions in them refer to columns by their place here.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// Each once.
    pub(crate) sources: Vec<(OwnerId, Column)>,
    /// How many tables stand one on the other below each source.
    below: Vec<usize>,
    /// The first source of a table is the column that decides its rows.
    pub(crate) preparations: Vec<(OwnerId, Preparation)>,
    /// Which source decides the rows of each table.
    pub(crate) rows_of: Vec<usize>,
    /// How many tables stand one on the other below each, itself counted.
    depths: Vec<usize>,
    /// Where each column and table is, by what it is.
    places: HashMap<Hash, usize>,
}

impl Made {
    /// The place of a column, and whether it is new.
    pub(crate) fn source(&mut self, owner: &OwnerId, column: Column) -> (usize, bool) {
        let name = Hash::of_json(&("column", owner, &column));
        let next = self.sources.len();
        let place = *self.places.entry(name).or_insert(next);
        if place == next {
            self.below.push(self.below(&column));
            self.sources.push((owner.clone(), column));
        }
        (place, place == next)
    }

    /// How many tables stand one on the other below a table that uses these sources, itself counted.
    pub(crate) fn depth(&self, rows: usize, preparation: &Preparation) -> usize {
        fn by(by: &By) -> &[Expression] {
            match by {
                By::Values(values) => values,
                By::Unit | By::Pointer { .. } => &[],
            }
        }
        let measured = preparation.measures.iter().map(|measure| &measure.value);
        let used = preparation.filters.iter().chain(by(&preparation.by)).chain(measured);
        let of_layer = |layer: &'_ Layer| {
            let used = layer.filters.iter().chain(by(&layer.by)).chain(&layer.values);
            used.flat_map(|used| used.sources()).chain([layer.presence]).collect::<Vec<_>>()
        };
        let used = used.flat_map(|used| used.sources()).chain([rows]);
        let used = used.chain(preparation.layers.iter().flat_map(of_layer));
        1 + used.map(|source| self.below[source]).max().unwrap_or(0)
    }

    fn below(&self, column: &Column) -> usize {
        match column {
            Column::Prepared { preparation, key, .. } => {
                let of_key = match key {
                    Key::Values(values) => {
                        let sources = values.iter().flat_map(|value| value.sources());
                        sources.map(|source| self.below[source]).max().unwrap_or(0)
                    }
                    Key::Unit | Key::Pointer(_) => 0,
                };
                of_key.max(self.depths[*preparation])
            }
            Column::Either(of) => of.iter().map(|column| self.below(column)).max().unwrap_or(0),
            Column::Register(_) | Column::Pointer(_) | Column::Spell { .. } => 0,
        }
    }

    /// The place of a table whose rows `rows` decides.
    pub(crate) fn preparation(&mut self, owner: &OwnerId, rows: usize, preparation: Preparation) -> usize {
        let depth = self.depth(rows, &preparation);
        let name = Hash::of_json(&("preparation", owner, rows, &preparation));
        let next = self.preparations.len();
        let place = *self.places.entry(name).or_insert(next);
        if place == next {
            self.preparations.push((owner.clone(), preparation));
            self.rows_of.push(rows);
            self.depths.push(depth);
        }
        place
    }
}

/// Tables of a fragment, in the order in which they can be made.
#[derive(Default)]
pub(crate) struct Shelf {
    /// Where each of the script's tables that is used is.
    used: BTreeMap<usize, usize>,
    pub(crate) preparations: Vec<Preparation>,
}

impl Shelf {
    /// The place of one of the script's tables.
    fn preparation(&mut self, made: &Made, index: usize) -> usize {
        if let Some(place) = self.used.get(&index) {
            return *place;
        }
        let (owner, of_script) = &made.preparations[index];
        let mut binder = Binder::new(made, owner.clone());
        binder.source(made.rows_of[index], self);
        let filters = binder.bind_all(&of_script.filters, self);
        let by = binder.bind_key(&of_script.by, self);
        let measure =
            |measure: &Measure| Measure { value: binder.bind(&measure.value, self), ..measure.clone() };
        let measures = of_script.measures.iter().map(measure).collect();
        let layer = |layer: &Layer| Layer {
            presence: binder.source(layer.presence, self),
            filters: binder.bind_all(&layer.filters, self),
            by: binder.bind_key(&layer.by, self),
            values: binder.bind_all(&layer.values, self),
        };
        let layers = of_script.layers.iter().map(layer).collect();
        let rows = of_script.rows.clone();
        self.preparations.push(Preparation { rows, sources: binder.columns, filters, by, measures, layers });
        self.used.insert(index, self.preparations.len() - 1);
        self.preparations.len() - 1
    }
}

/// Collects the columns that expressions use, in the order of first use.
pub(crate) struct Binder<'a> {
    made: &'a Made,
    owner: OwnerId,
    /// Where each of the script's columns that is used is.
    used: BTreeMap<usize, usize>,
    pub(crate) columns: Vec<Column>,
}

impl<'a> Binder<'a> {
    pub(crate) fn new(made: &'a Made, owner: OwnerId) -> Self {
        Self { made, owner, used: BTreeMap::new(), columns: Vec::new() }
    }

    /// Where one of the script's columns is here.
    pub(crate) fn source(&mut self, index: usize, shelf: &mut Shelf) -> usize {
        if let Some(place) = self.used.get(&index) {
            return *place;
        }
        let made = self.made;
        let (owner, column) = &made.sources[index];
        assert_eq!(*owner, self.owner, "an expression goes to the owner of its sources");
        let column = self.column(column, shelf);
        self.columns.push(column);
        self.used.insert(index, self.columns.len() - 1);
        self.columns.len() - 1
    }

    fn column(&mut self, column: &Column, shelf: &mut Shelf) -> Column {
        match column {
            Column::Prepared { preparation, measure, key, value_type } => {
                let key = match key {
                    Key::Values(values) => {
                        Key::Values(values.iter().map(|value| self.bind(value, shelf)).collect())
                    }
                    key => key.clone(),
                };
                let preparation = shelf.preparation(self.made, *preparation);
                Column::Prepared { preparation, measure: *measure, key, value_type: *value_type }
            }
            Column::Either(of) => Column::Either(of.iter().map(|of| self.column(of, shelf)).collect()),
            column => column.clone(),
        }
    }

    /// The expression over the columns here.
    pub(crate) fn bind(&mut self, expression: &Expression, shelf: &mut Shelf) -> Expression {
        expression.with_sources(&mut |index| Expression::Source(self.source(index, shelf)))
    }

    fn bind_all(&mut self, expressions: &[Expression], shelf: &mut Shelf) -> Vec<Expression> {
        expressions.iter().map(|expression| self.bind(expression, shelf)).collect()
    }

    fn bind_key(&mut self, by: &By, shelf: &mut Shelf) -> By {
        match by {
            By::Values(values) => By::Values(self.bind_all(values, shelf)),
            by => by.clone(),
        }
    }
}
