//! What can be wrong with commands that make datasets from others.

use kobling_model::{OwnerId, UnitType};

use super::{Said, say};

/// Why a dataset cannot be made from another.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // The messages below say it.
pub enum Unprepared {
    NotLocal { command: String, columns: Vec<(String, OwnerId)> },
    OfGroups { command: String },
    OfSpells { command: String },
    UnknownStatistic { word: String, near: Vec<String> },
    StatisticOfText { statistic: String, name: String },
    NoKey { command: String },
    SeveralKeys { name: String },
    NotAPointer { name: String, unit_type: UnitType },
    NoSuchKey { keys: Vec<String> },
    SameDataset { name: String },
    OtherUnits { source: UnitType, target: UnitType },
    SecondSpells,
    NoSpells { variable: String },
    PeriodBackwards,
    SampleSize { text: String },
    Seed { text: String },
    NotNumbers { name: String, values: Vec<String> },
    NumberAlready { name: String },
    NewNames { variables: usize, given: usize },
    NeedsNewName { name: String },
    NoPanelNames { prefix: String },
    OuterJoinAcross { columns: Vec<(String, OwnerId)> },
    JoinsMixed,
    ValuesOfPointer { name: String },
    ValuesOfAnother { name: String },
    QuantileParts { text: String },
    QuantileInside,
    OfPanel { command: String },
    NoPanel,
    PanelNotFirst,
    NoDateLeft,
    DateOfGroups,
}

/// `a` (owner x), `b` (owner y)
fn owned(columns: &[(String, OwnerId)]) -> (String, String) {
    let list = |word: &str| {
        let each = columns.iter().map(|(name, owner)| format!("`{name}` {word} {owner}"));
        each.collect::<Vec<_>>().join(", ")
    };
    (list("belongs to"), list("tilhører"))
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ")
}

impl Unprepared {
    /// Stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotLocal { .. } => "not-local",
            Self::OfGroups { .. } => "dataset-of-groups",
            Self::OfSpells { .. } => "dataset-of-spells",
            Self::UnknownStatistic { .. } => "unknown-statistic",
            Self::StatisticOfText { .. } => "statistic-of-text",
            Self::NoKey { .. } => "no-key",
            Self::SeveralKeys { .. } => "several-keys",
            Self::NotAPointer { .. } => "not-a-pointer",
            Self::NoSuchKey { .. } => "no-such-key",
            Self::SameDataset { .. } => "same-dataset",
            Self::OtherUnits { .. } => "other-units",
            Self::SecondSpells => "second-event-import",
            Self::NoSpells { .. } => "no-spells",
            Self::PeriodBackwards => "period-backwards",
            Self::SampleSize { .. } => "sample-size",
            Self::Seed { .. } => "sample-seed",
            Self::NotNumbers { .. } => "not-numbers",
            Self::NumberAlready { .. } => "number-already",
            Self::NewNames { .. } => "new-names",
            Self::NeedsNewName { .. } => "needs-new-name",
            Self::NoPanelNames { .. } => "no-panel-names",
            Self::OuterJoinAcross { .. } => "outer-join-across-owners",
            Self::JoinsMixed => "joins-mixed",
            Self::ValuesOfPointer { .. } => "values-of-pointer",
            Self::ValuesOfAnother { .. } => "values-of-another",
            Self::QuantileParts { .. } => "quantile-parts",
            Self::QuantileInside => "quantile-inside",
            Self::OfPanel { .. } => "dataset-of-panel",
            Self::NoPanel => "no-panel",
            Self::PanelNotFirst => "panel-not-first",
            Self::NoDateLeft => "no-date-left",
            Self::DateOfGroups => "date-of-groups",
        }
    }

    pub(super) fn say(&self) -> Said {
        match self {
            Self::NotLocal { command, columns } => {
                let (list, liste) = owned(columns);
                say(
                    format!(
                        "{list}: `{command}` groups and looks up rows at one owner, and nobody holds the rows of several"
                    ),
                    format!(
                        "do `{command}` in a dataset with one owner's variables and conditions only; what it gives can be merged or imported together with the others' afterwards"
                    ),
                    format!(
                        "{liste}: `{command}` grupperer og slår opp rader hos én eier, og ingen har radene til flere"
                    ),
                    format!(
                        "bruk `{command}` i et datasett med variabler og betingelser fra bare én eier; resultatet kan kobles med de andres etterpå"
                    ),
                )
            }
            Self::OfGroups { command } => say(
                format!("this dataset has a row for each group, and `{command}` needs rows of units"),
                "merge its variables into a dataset of units with `merge … into … on …`",
                format!(
                    "dette datasettet har én rad for hver gruppe, og `{command}` trenger rader for enheter"
                ),
                "koble variablene til et datasett med enheter: `merge … into … on …`",
            ),
            Self::OfSpells { command } => say(
                format!("this dataset has a row for each event, and `{command}` needs one row for each unit"),
                "make one with `collapse (statistic) variable -> name, by(unit)`",
                format!(
                    "dette datasettet har én rad for hver hendelse, og `{command}` trenger én rad for hver enhet"
                ),
                "lag en med `collapse (statistikk) variabel -> navn, by(enhet)`",
            ),
            Self::UnknownStatistic { word, near } => {
                let near =
                    if near.is_empty() { String::new() } else { format!("did you mean {}? ", quoted(near)) };
                let nær = near.replace("did you mean", "mente du");
                let all = "mean min max median count sum semean sebinomial sd percent iqr gini";
                say(
                    format!("`{word}` is no statistic"),
                    format!("{near}there are {all}"),
                    format!("`{word}` er ingen statistikk"),
                    format!("{nær}det finnes {all}"),
                )
            }
            Self::StatisticOfText { statistic, name } => say(
                format!("`{name}` is a text, and has no {statistic}"),
                "of texts there are count, min, max and percent; `destring` makes numbers",
                format!("`{name}` er en tekst og har ingen {statistic}"),
                "for tekster finnes count, min, max og percent; `destring` lager tall",
            ),
            Self::NoKey { command } => say(
                format!("`{command}` does not say what to group by"),
                "add `by(variable)`: a pointer to other units, the dataset's own unit, or variables whose values are groups",
                format!("`{command}` sier ikke hva det skal grupperes etter"),
                "legg til `by(variabel)`: en peker til andre enheter, datasettets egen enhet, eller variabler der like verdier er en gruppe",
            ),
            Self::SeveralKeys { name } => say(
                format!("`{name}` names units, and must be the only key"),
                "group by it alone",
                format!("`{name}` viser til enheter og må være eneste nøkkel"),
                "grupper etter den alene",
            ),
            Self::NotAPointer { name, unit_type } => say(
                format!("`{name}` is no pointer to units of type {unit_type}"),
                "name a variable of the target that points to these units, or leave `on` out where both datasets are about the same units",
                format!("`{name}` er ingen peker til enheter av typen {unit_type}"),
                "oppgi en variabel i måldatasettet som peker til disse enhetene, eller utelat `on` der begge datasettene gjelder de samme enhetene",
            ),
            Self::NoSuchKey { keys } => say(
                format!(
                    "the groups were made by {}, which the target does not have under that name",
                    quoted(keys)
                ),
                "name the target's variable with `on`, or give it the same name with `rename`",
                format!(
                    "gruppene er laget etter {}, som måldatasettet ikke har under det navnet",
                    quoted(keys)
                ),
                "oppgi måldatasettets variabel med `on`, eller gi den samme navn med `rename`",
            ),
            Self::SameDataset { name } => say(
                format!("`{name}` is the active dataset itself"),
                "merge into another dataset",
                format!("`{name}` er selv det aktive datasettet"),
                "koble til et annet datasett",
            ),
            Self::OtherUnits { source, target } => say(
                format!("this dataset is about {source}, the target about {target}"),
                "name a pointer of the target with `on`, or `collapse` to the target's units first",
                format!("dette datasettet gjelder {source}, måldatasettet {target}"),
                "oppgi en peker i måldatasettet med `on`, eller bruk `collapse` til måldatasettets enheter først",
            ),
            Self::SecondSpells => say(
                "a dataset has room for one event import, which must be its first",
                "make a dataset of its own, `collapse` it to units, and merge",
                "et datasett har plass til én hendelsesimport, som må være den første",
                "lag et eget datasett, bruk `collapse` til enheter, og koble",
            ),
            Self::NoSpells { variable } => say(
                format!("`{variable}` has no spells from day to day"),
                "import it with `import`",
                format!("`{variable}` har ingen forløp fra dag til dag"),
                "importer den med `import`",
            ),
            Self::PeriodBackwards => say(
                "the period ends before it begins",
                "write the earlier date first",
                "perioden slutter før den begynner",
                "skriv den tidligste datoen først",
            ),
            Self::SampleSize { text } => say(
                format!("`{text}` is no size of a sample"),
                "write a whole number above 1000, or a part between 0 and 1 such as 0.2",
                format!("`{text}` er ingen utvalgsstørrelse"),
                "skriv et heltall over 1000, eller en andel mellom 0 og 1, som 0.2",
            ),
            Self::Seed { text } => say(
                format!("`{text}` is no seed"),
                "write a whole number from 0 to 4294967295: the same seed and size draw the same units",
                format!("`{text}` er ikke noe startpunkt"),
                "skriv et heltall fra 0 til 4294967295: samme startpunkt og størrelse trekker de samme enhetene",
            ),
            Self::NotNumbers { name, values } => say(
                format!("`{name}` has values that are no numbers: {}", quoted(values)),
                "use `ignore(\"signs\")` for signs to leave out, or `force` to make these missing",
                format!("`{name}` har verdier som ikke er tall: {}", quoted(values)),
                "bruk `ignore(\"tegn\")` for tegn som skal utelates, eller `force` for å gjøre disse manglende",
            ),
            Self::NumberAlready { name } => say(
                format!("`{name}` is a number already"),
                "leave it out",
                format!("`{name}` er allerede et tall"),
                "utelat den",
            ),
            Self::NewNames { variables, given } => say(
                format!("{variables} variables, but {given} new names"),
                "give one new name for each",
                format!("{variables} variabler, men {given} nye navn"),
                "oppgi ett nytt navn til hver",
            ),
            Self::NeedsNewName { name } => say(
                format!("the copy of `{name}` needs a name"),
                "write `name -> copy`, or use prefix() or suffix()",
                format!("kopien av `{name}` trenger et navn"),
                "skriv `navn -> kopi`, eller bruk prefix() eller suffix()",
            ),
            Self::NoPanelNames { prefix } => say(
                format!("no variable is named `{prefix}` and a number"),
                "name the variables such as lønn2020 lønn2021, and write `reshape-to-panel lønn`",
                format!("ingen variabel heter `{prefix}` og et tall"),
                "gi variablene navn som lønn2020 lønn2021, og skriv `reshape-to-panel lønn`",
            ),
            Self::JoinsMixed => say(
                "`outer_join` stands alone: it adds units, `inner_join` and `values()` leave some out",
                "write one of them, or none: then the dataset keeps its units",
                "`outer_join` står alene: den legger til enheter, `inner_join` og `values()` utelater noen",
                "skriv én av dem, eller ingen: da beholder datasettet enhetene sine",
            ),
            Self::ValuesOfPointer { name } => say(
                format!("`{name}` points to other units, and has no values to choose"),
                "choose by a dataset of these units: values_from(dataset)",
                format!("`{name}` peker til andre enheter og har ingen verdier å velge blant"),
                "velg etter et datasett med disse enhetene: values_from(datasett)",
            ),
            Self::ValuesOfAnother { name } => say(
                format!(
                    "`values_from({name})` needs a dataset of the units that the variable points to, and must stand at a dataset's first import"
                ),
                "name a dataset about these units, in the first import",
                format!(
                    "`values_from({name})` trenger et datasett med enhetene som variabelen peker til, og må stå i den første importen"
                ),
                "oppgi et datasett om disse enhetene, i den første importen",
            ),
            Self::QuantileParts { text } => say(
                format!("`{text}` is no number of parts"),
                "write a whole number from 2 to 100, such as quantile(x, 4)",
                format!("`{text}` er ikke et antall deler"),
                "skriv et heltall fra 2 til 100, for eksempel quantile(x, 4)",
            ),
            Self::QuantileInside => say(
                "`quantile` compares a unit with all others, and can stand only as the whole value of `generate` or `replace`",
                "make a variable of it first: generate kvartil = quantile(x, 4)",
                "`quantile` sammenligner en enhet med alle andre, og kan bare stå som hele verdien i `generate` eller `replace`",
                "lag en variabel av den først: generate kvartil = quantile(x, 4)",
            ),
            Self::OfPanel { command } => say(
                format!(
                    "this dataset has a row for each unit and date, and `{command}` needs one row for each unit"
                ),
                "make one with `collapse (statistic) variable -> name, by(unit)` or `reshape-from-panel`, or name one date: if date@panel == date(2020, 1, 1)",
                format!(
                    "dette datasettet har én rad for hver enhet og dato, og `{command}` trenger én rad for hver enhet"
                ),
                "lag en med `collapse (statistikk) variabel -> navn, by(enhet)` eller `reshape-from-panel`, eller oppgi én dato: if date@panel == date(2020, 1, 1)",
            ),
            Self::NoPanel => say(
                "this dataset is no panel",
                "make one with `import-panel` or `reshape-to-panel`",
                "dette datasettet er ikke et panel",
                "lag et med `import-panel` eller `reshape-to-panel`",
            ),
            Self::PanelNotFirst => say(
                "`import-panel` must be the first import of a dataset",
                "make a dataset of its own, empty or with the units of another: `clone-units dataset new`",
                "`import-panel` må være den første importen i et datasett",
                "lag et eget datasett, tomt eller med enhetene i et annet: `clone-units datasett nytt`",
            ),
            Self::NoDateLeft => say(
                "no row of the panel can be meant: at no date does the condition hold of anybody",
                "compare date@panel with one of the panel's dates, such as date(2020, 1, 1), or after `reshape-to-panel` with the number",
                "ingen rader i panelet kan være ment: betingelsen gjelder ingen på noen dato",
                "sammenlign date@panel med en av panelets datoer, som date(2020, 1, 1), eller etter `reshape-to-panel` med tallet",
            ),
            Self::DateOfGroups => say(
                "groups of a panel cannot be made by what is the same for everybody at a date, as `date@panel` is",
                "write the group's value to each row with `aggregate … , by(date@panel)`",
                "et panel kan ikke grupperes etter noe som er likt for alle på en dato, slik `date@panel` er",
                "skriv gruppens verdi til hver rad med `aggregate … , by(date@panel)`",
            ),
            Self::OuterJoinAcross { columns } => {
                let (list, liste) = owned(columns);
                say(
                    format!(
                        "{list}: with `outer_join` the population would be units of either owner, which nobody may know"
                    ),
                    "import without `outer_join`, or begin with the register that has all units",
                    format!(
                        "{liste}: med `outer_join` ville populasjonen være enheter hos enten den ene eller den andre, og det skal ingen vite"
                    ),
                    "importer uten `outer_join`, eller begynn med registeret som har alle enhetene",
                )
            }
        }
    }
}
