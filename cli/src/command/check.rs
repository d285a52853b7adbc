//! `kobling check`: what is wrong with scripts, without running them.
//!
//! All files are checked, whatever is wrong with the ones before. Diagnostics go to standard error as people read them, or to
//! standard output as JSON, one a line.

use kobling_model::catalogue::Catalogue;
use kobling_model::plan::Plan;
use kobling_script::{Diagnostic, Severity};
use serde_json::json;

use super::print_json;
use crate::arguments::CheckArguments;
use crate::client::Client;
use crate::exit::{Exit, sentence};
use crate::render::{counted, plain};
use crate::script_file::{Script, placed_diagnostic_json};

/// Checks scripts.
///
/// # Errors
/// Where the platform is asked and fails. A file that cannot be used is said, and does not end the others.
pub async fn run(arguments: CheckArguments) -> anyhow::Result<Exit> {
    let client = match &arguments.platform {
        Some(platform) => Some(Client::connect(platform).await?),
        None => None,
    };
    let (mut wrong, mut unusable) = (false, false);
    for file in &arguments.files {
        let script = match Script::read(file) {
            Ok(script) => script,
            Err(error) => {
                unusable = true;
                let said = sentence(&error);
                if arguments.json {
                    let file = file.display().to_string();
                    print_json(
                        &json!({ "file": file, "code": "unusable-file", "severity": "error", "message": said }),
                    )?;
                } else {
                    eprintln!("kobling: {said}");
                }
                continue;
            }
        };
        let (diagnostics, plan) = match &client {
            None => (kobling_script::syntax(&script.text), None),
            Some(client) => with_catalogue(client, &script).await?,
        };
        let blocks = |one: &Diagnostic| client.is_some() || one.severity() == Severity::Error;
        wrong |= diagnostics.iter().any(blocks);
        if arguments.json {
            for diagnostic in &diagnostics {
                print_json(&placed_diagnostic_json(&script, diagnostic, arguments.lang))?;
            }
            continue;
        }
        if !diagnostics.is_empty() {
            eprint!("{}", script.show(&diagnostics, arguments.lang));
        } else if script.text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}').is_empty() {
            eprintln!("{}: the script is empty.", plain(&script.name));
        } else {
            eprintln!("{}: {}", plain(&script.name), in_order(plan.as_ref()));
        }
    }
    Ok(match (unusable, wrong) {
        (true, _) => Exit::USAGE,
        (false, true) => Exit::REJECTED,
        (false, false) => Exit::DONE,
    })
}

/// What is wrong with a script for this platform, or its plan.
async fn with_catalogue(client: &Client, script: &Script) -> anyhow::Result<(Vec<Diagnostic>, Option<Plan>)> {
    let catalogue = match kobling_script::required_datastores(&script.text) {
        // Which releases to ask for is not known: what can be said without them is said.
        Err(_) => return Ok((kobling_script::syntax(&script.text), None)),
        Ok(required) if required.is_empty() => Catalogue::default(),
        Ok(required) => client.catalogue_for(&script.text, &required).await?,
    };
    Ok(match kobling_script::plan(&script.text, &catalogue) {
        Ok(plan) => (Vec::new(), Some(plan)),
        Err(diagnostics) => (diagnostics, None),
    })
}

fn in_order(plan: Option<&Plan>) -> String {
    let Some(plan) = plan else {
        return "the script can be read. Names, types and dates were not checked: that takes --platform."
            .to_owned();
    };
    let releases: Vec<String> = (plan.releases.iter())
        .map(|release| {
            format!(
                "{}:{} ({} of {})",
                release.datastore, release.version.major, release.version, release.owner
            )
        })
        .collect();
    let over = if releases.is_empty() { String::new() } else { format!(" over {}", releases.join(", ")) };
    format!("the script can be run: {}{over}.", counted(plan.questions.len(), "question", "questions"))
}
