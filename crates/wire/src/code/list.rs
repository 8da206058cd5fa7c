//! How a list of codes is written down, for the parts of the product's list that say no more than exit, title and fix.
//!
//! Owns the macro. The protocol's own list says more of each code and has a form of its own in `table.rs`.

/// Makes an enumeration of codes out of lines `Variant "LK-…" exit "What is wrong."; fix "What to do.";`.
#[macro_export]
macro_rules! code_list {
    (
        $(#[doc = $doc:literal])+
        pub enum $name:ident;
        $($variant:ident $text:literal $exit:literal $title:literal; fix $fix:literal;)+
    ) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $(#[doc = $title] $variant,)+ }

        impl $name {
            /// Every one, in the order of the list.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The code as it is written everywhere.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The exit status of a program that ends with this code (cli.md).
            #[must_use]
            pub const fn exit_status(self) -> u8 {
                match self { $(Self::$variant => $exit,)+ }
            }

            /// What is wrong.
            #[must_use]
            pub const fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)+ }
            }

            /// What to do about it, where the message itself says nothing better.
            #[must_use]
            pub const fn fix(self) -> &'static str {
                match self { $(Self::$variant => $fix,)+ }
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::code::UnknownCode;

            fn from_str(text: &str) -> Result<Self, $crate::code::UnknownCode> {
                match text { $($text => Ok(Self::$variant),)+ _ => Err($crate::code::UnknownCode) }
            }
        }
    };
}
