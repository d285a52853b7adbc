//! The catalogue as people read it.

use comfy_table::{ContentArrangement, Table as Sheet, presets};
use kobling_model::catalogue::{
    AvailableDates, DataType, Datastore, Sensitivity, Temporality, ValueDomain, Variable,
};

use super::{counted, plain};

/// Days shown of a long list.
const DAYS_MAX: usize = 12;

/// Releases without variables.
pub fn datastores(datastores: &[Datastore]) -> String {
    let mut sheet = sheet(&["Datastore", "Version", "Owner"]);
    for datastore in datastores {
        sheet.add_row([datastore.id.to_string(), datastore.version.to_string(), datastore.owner.to_string()]);
    }
    format!("{}\n", sheet.trim_fmt())
}

/// Variables of releases, one a line.
pub fn variables(datastores: &[Datastore]) -> String {
    let mut sheet = sheet(&["Variable", "Title", "Unit", "Values hold", "Dates"]);
    let mut found = 0;
    for datastore in datastores {
        for variable in &datastore.variables {
            found += 1;
            sheet.add_row([
                format!("{}:{}/{}", datastore.id, datastore.version.major, variable.name),
                plain(&variable.title),
                variable.unit_type.to_string(),
                temporality(variable.temporality).to_owned(),
                dates(&variable.dates, 2),
            ]);
        }
    }
    if found == 0 {
        return "No variable found.\n".to_owned();
    }
    format!("{}\n{}\n", sheet.trim_fmt(), counted(found, "variable", "variables"))
}

/// A variable with everything that is public about it.
pub fn variable(datastore: &Datastore, variable: &Variable) -> String {
    let mut out = format!("{}:{}/{}\n", datastore.id, datastore.version.major, variable.name);
    let mut line = |name: &str, text: String| {
        if !text.is_empty() {
            out.push_str(&format!("  {name:<13}{text}\n"));
        }
    };
    line("title", plain(&variable.title));
    line("description", plain(&variable.description));
    line("owner", datastore.owner.to_string());
    line("version", datastore.version.to_string());
    line("unit", variable.unit_type.to_string());
    line("values hold", temporality(variable.temporality).to_owned());
    line("sensitivity", sensitivity(variable.sensitivity).to_owned());
    line("dates", dates(&variable.dates, DAYS_MAX));
    match &variable.domain {
        ValueDomain::Described { data_type, description, unit } => {
            line("values", data_type_name(*data_type).to_owned());
            line("measured", plain(description));
            line("in", plain(unit));
        }
        ValueDomain::Pointer { unit_type } => line("values", format!("a unit of type {unit_type}")),
        ValueDomain::Codes { data_type, codes, sentinels } => {
            line("values", format!("codes, {}", data_type_name(*data_type)));
            let mut list = sheet(&["Code", "Title", "From", "Until"]);
            for code in codes {
                let until = code.valid_until.map(|day| day.to_string()).unwrap_or_default();
                list.add_row([plain(&code.code), plain(&code.title), code.valid_from.to_string(), until]);
            }
            for sentinel in sentinels {
                list.add_row([
                    plain(&sentinel.code),
                    plain(&sentinel.title),
                    "no value".to_owned(),
                    String::new(),
                ]);
            }
            out.push_str(&list.trim_fmt());
            out.push('\n');
        }
    }
    out
}

fn sheet(header: &[&str]) -> Sheet {
    let mut sheet = Sheet::new();
    sheet.load_preset(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    sheet.set_header(header);
    sheet
}

fn temporality(temporality: Temporality) -> &'static str {
    match temporality {
        Temporality::Fixed => "always",
        Temporality::Status => "on a day",
        Temporality::Accumulated => "over a period",
        Temporality::Event => "from a day on",
    }
}

fn sensitivity(sensitivity: Sensitivity) -> &'static str {
    match sensitivity {
        Sensitivity::PersonGeneral => "PERSON_GENERAL",
        Sensitivity::PersonSpecial => "PERSON_SPECIAL",
        Sensitivity::Public => "PUBLIC",
        Sensitivity::Nonpublic => "NONPUBLIC",
    }
}

fn data_type_name(data_type: DataType) -> &'static str {
    match data_type {
        DataType::String => "text",
        DataType::Long => "whole numbers",
        DataType::Double => "numbers",
        DataType::Date => "days",
    }
}

fn dates(dates: &AvailableDates, most: usize) -> String {
    let list = |texts: Vec<String>| {
        if texts.len() <= most {
            return texts.join(", ");
        }
        let last = texts.last().cloned().unwrap_or_default();
        format!("{}, … {last}", texts[..most - 1].join(", "))
    };
    match dates {
        AvailableDates::None => "takes no date".to_owned(),
        AvailableDates::Days { days } => list(days.iter().map(ToString::to_string).collect()),
        AvailableDates::Periods { periods } => {
            list(periods.iter().map(|(first, last)| format!("{first} to {last}")).collect())
        }
        AvailableDates::Range { first, last } => format!("any day from {first} to {last}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kobling_model::Day;

    #[test]
    fn a_long_list_of_days_is_cut_in_the_middle() {
        let days = (0..5).map(|day| Day::from_days(365 * day).expect("a day")).collect();
        let shown = dates(&AvailableDates::Days { days }, 3);
        assert_eq!(shown, "1970-01-01, 1971-01-01, … 1973-12-31");
    }
}
