//! The `.proto` files themselves.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use prost::Message;
use prost_types::FileDescriptorSet;

const FOLDER: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn every_proto_file_is_compiled_and_described() {
    let described = FileDescriptorSet::decode(kobling_proto::FILE_DESCRIPTOR_SET).expect("a descriptor set");
    let described: BTreeSet<String> = described.file.iter().map(|file| file.name().to_owned()).collect();
    let mut found = BTreeSet::new();
    let parts = Path::new(FOLDER).join("kobling").read_dir().expect("the folder of .proto files");
    for part in parts {
        let part = part.expect("an entry").file_name().into_string().expect("UTF-8");
        for file in Path::new(FOLDER).join(format!("kobling/{part}/v1")).read_dir().expect("version 1") {
            let file = file.expect("an entry").file_name().into_string().expect("UTF-8");
            found.insert(format!("kobling/{part}/v1/{file}"));
        }
    }
    assert_eq!(described, found);
}

#[test]
#[ignore = "needs buf (PyPI buf-bin)"]
fn the_proto_files_are_clean_under_buf_lint() {
    let output = Command::new("buf").args(["lint", "."]).current_dir(FOLDER).output().expect("buf runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}
