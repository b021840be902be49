//! Reading: what this is about, how to come from FAST, and a recipe for each stack.
//!
//! | page | for whom |
//! | --- | --- |
//! | [`primer`] | who never met SASL |
//! | [`migrating_from_fast`] | who has XEP-0484 (FAST) with HT tokens |
//! | [`recipes`] | who has a stack, and wants it in there |
//!
//! The pages are files in `docs/`. Their code is compiled, and run where it can be, by `cargo test --doc`.

/// A page. What it links to as a file is a module here: of two definitions of a link, Markdown takes the first.
macro_rules! page {
    ($name:ident, $file:literal) => {
        #[doc = "[recipes]: crate::guide::recipes"]
        #[doc = "[migrating]: crate::guide::migrating_from_fast"]
        #[doc = "[rustls]: crate::guide::recipes::rustls"]
        #[doc = "[imap]: crate::guide::recipes::imap"]
        #[doc = "[smtp]: crate::guide::recipes::smtp"]
        #[doc = "[xmpp]: crate::guide::recipes::xmpp"]
        #[doc = "[postfix]: crate::guide::recipes::postfix"]
        #[doc = "[haproxy]: crate::guide::recipes::haproxy"]
        #[doc = "[stores]: crate::guide::recipes::stores"]
        #[doc = ""]
        #[doc = include_str!(concat!("../docs/", $file))]
        pub mod $name {}
    };
}

page!(primer, "primer.md");
page!(migrating_from_fast, "migrating-from-fast.md");

/// One page for each stack: what to configure, the code that it takes, what to watch, and a command that shows it running.
pub mod recipes {
    page!(rustls, "recipes/rustls.md");
    page!(openssl, "recipes/openssl.md");
    #[cfg(feature = "rsasl")]
    page!(rsasl, "recipes/rsasl.md");
    #[cfg(feature = "sasl")]
    page!(sasl, "recipes/sasl.md");
    page!(imap, "recipes/imap.md");
    page!(smtp, "recipes/smtp.md");
    page!(xmpp, "recipes/xmpp.md");
    page!(postfix, "recipes/postfix.md");
    page!(haproxy, "recipes/haproxy.md");
    page!(c, "recipes/c.md");
    page!(stores, "recipes/stores.md");
}
