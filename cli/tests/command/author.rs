//! The author's commands `fmt`, `inspect`, `check` and `test` on packs, as people run them.

use crate::support::{countersign, folder, root};
use serde_json::Value;
use std::fs;
use std::path::Path;

const PACK: &str = "policies/fraud-scoring";

const SCHEMA: &str = "entity User { level: Long, team?: String }; entity Doc { owner: User };
action read, write appliesTo { principal: User, resource: Doc, context: { time: datetime, address?: ipaddr } };\n";

const POLICIES: &str = "@id(\"read-own\")
permit(principal, action == Action::\"read\", resource)
when { resource.owner == principal || principal.level > 3 };
@id(\"no-guests\")
forbid(principal, action, resource)
unless { principal has team && principal.team != \"guests\" };
";

/// A small pack of its own.
fn pack(name: &str) -> std::path::PathBuf {
    let folder = folder(name);
    fs::write(folder.join("doc.cedarschema"), SCHEMA).unwrap();
    fs::write(folder.join("doc.cedar"), POLICIES).unwrap();
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

const TABLE: &str = r#"
defaults: { context: { time: "2026-01-01T00:00:00Z" } }
entities: [{ uid: 'User::"ann"', attrs: { level: 1 } }]
cases:
  - name: ann reads
    principal: User::"ann"
    action: read
    resource: Doc::"d"
    entities:
      - { uid: 'User::"ann"', attrs: { level: "${level}", team: "${team}" } }
      - { uid: { type: Doc, id: d }, attrs: { owner: 'User::"${owner}"' } }
    table:
      columns: [level, team, owner, decision, reasons]
      rows:
        - [1, staff, ann, allow, read-own]
        - [4, staff, bob, allow, [read-own]]
        - [3, staff, bob, deny, []]
        - [4, guests, ann, deny, no-guests]
"#;

#[test]
fn an_image_is_shown_from_itself_alone() {
    let folder = pack("inspect");
    let image = folder.join("pack.image");
    countersign(&["compile", text(&folder), "-o", text(&image)]).exits(0);
    let shown = countersign(&["inspect", text(&image)]).exits(0).out();
    for part in [
        "sha256:",
        "permit policies        1",
        "actions                2",
        "forbid no-guests doc.cedar:4:1",
        "(principal, action == Action::\"read\", resource)",
        "policies ",
    ] {
        assert!(shown.contains(part), "`{part}` is not in:\n{shown}");
    }
    let data: Value =
        serde_json::from_str(&countersign(&["inspect", "--format", "json", text(&image)]).exits(0).out())
            .unwrap();
    let bytes = fs::read(&image).unwrap();
    assert_eq!(data["bytes"], bytes.len());
    let sections =
        data["sections"].as_array().unwrap().iter().map(|section| section["bytes"].as_u64().unwrap());
    assert_eq!(sections.sum::<u64>() + data["header_bytes"].as_u64().unwrap(), bytes.len() as u64);
    let policy = &data["policies"][1];
    assert_eq!((policy["id"].as_str(), policy["effect"].as_str()), (Some("no-guests"), Some("forbid")));
    let offset = usize::try_from(policy["offset"].as_u64().unwrap()).unwrap();
    let length = usize::try_from(policy["length"].as_u64().unwrap()).unwrap();
    assert!(POLICIES[offset..][..length].starts_with("@id(\"no-guests\")"));
    assert!(POLICIES[offset..][..length].ends_with("};"));
}

#[test]
fn what_is_no_good_image_is_refused_with_a_reason() {
    let folder = pack("inspect-bad");
    let image = folder.join("pack.image");
    countersign(&["compile", text(&folder), "-o", text(&image)]).exits(0);
    let good = fs::read(&image).unwrap();
    let altered = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    for (bytes, reason) in [
        (altered(&|bytes| bytes.truncate(100)), "cut short"),
        (altered(&|bytes| *bytes.last_mut().unwrap() ^= 1), "altered"),
        (altered(&|bytes| bytes[8..10].copy_from_slice(&u16::MAX.to_le_bytes())), "format version 65535"),
        (altered(&|bytes| bytes.push(0)), "bytes follow"),
        (vec![0xff, 1, 2, 3], "module, found a file that begins with"),
        (b"permit(principal, action, resource);".to_vec(), "found text that begins with `permit("),
        (b"\x1f\x8b\x08".to_vec(), "found a gzip archive: unpack it first"),
        (Vec::new(), "expected a policy image or a WebAssembly module, found an empty file"),
    ] {
        fs::write(&image, bytes).unwrap();
        let run = countersign(&["inspect", text(&image)]).exits(2);
        let first = run.err().lines().next().unwrap().to_owned();
        assert!(first.starts_with(&format!("error: {}: ", text(&image))), "{first}");
        assert!(first.contains(reason), "{first}");
        assert_eq!(run.out(), "");
    }
    countersign(&["inspect", text(&folder)]).exits(2);
    countersign(&["inspect", "no/such.image"]).exits(2);
}

#[test]
fn files_are_laid_out_and_comments_stay() {
    let folder = pack("fmt");
    let (policy, schema) = (folder.join("doc.cedar"), folder.join("doc.cedarschema"));
    let untidy = "// why\npermit(principal,action,resource) // who\nwhen{principal.level>3};// end\n";
    fs::write(&policy, untidy).unwrap();
    let said = countersign(&["fmt", "--check", text(&folder)]).exits(1).out();
    assert!(said.contains(&format!("would change {}", text(&policy))), "{said}");
    assert!(said.contains(&format!("would change {}", text(&schema))), "{said}");
    assert_eq!(fs::read_to_string(&policy).unwrap(), untidy);
    countersign(&["fmt", text(&folder)]).exits(0);
    let tidy = fs::read_to_string(&policy).unwrap();
    for part in ["// why\n", "// who\n", "// end", "when { principal.level > 3 };"] {
        assert!(tidy.contains(part), "`{part}` is not in:\n{tidy}");
    }
    let again = countersign(&["fmt", "--check", text(&policy), text(&schema)]).exits(0).out();
    assert_eq!(again, "");
    countersign(&["check", text(&folder)]).exits(0);
    // What can't be read is said, and the rest goes on.
    fs::write(folder.join("a.cedar"), "permit(principal").unwrap();
    fs::write(&policy, untidy).unwrap();
    let run = countersign(&["fmt", "--check", text(&folder)]).exits(2);
    assert!(run.err().contains("a.cedar:1:"), "{}", run.err());
    assert!(run.out().contains("would change"), "{}", run.out());
    for (format, part) in [
        ("json", "\"ok\":false"),
        ("junit", "<failure "),
        ("tap", "not ok 1 - "),
        ("github", "::error file="),
    ] {
        let out = countersign(&["fmt", "--check", "--format", format, text(&policy)]).exits(1).out();
        assert!(out.contains(part) && out.contains("expected the official layout"), "{out}");
    }
    countersign(&["fmt", "README.md"]).exits(2);
}

#[test]
fn the_reference_packs_are_laid_out_and_covered() {
    for pack in fs::read_dir(root().join("policies")).unwrap() {
        let pack = pack.unwrap().path();
        if pack.is_dir() {
            countersign(&["check", text(&pack)]).exits(0);
            countersign(&["fmt", "--check", text(&pack)]).exits(0);
            countersign(&["test", text(&pack), "--coverage-min", "100"]).exits(0);
        }
    }
}

#[test]
fn findings_have_a_form_for_every_reader() {
    let folder = pack("check-formats");
    fs::write(
        folder.join("doc.cedar"),
        "permit(principal, action, resource)\nwhen { principal.nam == \"x\" };\npermit(principal, action == Action::\"reed\", resource);",
    )
    .unwrap();
    let run = |format: &str| countersign(&["check", "--format", format, text(&folder), PACK]).exits(2);
    let lines = run("json").lines();
    assert_eq!((lines[0]["ok"].as_bool(), lines[1]["ok"].as_bool()), (Some(false), Some(true)));
    let first = &lines[0]["findings"][0];
    assert_eq!((first["line"].as_u64(), first["end_line"].as_u64()), (Some(2), Some(2)), "{first}");
    assert!(first["end_column"].as_u64() > first["column"].as_u64(), "{first}");
    let annotations = run("github").out();
    let place = format!("::error file={},line=2,endLine=2,col=", text(&folder.join("doc.cedar")));
    assert!(annotations.lines().next().unwrap().starts_with(&place), "{annotations}");
    assert_eq!(annotations.lines().count(), lines[0]["findings"].as_array().unwrap().len());
    let xml = run("junit").out();
    assert!(xml.contains("<testsuites ") && xml.contains(&format!("name=\"{PACK}\"/>")), "{xml}");
    assert_eq!(xml.matches("<failure ").count(), annotations.lines().count());
    let coloured = countersign(&["check", "--color", "always", text(&folder)]).exits(2).err();
    assert!(coloured.contains("\u{1b}[") && coloured.contains("principal.nam"), "{coloured}");
}

#[test]
fn a_configurations_faults_have_their_place_in_every_form() {
    let folder = folder("check-place");
    let file = folder.join("c.yaml");
    fs::write(&file, "version: 1\nissuers: 3\n").unwrap();
    let line = countersign(&["check", "--format", "github", text(&file)]).exits(2).out();
    assert!(line.starts_with(&format!("::error file={},line=2,", text(&file))), "{line}");
    let found = &countersign(&["check", "--format", "json", text(&file)]).exits(2).lines()[0]["findings"][0];
    assert_eq!((found["source"].as_str(), found["line"].as_u64()), (Some(text(&file)), Some(2)));
}

#[test]
fn every_row_is_a_case() {
    let folder = pack("table");
    fs::create_dir(folder.join("tests")).unwrap();
    let file = folder.join("tests/reading.yaml");
    fs::write(&file, TABLE).unwrap();
    let run = countersign(&["test", "--format", "json", text(&folder)]).exits(0);
    let data = &run.lines()[0];
    assert_eq!((data["passed"].as_u64(), data["failed"].as_u64()), (Some(4), Some(0)));
    assert_eq!(data["cases"][0]["name"], "ann reads (level: 1, team: staff, owner: ann)");
    assert_eq!(data["cases"][0]["records"][0]["reasons"][0], "read-own");
    // Both conditions of `||` and of `unless` are counted, each both ways; nobody is without a team.
    let coverage = &data["coverage"][0];
    assert_eq!(coverage["condition_ways"], 8);
    assert_eq!(coverage["condition_ways_seen"], 7);
    assert_eq!(coverage["gaps"].as_array().unwrap().len(), 1);
    assert!(coverage["gaps"][0].as_str().unwrap().ends_with("never false: principal has team"));
    countersign(&["test", text(&file), "--coverage-min", "87"]).exits(0);
    let said = countersign(&["test", text(&file), "--coverage-min", "88"]).exits(3).err();
    assert!(said.starts_with("error: expected at least 88 %"), "{said}");

    let filtered = countersign(&["test", text(&file), "--filter", "guests"]).exits(0).out();
    assert!(filtered.contains("1 passed, 0 failed"), "{filtered}");
    countersign(&["test", text(&file), "--filter", "nothing"]).exits(1);
    let whole = countersign(&["test", text(&file), "--coverage"]).exits(0).out();
    assert!(whole.contains("principal.level <= 3"), "{whole}");
}

#[test]
fn what_differs_is_said_by_case() {
    let folder = pack("table-fails");
    let file = folder.join("t.yaml");
    for (from, to, said) in [
        (
            "[1, staff, ann, allow, read-own]",
            "[1, staff, ann, deny, read-own]",
            "decision: expected \"deny\"",
        ),
        (
            "[1, staff, ann, allow, read-own]",
            "[1, staff, ann, allow, other]",
            "reasons: expected [\"other\"]",
        ),
        ("principal: User", "errors: [read-own]\n    principal: User", "errors: expected [\"read-own\"]"),
    ] {
        assert!(TABLE.contains(from));
        fs::write(&file, TABLE.replacen(from, to, 1)).unwrap();
        let out = countersign(&["test", text(&file)]).exits(1).out();
        assert!(out.contains("FAIL ann reads (level: 1") && out.contains(said), "{out}");
        let line = countersign(&["test", "--format", "github", text(&file)]).exits(1).out();
        assert!(line.starts_with(&format!("::error file={},line=5,", text(&file))), "{line}");
        let xml = countersign(&["test", "--format", "junit", text(&file)]).exits(1).out();
        assert!(xml.contains("tests=\"4\" failures=\""), "{xml}");
    }
}

#[test]
fn a_bad_table_is_refused_by_line_and_case() {
    let folder = pack("table-bad");
    let file = folder.join("t.yaml");
    for (from, to, said) in [
        ("action: read", "action: reed", "expected an action of the schema, found `reed`"),
        ("principal: User::\"ann\"", "principal: User", "expected an entity such as"),
        ("2026-01-01T00:00:00Z", "today", "`context.time`: expected datetime"),
        ("{ level: 1 }", "{ levels: 1 }", "the schema has no such attribute"),
        ("[1, staff, ann, allow, read-own]", "[1, staff]", "expected 5 values as there are columns, found 2"),
        ("[1, staff, ann, allow, read-own]", "[one, staff, ann, allow, read-own]", "expected Long"),
        ("columns: [level", "columns: [lvl", "`table.columns[0]`: `lvl`: expected a member of a case"),
        ("name: ann reads", "name: ''", "`name`: expected a text"),
        ("action: read", "action: read\n    verb: x", "`verb`: unknown field"),
        ("ann, allow", "ann, maybe", "`decision`: expected `allow` or `deny`"),
    ] {
        let mut bad = TABLE.to_owned();
        if from == "{ level: 1 }" {
            bad = bad.replace("attrs: { level: \"${level}\"", "attrs: { levels: \"${level}\"");
        }
        assert!(bad.contains(from), "{from}");
        fs::write(&file, bad.replacen(from, to, 1)).unwrap();
        let run = countersign(&["test", text(&file)]).exits(2);
        let err = run.err();
        assert!(err.starts_with(&format!("error: {}:", text(&file))) && err.contains(said), "{to}: {err}");
    }
    fs::write(&file, "cases: []").unwrap();
    countersign(&["test", text(&file)]).exits(1);
    countersign(&["test", text(&folder)]).exits(1);
    fs::write(&file, "what: is this").unwrap();
    countersign(&["test", text(&file)]).exits(2);
}

#[test]
fn what_a_run_as_a_whole_lacks_is_told_in_every_form() {
    let folder = pack("whole");
    fs::create_dir(folder.join("tests")).unwrap();
    fs::write(folder.join("tests/t.yaml"), TABLE).unwrap();
    let run = |format: &str, more: &[&str], code| {
        countersign(&[&["test", "--format", format, text(&folder)], more].concat()).exits(code)
    };
    // Every case passes, but too little is covered.
    let short = ["--coverage-min", "100"];
    let data = run("json", &short, 3).lines().remove(0);
    assert_eq!(
        (data["ok"].as_bool(), data["failed"].as_u64(), data["coverage_min"].as_u64()),
        (Some(false), Some(0), Some(100))
    );
    assert!(data["shortfalls"][0].as_str().unwrap().starts_with("expected at least 100 %"), "{data}");
    let xml = run("junit", &short, 3).out();
    assert!(
        xml.contains("failures=\"1\"")
            && xml.contains("name=\"coverage\"><failure message=\"expected at least 100 %"),
        "{xml}"
    );
    let lines = run("github", &short, 3).out();
    assert!(lines.starts_with("::error::expected at least 100 %25: "), "{lines}");
    let gap = format!(
        "::warning file={},line=6,title=coverage::no-guests: never false",
        text(&folder.join("doc.cedar"))
    );
    assert!(lines.contains(&gap), "{lines}");
    // Enough is a case that passes.
    let enough = ["--coverage-min", "80"];
    assert_eq!(run("json", &enough, 0).lines()[0]["ok"], true);
    assert!(run("junit", &enough, 0).out().contains("name=\"coverage\"/>"));
    assert!(!run("github", &enough, 0).out().contains("::error"));
    // No test at all.
    let none = ["--filter", "nothing of that name"];
    assert_eq!(run("json", &none, 1).lines()[0]["ok"], false);
    assert!(run("junit", &none, 1).out().contains("name=\"at least one test\"><failure "));
    assert!(run("github", &none, 1).out().starts_with("::error::expected at least one test"));
    fs::remove_dir_all(folder.join("tests")).unwrap();
    assert!(run("junit", &[], 1).out().contains("<failure "));
    assert!(run("github", &[], 1).out().contains("expected at least one test"));
    // What can't be compiled.
    fs::write(folder.join("doc.cedar"), "permit(principal, action, resource) when { principal.nam == 1 };")
        .unwrap();
    fs::create_dir(folder.join("tests")).unwrap();
    fs::write(folder.join("tests/t.yaml"), TABLE).unwrap();
    let line = run("github", &[], 2).out();
    assert!(line.starts_with(&format!("::error file={},line=1,", text(&folder.join("doc.cedar")))), "{line}");
    let found = &run("json", &[], 2).lines()[0]["findings"][0];
    assert_eq!((found["policy"].as_str(), found["line"].as_u64()), (Some("policy0"), Some(1)), "{found}");
}

#[test]
fn every_table_below_a_pack_is_run_once() {
    let folder = pack("table-files");
    fs::create_dir_all(folder.join("tests/deep/er")).unwrap();
    for name in ["tests/U.YAML", "tests/deep/er/t.Json"] {
        fs::write(folder.join(name), TABLE).unwrap();
    }
    // JSON is YAML; the name says which readers are wanted, not which is used.
    let again = folder.join("tests/../tests/U.YAML");
    let twice = ["test", text(&folder), text(&folder), text(&again)];
    let out = countersign(&twice).exits(0).out();
    assert!(out.contains("8 passed, 0 failed in 2 files"), "{out}");
}

#[test]
fn paths_that_lead_nowhere_are_told_by_what_is_wanted() {
    let (policy, pack) = (format!("{PACK}/10-scoring.cedar"), "policies/none");
    for (arguments, said) in [
        (
            vec!["test", pack],
            "policies/none: expected a file of tests or a pack (folder), found nothing of that name",
        ),
        (
            vec!["check", pack],
            "policies/none: expected a configuration (YAML or JSON) or a pack (folder), found nothing",
        ),
        (
            vec!["diff", PACK, pack],
            "policies/none: expected a pack (folder) or a policy image, found nothing",
        ),
        (
            vec!["inspect", pack],
            "policies/none: expected a policy image or a WebAssembly module, found nothing",
        ),
        (vec!["lint", pack], "policies/none: expected a pack (folder), found nothing"),
        (vec!["lint", &policy], "10-scoring.cedar: expected a pack (folder), found a file"),
        (
            vec!["check", &policy],
            "10-scoring.cedar: expected a configuration (YAML or JSON) or a pack (folder), found a file",
        ),
    ] {
        let err = countersign(&arguments).exits(2).err();
        assert!(err.lines().next().unwrap().contains(said), "{err}");
        assert_eq!(
            err.contains("is it `policies/fraud-scoring`?"),
            arguments.contains(&policy.as_str()),
            "{err}"
        );
    }
}

#[test]
fn each_mistake_is_told_once() {
    let folder = pack("told-once");
    fs::write(folder.join("doc.cedar"), "permit(principal, action, resource)\nwhen { principal.nam == \"x\" };\npermit(principal, action, resource) when { principal.nom == \"x\" };").unwrap();
    let err = countersign(&["check", text(&folder)]).exits(2).err();
    for (attribute, line) in [("nam", 2), ("nom", 3)] {
        assert_eq!(err.matches(&format!("attribute `{attribute}`")).count(), 1, "{err}");
        assert!(err.contains(&format!(" {line} │")), "{err}");
    }
    assert!(err.lines().next().unwrap().ends_with("(and one more error)"), "{err}");
}

#[test]
fn a_name_that_nothing_uses_is_refused() {
    let folder = pack("table-typos");
    let file = folder.join("t.yaml");
    let matrix =
        TABLE.split("    table:").next().unwrap().replace("${level}", "1").replace("${team}", "staff");
    let matrix = format!(
        "{}    matrix:\n      down: owner\n      across: what\n      columns: [{{ action: read }}]\n      rows:\n        - [ann, [{{ decision: allow }}]]\n",
        matrix.replace("level: \"1\"", "level: 1")
    );
    let each = matrix.split("    matrix:").next().unwrap().to_owned()
        + "    decision: allow\n    each: [{ owner: ann }]\n";
    for (good, from, to, said) in [
        (
            TABLE,
            "decision, reasons]",
            "decision, reson]",
            "`table.columns[4]`: `reson`: expected a member of a case, or `${reson}` somewhere in it",
        ),
        (TABLE, "[level, team", "[level, taem", "`taem`"),
        (TABLE, "name: ann reads", "name: ann ${raeds}", "`raeds`"),
        (&matrix, "down: owner", "down: owner, donw: x", "`matrix`: unknown field `donw`"),
        (&matrix, "{ action: read }", "{ actoin: read }", "`matrix.columns[0]`: `actoin`: expected a member"),
        (
            &matrix,
            "{ decision: allow }",
            "{ decison: allow }",
            "`matrix.rows[0][1][0]`: `decison`: expected a member",
        ),
        (
            &each,
            "{ owner: ann }",
            "{ owner: ann, principle: x }",
            "`each[0]`: `principle`: expected `${principle}` somewhere",
        ),
        (
            &each.replace("${owner}", "ann").replace("    each: [{ owner: ann }]\n", ""),
            "ann reads",
            "ann ${reads}",
            "`name`: `${reads}`: expected a column, or a member of `each`, of that name",
        ),
    ] {
        fs::write(&file, good).unwrap();
        countersign(&["test", text(&file)]).exits(0);
        let bad = good.replacen(from, to, 1).replace("down: owner, donw: x", "down: owner\n      donw: x");
        assert_ne!(good, bad);
        fs::write(&file, bad).unwrap();
        let err = countersign(&["test", text(&file)]).exits(2).err();
        assert!(err.starts_with(&format!("error: {}:", text(&file))) && err.contains(said), "{to}: {err}");
    }
}

#[test]
fn a_matrix_has_a_case_for_each_cell() {
    let folder = pack("matrix");
    let file = folder.join("t.yaml");
    fs::write(
        &file,
        r#"
cases:
  - name: ${what} of ${who}
    principal: User::"${who}"
    action: ${what}
    resource: Doc::"d"
    context: { time: "2026-01-01T00:00:00Z", address: 10.0.0.0/8 }
    entities:
      - { uid: 'User::"ann"', attrs: { level: 1, team: staff } }
      - { uid: 'User::"bob"', attrs: { level: 1, team: guests } }
      - { uid: 'Doc::"d"', attrs: { owner: 'User::"ann"' } }
    matrix:
      down: who
      across: what
      columns: [read, write]
      rows:
        - [ann, [allow, deny]]
        - [bob, [{ decision: deny, reasons: no-guests }, deny]]
"#,
    )
    .unwrap();
    let data = &countersign(&["test", "--format", "json", text(&file)]).exits(0).lines()[0];
    let names: Vec<&str> =
        data["cases"].as_array().unwrap().iter().map(|case| case["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["read of ann", "write of ann", "read of bob", "write of bob"]);
}
