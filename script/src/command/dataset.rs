//! `create-dataset d` makes an empty dataset and makes it active; `use d` switches.
//!
//! ```text
//! require no.ssb.fdb:54 as db
//! create-dataset kvinner
//! import db/BEFOLKNING_KJOENN as kjønn
//! create-dataset menn
//! import db/BEFOLKNING_KJOENN as kjønn
//! keep if kjønn == "1"
//! use kvinner
//! keep if kjønn == "2"
//! ```

use crate::ast::Name;
use crate::check::{Checker, Dataset};
use crate::diagnostic::Reported;
use crate::parser::{Cursor, Parse};
use crate::problem::{Expected, Problem};

pub(super) fn parse(cursor: &mut Cursor<'_, '_, '_>) -> Parse<Name> {
    let name = cursor.name(Expected::DatasetName)?;
    cursor.end()?;
    Ok(name)
}

pub(crate) fn check_create(checker: &mut Checker<'_, '_, '_>, name: &Name) -> Result<(), Reported> {
    let text = name.text.clone();
    let taken = checker.datasets.contains_key(&text);
    checker.active = Some(text.clone());
    if taken {
        return Err(checker.report(name.span, Problem::DatasetTaken { name: text }));
    }
    checker.datasets.insert(text, Dataset::default());
    Ok(())
}

pub(crate) fn check_use(checker: &mut Checker<'_, '_, '_>, name: &Name) -> Result<(), Reported> {
    let known = checker.known_dataset(name);
    checker.active = Some(name.text.clone());
    known.map(|_| ()).inspect_err(|_| {
        // Go on in an empty dataset, so that what follows is not checked against another one's columns.
        checker.datasets.insert(name.text.clone(), Dataset::default());
        checker.uncertain = true;
    })
}
