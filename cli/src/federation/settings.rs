//! What the parties of a federation on this machine begin with: the files in `compose/`, built in.
//!
//! They are not copied: `init` reads them, keeps every setting, and sets anew what belongs to a run (addresses and paths).

use anyhow::Context;

/// The three nodes' configuration files, by owner.
const NODES: [(&str, &str); 3] = [
    ("ssb", include_str!("../../../compose/node-ssb.toml")),
    ("krg", include_str!("../../../compose/node-krg.toml")),
    ("fhi", include_str!("../../../compose/node-fhi.toml")),
];
/// The broker's configuration file.
pub const BROKER: &str = include_str!("../../../compose/broker.toml");
/// The platform's file, whose paths are those of a federation's folder.
pub const PLATFORM: &str = include_str!("../../../compose/platform.toml");

/// The configuration file of an owner's node.
///
/// # Errors
/// Where no file is built in for the owner.
pub fn node(owner: &str) -> anyhow::Result<&'static str> {
    let found = NODES.iter().find(|(name, _)| *name == owner).map(|(_, text)| *text);
    found.with_context(|| format!("{owner}: there is no file for it in compose/"))
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};
    use std::fs;
    use std::net::IpAddr;
    use std::path::{Path, PathBuf};

    use kobling_node::config::Config as NodeConfig;
    use kobling_synth::OWNERS;
    use serde::Deserialize;

    use super::*;
    use crate::client::Profile;

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../compose")
    }

    fn read(name: &str) -> String {
        fs::read_to_string(folder().join(name)).expect("a file in compose/")
    }

    /// `compose.yaml`, as far as it is used; another key is a mistake.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Compose {
        name: String,
        services: BTreeMap<String, Service>,
        networks: BTreeMap<String, Network>,
        volumes: BTreeMap<String, Option<()>>,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Service {
        image: String,
        build: Option<Build>,
        command: Vec<String>,
        volumes: Vec<String>,
        networks: BTreeMap<String, Attached>,
        expose: Vec<String>,
        read_only: bool,
        cap_drop: Vec<String>,
        restart: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Build {
        context: String,
        dockerfile: String,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Attached {
        ipv4_address: IpAddr,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Network {
        ipam: Ipam,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Ipam {
        config: Vec<BTreeMap<String, String>>,
    }

    fn compose() -> Compose {
        serde_yaml_ng::from_str(&read("compose.yaml"))
            .expect("compose.yaml has the form that is checked here")
    }

    fn config_of(node: &str) -> NodeConfig {
        let name = format!("node-{node}.toml");
        NodeConfig::parse(&read(&name), Path::new(&name), Path::new("/etc/kobling"))
            .expect("a node's settings")
    }

    #[test]
    fn there_is_a_node_for_each_owner_of_the_synthetic_registers_and_no_other() {
        let owners: BTreeSet<&str> = OWNERS.iter().map(|owner| owner.owner).collect();
        assert_eq!(NODES.iter().map(|(name, _)| *name).collect::<BTreeSet<_>>(), owners);
        let names =
            fs::read_dir(folder()).expect("a folder").map(|entry| entry.expect("an entry").file_name());
        let names: BTreeSet<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        let nodes: BTreeSet<&str> =
            names.iter().filter_map(|name| name.strip_prefix("node-")?.strip_suffix(".toml")).collect();
        assert_eq!(nodes, owners, "files of nodes");
        for owner in owners {
            assert_eq!(config_of(owner).owner.as_str(), owner);
            assert_eq!(
                node(owner).expect("built in"),
                read(&format!("node-{owner}.toml")),
                "what the demo begins with"
            );
        }
    }

    #[test]
    fn every_service_runs_its_party_with_its_file_at_its_address_and_nothing_else() {
        let compose = compose();
        assert_eq!(compose.name, "kobling");
        let broker =
            kobling_broker::config::check(BROKER, Path::new("broker.toml")).expect("the broker's settings");
        let parties: BTreeMap<String, (String, std::net::SocketAddr)> = OWNERS
            .iter()
            .map(|owner| {
                (
                    owner.owner.to_owned(),
                    (format!("node-{}.toml", owner.owner), config_of(owner.owner).listen),
                )
            })
            .chain([("broker".to_owned(), ("broker.toml".to_owned(), broker))])
            .collect();
        assert_eq!(compose.services.keys().collect::<Vec<_>>(), parties.keys().collect::<Vec<_>>());
        assert_eq!(compose.volumes.keys().collect::<Vec<_>>(), parties.keys().collect::<Vec<_>>());
        assert!(compose.volumes.values().all(Option::is_none));
        let addresses: BTreeSet<_> = parties.values().map(|(_, address)| address).collect();
        assert_eq!(addresses.len(), parties.len(), "everyone has an address of its own");
        let subnet = &compose.networks["federation"].ipam.config[0]["subnet"];
        let prefix = subnet.strip_suffix("0/24").expect("a subnet of 256 addresses");
        for (name, service) in &compose.services {
            let (file, address) = &parties[name];
            let (what, own) = match name.as_str() {
                "broker" => ("broker", "broker.toml"),
                _ => ("node", "node.toml"),
            };
            // The same words as an operator's, so that this program can read them.
            let command = std::iter::once("kobling").chain(service.command.iter().map(String::as_str));
            let parsed = <crate::arguments::Arguments as clap::Parser>::try_parse_from(command);
            assert!(parsed.is_ok(), "{name}: {:?}", parsed.err());
            assert_eq!(service.command[0], what);
            assert!(service.command.contains(&"serve".to_owned()));
            assert!(service.command.contains(&format!("/etc/kobling/{own}")));
            assert_eq!(
                service.volumes,
                [format!("./{file}:/etc/kobling/{own}:ro"), format!("{name}:/var/lib/kobling")]
            );
            assert_eq!(service.networks["federation"].ipv4_address, address.ip(), "{name}");
            assert!(address.ip().to_string().starts_with(prefix), "{name} is in the network");
            assert_eq!((service.image.as_str(), service.restart.as_str()), ("kobling", "unless-stopped"));
            assert!(service.read_only && service.cap_drop == ["ALL"], "{name} may write its volume alone");
            assert_eq!(service.expose, [address.port().to_string()], "{name}");
        }
    }

    #[test]
    fn what_is_kept_lies_in_the_volume() {
        for owner in &OWNERS {
            let config = config_of(owner.owner);
            for path in [config.certificate, config.key, config.signing_key, config.seal_key, config.policy] {
                assert!(path.starts_with("/var/lib/kobling"), "{}: {}", owner.owner, path.display());
            }
        }
        let profile: Profile = toml::from_str(PLATFORM).expect("the platform's file");
        for path in [&profile.federation, &profile.certificate, &profile.key, &profile.signing_key] {
            assert!(path.is_relative(), "beside the platform's file: {}", path.display());
        }
    }

    #[test]
    fn the_image_holds_this_program_for_a_user_without_rights() {
        let builds: Vec<Build> =
            compose().services.into_values().filter_map(|service| service.build).collect();
        let [build] = &builds[..] else { panic!("one image serves all") };
        assert_eq!((build.context.as_str(), build.dockerfile.as_str()), ("..", "compose/Containerfile"));
        let text = read("Containerfile");
        let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
        let stages = lines.iter().filter(|line| line.starts_with("FROM ")).count();
        assert_eq!(stages, 2, "what builds is left behind");
        assert!(lines.iter().any(|line| line.contains("cargo build --release --locked -p kobling")));
        let user = lines.iter().rposition(|line| *line == "USER 65532:65532").expect("a user without rights");
        let last = lines.iter().rposition(|line| line.starts_with("FROM ")).expect("a stage");
        assert!(user > last, "the user of what runs");
        let rust = env!("CARGO_PKG_RUST_VERSION");
        assert!(
            lines[..last].iter().any(|line| line.contains(&format!("/rust:{rust}-"))),
            "the workspace's Rust"
        );
    }
}
