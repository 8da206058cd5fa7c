//! What kind of picture some bytes are, by their own headers.
//!
//! Owns the three kinds that are taken, and their limits. A picture is not decoded here: a browser does that, in a page that lets it run nothing. SVG
//! is none of them, because it is a document that can carry script and links. Must not know where a picture is shown.

/// The largest file, bytes.
pub const MOST: usize = 70 * 1024;
/// The longest side, pixels: a small file can claim to be huge, and every browser would pay for it.
pub const LONGEST: u32 = 2_000;

/// A picture that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Picture {
    /// Its media type.
    pub media_type: &'static str,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
}

/// Looks at the bytes. What is wrong is said in words that name a way out.
pub fn look(bytes: &[u8]) -> Result<Picture, String> {
    if bytes.len() > MOST {
        return Err(format!(
            "the picture has {} KB, and may have 70 at most: save it smaller",
            bytes.len().div_ceil(1024)
        ));
    }
    let found = if bytes.starts_with(b"\x89PNG\r\n\x1a\n") {
        png(bytes).map(|sides| ("image/png", sides))
    } else if bytes.starts_with(b"\xff\xd8\xff") {
        jpeg(bytes).map(|sides| ("image/jpeg", sides))
    } else if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") {
        webp(bytes).map(|sides| ("image/webp", sides))
    } else {
        return Err(
            "this is no PNG, JPEG or WebP: save the logo as PNG (SVG is not taken, it can carry script)".to_owned()
        );
    };
    let (media_type, (width, height)) =
        found.ok_or("the picture is damaged, or one that moves: save it again as PNG")?;
    if width == 0 || height == 0 || width > LONGEST || height > LONGEST {
        return Err(format!("the picture is {width} × {height} pixels, and each side may have {LONGEST} at most"));
    }
    Ok(Picture { media_type, width, height })
}

fn be32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_be_bytes)
}

fn be16(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(|pair| u32::from(u16::from_be_bytes(pair)))
}

fn le16(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(2)?)?.try_into().ok().map(|pair| u32::from(u16::from_le_bytes(pair)))
}

fn le32(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..at.checked_add(4)?)?.try_into().ok().map(u32::from_le_bytes)
}

/// Chunk after chunk to the end, `IHDR` first and `IEND` last.
fn png(bytes: &[u8]) -> Option<(u32, u32)> {
    let (mut at, mut sides, mut data) = (8, None, false);
    loop {
        let length = usize::try_from(be32(bytes, at)?).ok()?;
        let kind = bytes.get(at.checked_add(4)?..at.checked_add(8)?)?;
        let next = at.checked_add(length)?.checked_add(12)?;
        if next > bytes.len() {
            return None;
        }
        match (kind, sides) {
            (b"IHDR", None) if length == 13 => sides = Some((be32(bytes, at + 8)?, be32(bytes, at + 12)?)),
            (b"IHDR" | b"acTL", _) | (_, None) => return None,
            (b"IDAT", _) => data = true,
            (b"IEND", Some(sides)) => return (data && next == bytes.len()).then_some(sides),
            _ => {}
        }
        at = next;
    }
}

/// Segment after segment to the frame's header. The end must be there.
fn jpeg(bytes: &[u8]) -> Option<(u32, u32)> {
    if !bytes.ends_with(b"\xff\xd9") {
        return None;
    }
    let mut at = 2;
    loop {
        if *bytes.get(at)? != 0xff {
            return None;
        }
        let marker = *bytes.get(at + 1)?;
        if marker == 0xff {
            at += 1;
            continue;
        }
        let length = usize::try_from(be16(bytes, at + 2)?).ok()?;
        match marker {
            0xc0..=0xc2 if length >= 8 => return Some((be16(bytes, at + 7)?, be16(bytes, at + 5)?)),
            // Other ways of coding, the picture before its header, or no segment at all.
            0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf | 0xd0..=0xda | 0x00 | 0x01 => return None,
            _ if length < 2 => return None,
            _ => at = at.checked_add(length)?.checked_add(2)?,
        }
    }
}

/// The first chunk says all.
fn webp(bytes: &[u8]) -> Option<(u32, u32)> {
    let size = usize::try_from(le32(bytes, 4)?).ok()?;
    if size.checked_add(8)? != bytes.len() {
        return None;
    }
    match bytes.get(12..16)? {
        b"VP8 " if bytes.get(23..26)? == b"\x9d\x01\x2a" => {
            Some((le16(bytes, 26)? & 0x3fff, le16(bytes, 28)? & 0x3fff))
        }
        b"VP8L" if *bytes.get(20)? == 0x2f => {
            let packed = le32(bytes, 21)?;
            Some(((packed & 0x3fff) + 1, ((packed >> 14) & 0x3fff) + 1))
        }
        // The second bit: it moves.
        b"VP8X" if *bytes.get(20)? & 2 == 0 => {
            Some(((le32(bytes, 24)? & 0x00ff_ffff) + 1, (le32(bytes, 27)? & 0x00ff_ffff) + 1))
        }
        _ => None,
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;

    fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let mut out = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        out.extend(kind);
        out.extend(body);
        out.extend([0; 4]);
        out
    }

    pub(crate) fn a_png(width: u32, height: u32) -> Vec<u8> {
        let mut header = [width.to_be_bytes(), height.to_be_bytes()].concat();
        header.extend([8, 6, 0, 0, 0]);
        [b"\x89PNG\r\n\x1a\n".to_vec(), chunk(b"IHDR", &header), chunk(b"IDAT", b"x"), chunk(b"IEND", b"")].concat()
    }

    fn a_jpeg(width: u16, height: u16) -> Vec<u8> {
        let mut out = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xc0\x00\x0b\x08".to_vec();
        out.extend(height.to_be_bytes());
        out.extend(width.to_be_bytes());
        out.extend(b"\x01\x01\x11\x00\xff\xd9");
        out
    }

    fn a_webp(chunk: &[u8]) -> Vec<u8> {
        let mut out = b"RIFF".to_vec();
        out.extend(u32::try_from(chunk.len() + 4).unwrap().to_le_bytes());
        out.extend(b"WEBP");
        out.extend(chunk);
        out
    }

    fn sides(bytes: &[u8]) -> (&'static str, u32, u32) {
        let picture = look(bytes).unwrap();
        (picture.media_type, picture.width, picture.height)
    }

    #[test]
    fn the_three_kinds_tell_their_size() {
        assert_eq!(sides(&a_png(320, 80)), ("image/png", 320, 80));
        assert_eq!(sides(&a_jpeg(320, 80)), ("image/jpeg", 320, 80));
        assert_eq!(sides(&a_webp(b"VP8 \x0a\0\0\0\0\0\0\x9d\x01\x2a\x40\x01\x50\x00")), ("image/webp", 320, 80));
        let packed: u32 = (320 - 1) | ((80 - 1) << 14);
        let lossless = [b"VP8L\x05\0\0\0\x2f".to_vec(), packed.to_le_bytes().to_vec()].concat();
        assert_eq!(sides(&a_webp(&lossless)), ("image/webp", 320, 80));
        assert_eq!(sides(&a_webp(b"VP8X\x0a\0\0\0\x00\0\0\0\x3f\x01\0\x4f\0\0\0")), ("image/webp", 320, 80));
    }

    #[test]
    fn everything_else_is_refused_with_a_way_out() {
        let moving = a_webp(b"VP8X\x0a\0\0\0\x02\0\0\0\x3f\x01\0\x4f\0\0\0");
        let mut cut = a_png(10, 10);
        cut.truncate(cut.len() - 3);
        let mut longer = a_png(10, 10);
        longer.extend(b"<script>");
        let mut large = a_png(10, 10);
        large.resize(MOST + 1, 0);
        for (bytes, words) in [
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>".to_vec(), "SVG is not taken"),
            (b"GIF89a".to_vec(), "no PNG"),
            (Vec::new(), "no PNG"),
            (moving, "moves"),
            (cut, "damaged"),
            (longer, "damaged"),
            (large, "70 at most"),
            (a_png(2_001, 1), "2000 at most"),
            (a_png(0, 5), "at most"),
            (b"\xff\xd8\xff\xda\x00\x04ab\xff\xd9".to_vec(), "damaged"),
        ] {
            let refused = look(&bytes).unwrap_err();
            assert!(refused.contains(words), "{words}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(kind in 0usize..3, rest: Vec<u8>) {
            let start: &[u8] = [&b"\x89PNG\r\n\x1a\n"[..], b"\xff\xd8\xff", b"RIFF\0\0\0\0WEBP"][kind];
            drop(look(&[start, &rest].concat()));
        }
    }
}
