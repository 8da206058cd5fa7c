//! Reads what test runners say: nextest's JUnit file, the lines of doc tests, the lines of our Python runner. Reads only; whoever
//! calls decides what an unreadable answer means.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::report::{Ending, Report};

/// Adds every test case of a JUnit document to the report: `crate::binary::test`. `None`: it is not such a document.
pub(super) fn junit(document: &str, report: &mut Report) -> Option<()> {
    let mut reader = Reader::from_str(document);
    let mut suite = None;
    let mut case: Option<(String, Ending)> = None;
    let mut seen = false;
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) if tag.name().as_ref() == "testsuites" => seen = true,
            Event::Start(tag) if tag.name().as_ref() == "testsuite" => suite = attribute(&tag, "name"),
            Event::Empty(tag) if tag.name().as_ref() == "testcase" => {
                report.add(Ending::Passed, &name(suite.as_deref()?, &tag)?);
            }
            Event::Start(tag) if tag.name().as_ref() == "testcase" => {
                case = Some((name(suite.as_deref()?, &tag)?, Ending::Passed));
            }
            Event::Start(tag) | Event::Empty(tag) => {
                if let Some((_, ending)) = &mut case {
                    match tag.name().as_ref() {
                        "failure" | "error" => *ending = Ending::Failed,
                        "skipped" => *ending = Ending::Skipped,
                        _ => {}
                    }
                }
            }
            Event::End(tag) if tag.name().as_ref() == "testcase" => {
                let (name, ending) = case.take()?;
                report.add(ending, &name);
            }
            Event::Eof => return seen.then_some(()),
            _ => {}
        }
    }
}

fn name(suite: &str, case: &BytesStart<'_>) -> Option<String> {
    Some(format!("{suite}::{}", attribute(case, "name")?))
}

fn attribute(tag: &BytesStart<'_>, wanted: &str) -> Option<String> {
    let found = tag.try_get_attribute(wanted).ok()??;
    Some(quick_xml::escape::unescape(&found.value).ok()?.into_owned())
}

/// Adds the tests that rustdoc reports: `test crates/wire/src/lib.rs - item (line 7) - compile fail ... ok`. Gives back how many.
pub(super) fn doc_tests(output: &str, report: &mut Report) -> usize {
    let mut seen = 0;
    for line in output.lines() {
        let Some((name, said)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... ")) else {
            continue;
        };
        let ending = match said.split([' ', ',']).next() {
            Some("ok") => Ending::Passed,
            Some("ignored") => Ending::Skipped,
            _ => Ending::Failed,
        };
        report.add(ending, &format!("doc::{name}"));
        seen += 1;
    }
    seen
}

/// Adds lines as our own runners print them, `passed|failed|skipped NAME`, each name after `prefix`. Gives back how many.
pub(super) fn lines(output: &str, prefix: &str, report: &mut Report) -> usize {
    let mut seen = 0;
    for line in output.lines() {
        if let Some((word, name)) = line.split_once(' ')
            && let Some(ending) = Ending::parse(word)
        {
            report.add(ending, &format!("{prefix}::{name}"));
            seen += 1;
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(report: &Report, ending: Ending) -> Vec<&str> {
        report.names(ending).collect()
    }

    #[test]
    fn a_junit_file_gives_a_line_a_test() {
        let document = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="3" skipped="1" failures="1" errors="0">
  <testsuite name="latchkey-wire::it" tests="3">
    <testcase name="tokens::a &lt; b" classname="latchkey-wire::it" time="0.004"/>
    <testcase name="b" classname="latchkey-wire::it"><skipped message="x"/></testcase>
    <testcase name="c" classname="latchkey-wire::it">
      <failure type="test failure">passed &lt;failure/&gt;</failure>
      <system-out>test c ... ok</system-out>
    </testcase>
    <testcase name="d" classname="latchkey-wire::it"><system-out>noise</system-out></testcase>
  </testsuite>
</testsuites>"#;
        let mut report = Report::default();
        junit(document, &mut report).unwrap();
        assert_eq!(names(&report, Ending::Passed), ["latchkey-wire::it::tokens::a < b", "latchkey-wire::it::d"]);
        assert_eq!(names(&report, Ending::Skipped), ["latchkey-wire::it::b"]);
        assert_eq!(names(&report, Ending::Failed), ["latchkey-wire::it::c"]);
    }

    #[test]
    fn what_is_no_junit_file_is_told_apart_from_an_empty_one() {
        assert_eq!(junit("", &mut Report::default()), None);
        assert_eq!(junit("<testsuites", &mut Report::default()), None);
        assert_eq!(junit("<testsuites tests=\"0\"></testsuites>", &mut Report::default()), Some(()));
    }

    #[test]
    fn doc_tests_are_read_whatever_kind_they_are() {
        let output = "
running 3 tests
test crates/wire/src/a.rs - a::B (line 12) - compile fail ... ok
test crates/wire/src/a.rs - a::C (line 20) ... FAILED
test crates/wire/src/a.rs - a::D (line 30) ... ignored
test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.20s
";
        let mut report = Report::default();
        assert_eq!(doc_tests(output, &mut report), 3);
        assert_eq!(report.totals(), "1 passed, 1 failed, 1 skipped");
        assert_eq!(names(&report, Ending::Passed), ["doc::crates/wire/src/a.rs - a::B (line 12) - compile fail"]);
    }

    #[test]
    fn lines_of_our_own_runners() {
        let mut report = Report::default();
        assert_eq!(lines("passed a.b\nnoise\nfailed c\n", "python-client", &mut report), 2);
        assert_eq!(names(&report, Ending::Failed), ["python-client::c"]);
    }
}
