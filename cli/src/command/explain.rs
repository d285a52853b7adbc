//! `kobling explain`: what a script would ask, of whom, under which rules and at what cost, without running it.

use kobling_model::catalogue::Catalogue;
use kobling_model::plan::Question;
use kobling_node::costs::row_cost;
use kobling_script::{Cost, Diagnostic};

use super::{print, print_json};
use crate::arguments::ExplainArguments;
use crate::client::Client;
use crate::exit::Exit;
use crate::render::plain;
use crate::script_file::Script;

/// Explains a script.
///
/// # Errors
/// For files that cannot be used, and where the broker or a node fails.
pub async fn run(arguments: ExplainArguments) -> anyhow::Result<Exit> {
    let script = Script::read(&arguments.file)?;
    let rejected = |diagnostics: Vec<Diagnostic>| {
        eprint!("{}", script.show(&diagnostics, arguments.lang));
        Ok(Exit::REJECTED)
    };
    // What the script says of itself is checked before anybody is asked.
    let catalogue = match kobling_script::required_datastores(&script.text) {
        Err(diagnostics) => return rejected(diagnostics),
        Ok(required) if required.is_empty() => Catalogue::default(),
        Ok(required) => {
            Client::connect(&arguments.platform.platform)
                .await?
                .catalogue_for(&script.text, &required)
                .await?
        }
    };
    let plan = match kobling_script::plan(&script.text, &catalogue) {
        Ok(plan) => plan,
        Err(diagnostics) => return rejected(diagnostics),
    };
    if arguments.json {
        print_json(&plan)?;
    } else if plan.questions.is_empty() {
        eprintln!("The script asks nothing.");
    } else {
        let cost = |question: &Question| {
            row_cost(question).map(|cost| Cost { joined: cost.joined, bytes_per_row: cost.bytes })
        };
        let explained = kobling_script::explain(&plan, cost);
        let lines: Vec<String> = explained.lines().map(plain).collect();
        print(&format!("{}\n", lines.join("\n")));
    }
    Ok(Exit::DONE)
}
