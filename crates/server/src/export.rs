//! Lists as CSV, written page by page while they are read.
//!
//! Owns the form of the answer and of a cell, for portal and REST alike. Must not know which list it is.

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse as _, Response};
use futures_util::{StreamExt as _, stream};
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use latchkey_directory::page::{Page, PageRequest};

use crate::problem::Result;

/// Rows at a time.
const AT_ONCE: u64 = 1000;

/// What a spreadsheet takes for the beginning of a formula.
pub(crate) const FORMULA: [char; 6] = ['=', '+', '-', '@', '\t', '\r'];

/// A cell that no spreadsheet runs.
pub(crate) fn inert(text: &str) -> String {
    if text.starts_with(FORMULA) { format!("'{text}") } else { text.to_owned() }
}

fn lines(lines: impl Iterator<Item = Vec<String>>) -> Bytes {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for line in lines {
        let cells = line.iter().map(|cell| inert(cell));
        writer.write_record(cells).expect("writing records of one length into memory cannot fail");
    }
    writer.into_inner().expect("writing into memory cannot fail").into()
}

/// A file with a line for each row. What fails before the first page is answered as a problem; what fails later breaks the answer off, so that
/// nobody takes a part for the whole.
pub(crate) async fn csv<T, F>(
    file: &'static str,
    columns: &[&'static str],
    page: impl Fn(PageRequest) -> F + Send + Sync + 'static,
    line: fn(&T) -> Vec<String>,
) -> Result<Response>
where
    T: Send + 'static,
    F: Future<Output = latchkey_directory::Result<Page<T>>> + Send,
{
    let head = lines(std::iter::once(columns.iter().map(|name| (*name).to_owned()).collect()));
    let first = page(PageRequest { limit: AT_ONCE, after: None, count: false }).await?;
    let begin = stream::iter([Ok(head), Ok(lines(first.items.iter().map(line)))]);
    let rest = stream::try_unfold((page, first.next), move |(page, next)| async move {
        let Some(next) = next else { return Ok(None) };
        let found = page(PageRequest { limit: AT_ONCE, after: Some(next), count: false }).await?;
        Ok::<_, latchkey_directory::Error>(Some((lines(found.items.iter().map(line)), (page, found.next))))
    });
    let disposition = format!("attachment; filename=\"{file}\"");
    let headers = [(CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (CONTENT_DISPOSITION, disposition)];
    Ok((headers, Body::from_stream(begin.chain(rest))).into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_page_is_in_the_file_and_no_cell_is_a_formula() {
        let page = |request: PageRequest| async move {
            let items = if request.after.is_none() { vec!["=1+1", "a,b"] } else { vec!["last"] };
            let next = request.after.is_none().then(|| "MC54".parse().unwrap());
            Ok(Page { items, next, count: None })
        };
        let answer = csv("x.csv", &["text"], page, |text| vec![(*text).to_owned()]).await.unwrap();
        let body = axum::body::to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        assert_eq!(body, "text\n'=1+1\n\"a,b\"\nlast\n");
    }

    #[tokio::test]
    async fn what_fails_halfway_breaks_the_answer_off() {
        let page = |request: PageRequest| async move {
            match request.after {
                None => Ok(Page { items: vec!["a"], next: Some("MC54".parse().unwrap()), count: None }),
                Some(_) => Err(latchkey_directory::Error::Internal("gone".to_owned())),
            }
        };
        let answer = csv("x.csv", &["text"], page, |text| vec![(*text).to_owned()]).await.unwrap();
        assert!(axum::body::to_bytes(answer.into_body(), usize::MAX).await.is_err());
    }
}
