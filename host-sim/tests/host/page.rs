//! The page docs/host-sim.md, held against the tables that the simulator reads.

use std::fmt::Write;

use countersign_host_sim::{Callback, HostCall, Profile, Support};

fn ticked<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The part of the page that says how hosts differ.
fn hosts() -> String {
    let mut page = String::from("| profile | is | may have |\n| --- | --- | --- |\n");
    for profile in Profile::ALL {
        let memory = profile.memory_bytes() >> 20;
        writeln!(page, "| `{profile}` | {} | {memory} MiB of memory a VM |", profile.title()).unwrap();
    }
    page.push_str("\nHost functions that do not work everywhere:\n\n| function |");
    for profile in Profile::ALL {
        write!(page, " {profile} |").unwrap();
    }
    page.push_str("\n| --- | --- | --- | --- | --- |\n");
    for call in HostCall::ALL {
        let support = Profile::ALL.map(|profile| profile.support(*call));
        if support.iter().any(|support| *support != Support::Works) {
            write!(page, "| `{}` |", call.name()).unwrap();
            for support in support {
                let word = match support {
                    Support::Works => "yes",
                    Support::Unimplemented => "returns 12",
                    Support::Traps => "traps",
                    Support::Missing => "is missing",
                };
                write!(page, " {word} |").unwrap();
            }
            page.push('\n');
        }
    }
    page.push_str(
        "\nA module that imports what is missing is not loaded. 12 is `unimplemented`.\n\n\
         | profile | never calls | lends | properties |\n| --- | --- | --- | --- |\n",
    );
    for profile in Profile::ALL {
        let silent = Callback::ALL.iter().filter(|callback| !profile.makes(callback));
        let silent = ticked(silent.map(|callback| callback.name));
        let lends = ticked(profile.foreign_functions().iter().copied());
        let properties = match profile.properties() {
            None => "as Envoy".to_owned(),
            Some(paths) => ticked(paths.iter().copied()),
        };
        writeln!(page, "| `{profile}` | {silent} | {lends} | {properties} |").unwrap();
    }
    for profile in Profile::ALL.into_iter().filter(|profile| !profile.notes().is_empty()) {
        writeln!(page, "\n`{profile}`:\n").unwrap();
        for note in profile.notes() {
            writeln!(page, "- {note}").unwrap();
        }
    }
    page
}

#[test]
fn the_page_says_what_the_simulator_does() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/host-sim.md");
    let page = std::fs::read_to_string(path).unwrap();
    let hosts = hosts();
    assert!(page.contains(&hosts), "docs/host-sim.md does not say under `Hosts`:\n\n{hosts}");
}
