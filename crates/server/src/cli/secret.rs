//! Secrets: from a file, from stdin, or typed without echo. Never from the command line.
//!
//! Owns how they are read. Knows not what they are for.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};

use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use crate::code::Own;
use crate::exit::{Failure, Result};

/// A secret is short; whatever is longer is the wrong file.
const MAX: u64 = 64 * 1024;

/// Reads the secret of `--flag FILE` (`-` is stdin), without the line end that editors add.
///
/// # Errors
/// The file cannot be read, is empty, too long or not text.
pub(crate) fn read(flag: &str, file: &str) -> Result<Zeroizing<String>> {
    let cannot = |why: String| {
        Failure::new(Own::Cli004, format!("{flag} {file}: {why}"), "name a file with the secret, or - for stdin")
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    let reading = if file == "-" {
        std::io::stdin().lock().take(MAX + 1).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|opened| opened.take(MAX + 1).read_to_end(&mut bytes))
    };
    reading.map_err(|e| cannot(e.to_string()))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > MAX {
        return Err(cannot("it is too long for a secret".to_owned()));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| cannot("it is not text".to_owned()))?;
    let text = text.strip_suffix('\n').unwrap_or(text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() {
        return Err(cannot("it is empty".to_owned()));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

/// Whether there is a person to ask: stdin and stderr are terminals.
pub(crate) fn person_there() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

/// Asks for a line on the terminal.
///
/// # Errors
/// The terminal is gone.
pub(crate) fn ask(question: &str) -> Result<String> {
    let lost = |e: std::io::Error| Failure::io("the terminal", &e);
    write!(std::io::stderr().lock(), "{question}").and_then(|()| std::io::stderr().flush()).map_err(lost)?;
    let mut line = String::new();
    std::io::stdin().lock().read_line(&mut line).map_err(lost)?;
    Ok(line.trim().to_owned())
}

/// Asks for a secret on the terminal, without echo.
///
/// # Errors
/// The terminal is gone.
pub(crate) fn ask_hidden(question: &str) -> Result<Zeroizing<String>> {
    let lost = |e: std::io::Error| Failure::io("the terminal", &e);
    let stdin = std::io::stdin();
    let before = tcgetattr(&stdin).map_err(|e| lost(e.into()))?;
    let mut quiet = before.clone();
    quiet.local_modes.remove(LocalModes::ECHO);
    quiet.local_modes.insert(LocalModes::ECHONL);
    tcsetattr(&stdin, OptionalActions::Flush, &quiet).map_err(|e| lost(e.into()))?;
    write!(std::io::stderr().lock(), "{question}").and_then(|()| std::io::stderr().flush()).map_err(lost)?;
    let mut line = Zeroizing::new(String::with_capacity(1024));
    let read = stdin.lock().read_line(&mut line);
    let restored = tcsetattr(&stdin, OptionalActions::Now, &before);
    read.map_err(lost)?;
    restored.map_err(|e| lost(e.into()))?;
    Ok(Zeroizing::new(line.trim_end_matches(['\n', '\r']).to_owned()))
}

/// The password of `--password-file`; asked for where a person is there, else a missing flag.
///
/// # Errors
/// The file cannot be read, or there is neither file nor person.
pub(crate) fn password(file: Option<&str>, new: bool, otherwise: &str) -> Result<Zeroizing<String>> {
    if let Some(file) = file {
        return read("--password-file", file);
    }
    if !person_there() {
        return Err(Failure::usage(
            format!("--password-file is missing{otherwise}"),
            "give --password-file FILE (- is stdin)",
        ));
    }
    let password = ask_hidden("Password: ")?;
    if new && *ask_hidden("The same again: ")? != *password {
        return Err(Failure::usage("the two passwords differ", "type the same password twice"));
    }
    if password.is_empty() {
        return Err(Failure::usage("no password was given", "give --password-file FILE (- is stdin)"));
    }
    Ok(password)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exit::Exit;

    #[test]
    fn a_secret_loses_the_editors_line_end_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let file = |content: &[u8]| {
            let path = dir.path().join("secret");
            std::fs::write(&path, content).unwrap();
            path.to_str().unwrap().to_owned()
        };
        assert_eq!(*read("--x", &file(b"pass word \n")).unwrap(), "pass word ");
        assert_eq!(*read("--x", &file(b"a\r\n")).unwrap(), "a");
        assert_eq!(*read("--x", &file(b"a\n\n")).unwrap(), "a\n");
        for wrong in [&b""[..], b"\n", b"\xff\xfe", &[b'a'; 70_000]] {
            assert_eq!(read("--x", &file(wrong)).unwrap_err().exit, Exit::USAGE);
        }
        let missing = read("--password-file", "/nonexistent/file").unwrap_err();
        assert!(missing.detail.starts_with("--password-file /nonexistent/file"), "{missing}");
    }
}
