//! `kobling check`: what is wrong with a script, without running it.

use kobling_script::parser;

use crate::arguments::CheckArguments;
use crate::client::Client;
use crate::exit::Exit;
use crate::render::counted;
use crate::script_file::Script;

/// Checks a script.
///
/// # Errors
/// For files that cannot be used, and where the platform is asked and fails.
pub async fn run(arguments: CheckArguments) -> anyhow::Result<Exit> {
    let script = Script::read(&arguments.file)?;
    let checked = match &arguments.platform {
        None => {
            let (_, diagnostics) = parser::parse(&script.text);
            if diagnostics.is_empty() { Ok(None) } else { Err(diagnostics) }
        }
        Some(platform) => match kobling_script::required_datastores(&script.text) {
            Err(diagnostics) => Err(diagnostics),
            Ok(required) => {
                let client = Client::connect(platform).await?;
                let catalogue = client.catalogue_for(&script.text, &required).await?;
                kobling_script::plan(&script.text, &catalogue).map(Some)
            }
        },
    };
    match checked {
        Ok(None) => eprintln!(
            "The script can be read. Names, types and dates were not checked: that takes --platform."
        ),
        Ok(Some(plan)) => {
            eprintln!("The script can be run: {}.", counted(plan.questions.len(), "question", "questions"));
        }
        Err(diagnostics) => {
            eprint!("{}", script.show(&diagnostics, arguments.lang));
            return Ok(Exit::REJECTED);
        }
    }
    Ok(Exit::DONE)
}
