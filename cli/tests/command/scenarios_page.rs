//! The words of docs/scenarios.md are true: its whole files run as they stand.

use crate::support::{countersign, folder, root};
use std::fs;

#[cfg(unix)]
#[test]
fn its_whole_files_run_as_they_stand() {
    let page = fs::read_to_string(root().join("docs/scenarios.md")).unwrap();
    // A folder that looks like the root of a checkout.
    let folder = folder("scenarios-page");
    for name in ["examples", "policies", "tests"] {
        std::os::unix::fs::symlink(root().join(name), folder.join(name)).unwrap();
    }
    let blocks = page.split("```yaml\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let whole: Vec<&str> = blocks.filter(|block| block.contains("\ncases:\n")).collect();
    assert_eq!(whole.len(), 2);
    for (number, block) in whole.into_iter().enumerate() {
        let file = folder.join(format!("{number}.yaml"));
        fs::write(&file, block).unwrap();
        let out = countersign(&["test", file.to_str().unwrap()]).exits(0).out();
        assert!(out.contains("1 passed, 0 failed"), "{out}");
    }
}
