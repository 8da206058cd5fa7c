//! The accent colour, and the shades that make it readable in both themes.
//!
//! Owns the arithmetic of WCAG 2.2 (relative luminance and contrast) and which shade stands on which ground. Must not know style sheets: a test of
//! the portals compares the grounds with theirs.

use std::fmt;
use std::str::FromStr;

/// The least contrast of text (WCAG 2.2, 1.4.3 AA).
pub const READABLE: f64 = 4.5;

/// A colour of sRGB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Colour(pub [u8; 3]);

/// What the accent stands on in the light theme: surface, canvas, sunken, and the grounds of notices.
pub const LIGHT: [Colour; 5] = [
    Colour([0xff, 0xff, 0xff]),
    Colour([0xf3, 0xf6, 0xf6]),
    Colour([0xea, 0xef, 0xef]),
    Colour([0xfb, 0xef, 0xd6]),
    Colour([0xfb, 0xe6, 0xe3]),
];

/// The same in the dark theme.
pub const DARK: [Colour; 5] = [
    Colour([0x19, 0x21, 0x23]),
    Colour([0x12, 0x18, 0x1a]),
    Colour([0x23, 0x2d, 0x30]),
    Colour([0x3a, 0x2d, 0x14]),
    Colour([0x43, 0x21, 0x1e]),
];

const WHITE: Colour = Colour([0xff, 0xff, 0xff]);
const BLACK: Colour = Colour([0, 0, 0]);
const INK: Colour = Colour([0x0b, 0x11, 0x13]);

/// So many steps from a colour to black or white.
const STEPS: u16 = 64;

impl FromStr for Colour {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digits = text.strip_prefix('#').ok_or(())?;
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(());
        }
        let number = u32::from_str_radix(digits, 16).map_err(drop)?;
        let [_, red, green, blue] = number.to_be_bytes();
        Ok(Self([red, green, blue]))
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [red, green, blue] = self.0;
        write!(f, "#{red:02x}{green:02x}{blue:02x}")
    }
}

impl Colour {
    /// Relative luminance, 0 to 1.
    #[must_use]
    pub fn luminance(self) -> f64 {
        let [red, green, blue] = self.0.map(|byte| {
            let part = f64::from(byte) / 255.0;
            if part <= 0.040_45 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126f64.mul_add(red, 0.7152f64.mul_add(green, 0.0722 * blue))
    }

    /// The contrast of two colours, 1 to 21.
    #[must_use]
    pub fn contrast(self, other: Self) -> f64 {
        let (one, two) = (self.luminance(), other.luminance());
        (one.max(two) + 0.05) / (one.min(two) + 0.05)
    }

    fn reads_on(self, ground: Self) -> bool {
        self.contrast(ground) >= READABLE
    }

    /// So many of [`STEPS`] towards the other.
    fn towards(self, other: Self, steps: u16) -> Self {
        let mut mixed = self.0;
        for (part, other) in mixed.iter_mut().zip(other.0) {
            let sum = u16::from(*part) * (STEPS - steps) + u16::from(other) * steps;
            *part = u8::try_from((sum + STEPS / 2) / STEPS).unwrap_or(u8::MAX);
        }
        Self(mixed)
    }
}

/// The shades of an accent in one theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shades {
    /// Links, buttons, what is chosen.
    pub accent: Colour,
    /// The same under the pointer, and text on the soft shade.
    pub strong: Colour,
    /// A ground.
    pub soft: Colour,
    /// Text on accent and strong: white or nearly black, whichever reads better.
    pub on: Colour,
}

impl Shades {
    fn of(accent: Colour, grounds: &[Colour; 5], away: Colour) -> Self {
        let strong = accent.towards(away, STEPS / 4);
        let worst = |ink: Colour| ink.contrast(accent).min(ink.contrast(strong));
        let on = if worst(WHITE) >= worst(INK) { WHITE } else { INK };
        Self { accent, strong, soft: grounds[0].towards(accent, STEPS / 8), on }
    }

    /// Whether every text of these shades can be read.
    #[must_use]
    pub fn read(&self, grounds: &[Colour]) -> bool {
        let on_grounds = grounds
            .iter()
            .chain([&self.soft])
            .all(|ground| self.accent.reads_on(*ground) && self.strong.reads_on(*ground));
        on_grounds && self.on.reads_on(self.accent) && self.on.reads_on(self.strong)
    }
}

/// An accent that cannot be read on light ground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable {
    /// How little contrast it has where it has least.
    pub worst_percent: u32,
    /// The nearest of the same hue that can.
    pub nearest: Colour,
}

/// The accent as it is given in the light theme, and the nearest lighter one that reads in the dark theme.
pub fn shades(accent: Colour) -> Result<[Shades; 2], Unreadable> {
    let light = Shades::of(accent, &LIGHT, BLACK);
    if !light.read(&LIGHT) {
        let worst = LIGHT.iter().map(|ground| accent.contrast(*ground)).fold(21.0, f64::min);
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a contrast is from 1 to 21")]
        let worst_percent = (worst * 100.0) as u32;
        return Err(Unreadable { worst_percent, nearest: nearest(accent, &LIGHT, BLACK).accent });
    }
    Ok([light, nearest(accent, &DARK, WHITE)])
}

/// The first shade on the way to black or white with which everything can be read. At the end of the way it is.
fn nearest(accent: Colour, grounds: &[Colour; 5], away: Colour) -> Shades {
    let on_the_way = (0..STEPS).map(|steps| Shades::of(accent.towards(away, steps), grounds, away));
    let found = on_the_way.into_iter().find(|shades| shades.read(grounds));
    found.unwrap_or_else(|| Shades::of(away, grounds, away))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn colour(text: &str) -> Colour {
        text.parse().unwrap()
    }

    #[test]
    fn contrast_is_that_of_the_standard() {
        for (one, two, contrast) in [
            ("#000000", "#ffffff", 21.0),
            ("#777777", "#ffffff", 4.48),
            ("#767676", "#ffffff", 4.54),
            ("#abcdef", "#abcdef", 1.0),
        ] {
            assert!(
                (colour(one).contrast(colour(two)) - contrast).abs() < 0.01,
                "{one} {two}: {}",
                colour(one).contrast(colour(two))
            );
        }
    }

    #[test]
    fn only_six_digits_are_a_colour() {
        assert_eq!(colour("#0C626D").to_string(), "#0c626d");
        for text in ["", "#", "0c626d", "#0c6", "#0c626g", "#0c626d0", "#+c626d", "red", "#0c626d;}", "#é2626"] {
            assert!(text.parse::<Colour>().is_err(), "{text}");
        }
    }

    #[test]
    fn black_and_white_end_the_way_in_both_themes() {
        assert!(Shades::of(BLACK, &LIGHT, BLACK).read(&LIGHT));
        assert!(Shades::of(WHITE, &DARK, WHITE).read(&DARK));
    }

    #[test]
    fn yellow_cannot_be_read_and_its_nearest_can() {
        let refused = shades(colour("#ffcc00")).unwrap_err();
        assert!(refused.worst_percent < 150, "{refused:?}");
        assert!(shades(refused.nearest).is_ok(), "{refused:?}");
    }

    proptest! {
        #[test]
        fn whatever_is_accepted_can_be_read_in_both_themes_and_whatever_is_refused_has_a_nearest_that_can(rgb: [u8; 3]) {
            let given = Colour(rgb);
            let [light, dark] = match shades(given) {
                Ok(found) => {
                    prop_assert_eq!(found[0].accent, given);
                    found
                }
                Err(refused) => shades(refused.nearest).map_err(|_| TestCaseError::fail("the nearest is refused too"))?,
            };
            for (shades, grounds) in [(light, LIGHT), (dark, DARK)] {
                for ground in grounds.into_iter().chain([shades.soft]) {
                    prop_assert!(shades.accent.contrast(ground) >= READABLE && shades.strong.contrast(ground) >= READABLE);
                }
                prop_assert!(shades.on.contrast(shades.accent) >= READABLE && shades.on.contrast(shades.strong) >= READABLE);
            }
        }
    }
}
