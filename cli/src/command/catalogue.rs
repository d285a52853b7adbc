//! `kobling catalogue`: what there is to ask about.

use kobling_model::catalogue::Datastore;

use super::{print, print_json};
use crate::arguments::{CatalogueArguments, CatalogueCommand};
use crate::client::Client;
use crate::exit::{Exit, unusable};
use crate::render::{catalogue, plain};

/// Looks something up.
///
/// # Errors
/// For files that cannot be used, and where the broker or a node fails.
pub async fn run(arguments: CatalogueArguments) -> anyhow::Result<Exit> {
    let client = Client::connect(&arguments.platform.platform).await?;
    let show = |datastores: &[Datastore], text: fn(&[Datastore]) -> String| {
        if arguments.json {
            print_json(&datastores)
        } else {
            print(&text(datastores));
            Ok(())
        }
    };
    match arguments.command {
        CatalogueCommand::List { datastore: None } => {
            let (datastores, missing) = client.datastores().await?;
            show(&datastores, catalogue::datastores)?;
            for problem in missing {
                eprintln!("kobling: not shown: {}", plain(&problem.to_string()));
            }
        }
        CatalogueCommand::List { datastore: Some(datastore) } => {
            show(&client.variables(Some(&datastore)).await?, catalogue::variables)?;
        }
        CatalogueCommand::Search { words } => {
            show(&client.search(&words.join(" ")).await?, catalogue::variables)?;
        }
        CatalogueCommand::Show { variable } => {
            let (datastore, major, name) = place(&variable)?;
            let release = client.describe(datastore, major, name).await?;
            show(&[release], |releases| {
                let described = releases.iter().flat_map(|release| {
                    release.variables.iter().map(move |variable| catalogue::variable(release, variable))
                });
                described.collect()
            })?;
        }
    }
    Ok(Exit::DONE)
}

/// `DATASTORE/NAME` or `DATASTORE:MAJOR/NAME`.
fn place(text: &str) -> anyhow::Result<(&str, u32, &str)> {
    let form = || unusable("write the variable as DATASTORE/NAME, such as no.ssb.fdb/BEFOLKNING_KJOENN");
    let (datastore, name) = text.split_once('/').ok_or_else(form)?;
    match datastore.split_once(':') {
        None => Ok((datastore, 0, name)),
        Some((datastore, major)) => Ok((datastore, major.parse().map_err(|_| form())?, name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_named_with_or_without_a_version() {
        assert_eq!(place("no.ssb.fdb/NUDB_BU").expect("valid"), ("no.ssb.fdb", 0, "NUDB_BU"));
        assert_eq!(place("no.ssb.fdb:54/NUDB_BU").expect("valid"), ("no.ssb.fdb", 54, "NUDB_BU"));
        for bad in ["NUDB_BU", "no.ssb.fdb:x/NUDB_BU"] {
            assert!(place(bad).is_err());
        }
    }
}
