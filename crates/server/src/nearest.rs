//! The known word that somebody probably meant.
//!
//! Owns the idea of "near" for keys, flags, fields and parameters. Must not know which words there are.

/// The candidate nearest to `word`, if one is near enough to be worth naming.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_ascii_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(&folded, &candidate.to_ascii_lowercase().replace('-', "_")), candidate))
        .filter(|(nearness, _)| *nearness > 0.75)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_finds_its_word_and_noise_finds_none() {
        let words = ["listen", "cloud_name", "trusted_proxy", "tls", "tls_cert"];
        assert_eq!(nearest("lisen", words), Some("listen"));
        assert_eq!(nearest("cloudName", words), Some("cloud_name"));
        assert_eq!(nearest("trusted-proxies", words), Some("trusted_proxy"));
        assert_eq!(nearest("xyzzy", words), None);
    }
}
