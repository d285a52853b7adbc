//! Compiles the `.proto` files in Rust, so that a build needs no `protoc`, and keeps their descriptors
//! for the reflection service.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use prost::Message;

/// Every file with messages or services of ours, in `kobling/`.
const FILES: [&str; 6] = [
    "kobling/common/v1/common.proto",
    "kobling/catalogue/v1/catalogue.proto",
    "kobling/node/v1/node.proto",
    "kobling/peer/v1/peer.proto",
    "kobling/platform/v1/platform.proto",
    "kobling/flight/v1/flight.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=kobling");
    let descriptors = protox::compile(FILES, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    fs::write(out.join("kobling.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        // `bytes` fields stay slices of the message they came in: share columns are not copied.
        .bytes(".")
        .build_server(true)
        .build_client(true)
        .compile_fds(descriptors)?;
    Ok(())
}
