//! Which commands there are, which options each takes, and which file reads and carries out each.
//!
//! A command that is carried out has a file of its own or shares one with its relatives; its doc comment shows
//! an example, which is a test. All other forms of the language are read by [`other`].

pub(crate) mod bindings;
pub(crate) mod copies;
pub(crate) mod dataset;
pub(crate) mod destring;
pub(crate) mod event;
pub(crate) mod generate;
pub(crate) mod group;
pub(crate) mod import;
pub(crate) mod join;
pub(crate) mod labels;
pub(crate) mod merge;
pub(crate) mod other;
pub(crate) mod panel;
pub(crate) mod recode;
pub(crate) mod rename;
pub(crate) mod require;
pub(crate) mod reshape;
pub(crate) mod sample;
pub(crate) mod select;
pub(crate) mod summarize;
pub(crate) mod tabulate;

use crate::ast::Command;
use crate::diagnostic::Span;
use crate::near::nearest;
use crate::parser::{Cursor, Parse};
use crate::problem::{Expected, Problem};

/// The options of a command, with `()` after those that take an argument.
pub(crate) type Options = &'static [&'static str];

/// Reads what follows the command's name.
pub(crate) fn parse(cursor: &mut Cursor<'_, '_, '_>, word: &str, span: Span) -> Parse<Command> {
    let Some((_, options)) = COMMANDS.iter().find(|(name, _)| *name == word) else {
        if !word.starts_with(|c: char| c.is_alphabetic() || c == '_') {
            let found = Some(word.to_owned());
            return Err(cursor.report(span, Problem::Expected { what: Expected::Command, found }));
        }
        let near = nearest(word, COMMANDS.iter().map(|(name, _)| *name));
        return Err(cursor.report(span, Problem::UnknownCommand { word: word.to_owned(), near }));
    };
    match word {
        "require" => require::parse(cursor),
        "create-dataset" => dataset::parse(cursor).map(Command::CreateDataset),
        "use" => dataset::parse(cursor).map(Command::Use),
        "import" => import::parse(cursor, options),
        "generate" => generate::parse(cursor).map(Command::Generate),
        "replace" => generate::parse(cursor).map(Command::Replace),
        "recode" => recode::parse(cursor, options),
        "keep" => select::parse(cursor).map(Command::Keep),
        "drop" => select::parse(cursor).map(Command::Drop),
        "rename" => rename::parse(cursor),
        "define-labels" => labels::parse_define(cursor),
        "assign-labels" => labels::parse_assign(cursor),
        "drop-labels" => labels::parse_drop(cursor),
        "list-labels" => labels::parse_list(cursor),
        "import-panel" => panel::parse(cursor),
        "reshape-to-panel" => reshape::parse_to(cursor).map(Command::ReshapeToPanel),
        "reshape-from-panel" => cursor.end().map(|()| Command::ReshapeFromPanel),
        "collapse" => group::parse_collapse(cursor, options),
        "aggregate" => group::parse_aggregate(cursor, options),
        "merge" => merge::parse(cursor),
        "clone-dataset" => {
            copies::parse_two(cursor).map(|(dataset, copy)| Command::CloneDataset { dataset, copy })
        }
        "clone-units" => {
            copies::parse_two(cursor).map(|(dataset, copy)| Command::CloneUnits { dataset, copy })
        }
        "rename-dataset" => copies::parse_two(cursor).map(|(old, new)| Command::RenameDataset { old, new }),
        "delete-dataset" => dataset::parse(cursor).map(Command::DeleteDataset),
        "clone-variables" => copies::parse_variables(cursor, options),
        "destring" => destring::parse(cursor, options),
        "sample" => sample::parse(cursor),
        "import-event" => event::parse(cursor, options),
        "summarize" => summarize::parse(cursor, options),
        "tabulate" => tabulate::parse(cursor, options),
        _ => other::parse(cursor, word, span, options),
    }
}

/// Every command of the language with its options.
pub(crate) const COMMANDS: &[(&str, Options)] = &[
    ("anova", &["noconstant", "posthoc"]),
    ("ci", &["level()"]),
    ("correlate", &["covariance", "pairwise", "obs", "sig"]),
    ("normaltest", &[]),
    ("transitions-panel", &[]),
    ("let", &[]),
    ("for", &[]),
    ("end", &[]),
    ("require", &[]),
    ("create-dataset", &[]),
    ("delete-dataset", &[]),
    ("use", &[]),
    ("clone-dataset", &[]),
    ("clone-units", &[]),
    ("rename-dataset", &[]),
    ("reshape-from-panel", &[]),
    ("reshape-to-panel", &[]),
    ("import", IMPORT),
    ("import-event", IMPORT),
    ("import-panel", &[]),
    ("generate", &[]),
    ("rename", &[]),
    ("clone-variables", &["prefix()", "suffix()"]),
    ("drop", &[]),
    ("keep", &[]),
    ("aggregate", &["by()"]),
    ("collapse", &["by()"]),
    ("merge", &[]),
    ("recode", &["prefix()", "generate()"]),
    ("replace", &[]),
    ("destring", &["prefix()", "ignore()", "force", "dpcomma"]),
    ("assign-labels", &[]),
    ("define-labels", &[]),
    ("drop-labels", &[]),
    ("list-labels", &[]),
    ("sample", &[]),
    ("barchart", &["over()", "by()", "stack", "horizontal"]),
    ("boxplot", &["over()", "horizontal"]),
    ("coefplot", REGRESSIONS),
    ("hexbin", &["gridsize()", "groups()"]),
    (
        "histogram",
        &["by()", "density", "freq", "fraction", "percent", "bin()", "width()", "normal", "discrete"],
    ),
    ("piechart", &[]),
    ("sankey", &[]),
    ("hausman", &["noconstant", "level()", "sigmamore", "sigmaless", "include_constant"]),
    (
        "ivregress",
        &[
            "tsls",
            "liml",
            "gmm",
            "noconstant",
            "endog",
            "firststage",
            "overid",
            "level()",
            "robust",
            "cluster()",
        ],
    ),
    ("ivregress-predict", &["predicted()", "residuals()", "noconstant", "tsls", "liml", "gmm"]),
    (
        "logit",
        &[
            "mfx()",
            "mfx_at()",
            "noconstant",
            "level()",
            "or",
            "robust",
            "cluster()",
            "control()",
            "margins()",
        ],
    ),
    ("logit-predict", &["probabilities()", "predicted()", "residuals()", "noconstant"]),
    ("mlogit", &["mfx()", "mfx_at()", "noconstant", "level()", "robust", "cluster()", "control()"]),
    ("mlogit-predict", &["probabilities()", "predicted()", "noconstant"]),
    ("negative-binomial", COUNTS),
    ("negative-binomial-predict", COUNTS_PREDICT),
    ("oaxaca", &["robust", "noconstant", "pool"]),
    ("poisson", COUNTS),
    ("poisson-predict", COUNTS_PREDICT),
    (
        "probit",
        &["mfx()", "mfx_at()", "noconstant", "level()", "robust", "cluster()", "control()", "margins()"],
    ),
    ("probit-predict", &["probabilities()", "predicted()", "noconstant"]),
    ("rdd", &["cutoff()", "polynomial()", "fuzzy()", "derivate()", "level()", "cluster()"]),
    (
        "regress",
        &[
            "noconstant",
            "level()",
            "robust",
            "cluster()",
            "control()",
            "ov",
            "vif",
            "het_bp",
            "het_iid",
            "het_fstat",
            "standardize",
            "margins()",
        ],
    ),
    ("regress-mml", &["control()", "noconstant", "level()"]),
    ("regress-mml-predict", &["predicted()", "residuals()", "noconstant"]),
    ("regress-panel", &["noconstant", "level()", "fe", "re", "be", "robust", "pooled", "cluster()"]),
    ("regress-panel-diff", &["level()", "robust", "cluster()"]),
    (
        "regress-panel-predict",
        &["predicted()", "residuals()", "effects()", "pooled", "noconstant", "fe", "re", "be"],
    ),
    ("regress-predict", &["predicted()", "residuals()", "cooksd()", "noconstant"]),
    ("summarize", &["gini", "iqr"]),
    ("summarize-panel", &["gini", "iqr"]),
    (
        "tabulate",
        &[
            "missing",
            "nolabels",
            "freq",
            "rowpct",
            "colpct",
            "cellpct",
            "chi2",
            "flatten",
            "colsort()",
            "rowsort()",
            "top()",
            "bottom()",
            "summarize()",
            "mean",
            "std",
            "sum",
            "p25",
            "p50",
            "p75",
            "gini",
            "iqr",
        ],
    ),
    (
        "tabulate-panel",
        &[
            "chi2",
            "missing",
            "nolabels",
            "freq",
            "rowpct",
            "colpct",
            "cellpct",
            "summarize()",
            "mean",
            "std",
            "sum",
            "p25",
            "p50",
            "p75",
            "gini",
            "iqr",
        ],
    ),
    ("clear", &[]),
    ("edit", &[]),
    ("load", &[]),
    ("save", &["edit"]),
    ("help", &[]),
    ("help-function", &[]),
    ("history", &[]),
    ("variables", &[]),
    ("configure", &[]),
    ("cox", &["hazard", "level()"]),
    ("kaplan-meier", &["by()"]),
    ("weibull", &["by()"]),
];

/// Models without a `-predict` form's new columns.
pub(crate) const MODELS: &[&str] = &[
    "hausman",
    "ivregress",
    "logit",
    "mlogit",
    "negative-binomial",
    "oaxaca",
    "poisson",
    "probit",
    "rdd",
    "regress",
    "regress-mml",
    "regress-panel",
    "regress-panel-diff",
];

const IMPORT: Options = &["outer_join", "inner_join", "values()", "values_from()"];
const COUNTS: Options = &["noconstant", "level()", "robust", "cluster()", "control()", "irr", "exposure()"];
const COUNTS_PREDICT: Options = &["predicted()", "residuals()", "noconstant", "exposure()"];
/// `coefplot` takes the options of the regression that it draws.
const REGRESSIONS: Options = &[
    "noconstant",
    "level()",
    "robust",
    "cluster()",
    "control()",
    "standardize",
    "margins()",
    "mfx()",
    "mfx_at()",
    "or",
    "irr",
    "exposure()",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_stand_once_each() {
        let mut names: Vec<_> = COMMANDS.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        let all = names.len();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn every_command_that_is_carried_out_has_a_page_and_no_other() {
        let pages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/commands");
        for (name, _) in COMMANDS {
            let carried_out = !other::is_read_here(name) && *name != "end";
            assert_eq!(pages.join(format!("{name}.md")).exists(), carried_out, "{name}");
        }
    }
}
