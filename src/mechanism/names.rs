//! The names of all mechanisms by which a client can be recognised.

/// Hands all the names to a macro, for what has to be made of each while the program is compiled.
macro_rules! every_name {
    ($make:ident) => {
        $make! {
            "EXTERNAL" "IKY-ED25519-EXPR"
            "IKY-SHA-512-EXPR" "IKY-SHA-384-EXPR" "IKY-SHA-256-EXPR"
            "IKY-SHA-512-ENDP" "IKY-SHA-384-ENDP" "IKY-SHA-256-ENDP"
            "IKY-SHA-512-NONE" "IKY-SHA-384-NONE" "IKY-SHA-256-NONE"
            "HT2-SHA-256-EXPR" "HT2-SHA-384-EXPR" "HT2-SHA-512-EXPR" "HT2-SHA3-256-EXPR" "HT2-SHA3-512-EXPR" "HT2-SHA-3-256-EXPR" "HT2-SHA-3-512-EXPR"
            "HT-SHA-256-EXPR" "HT-SHA-384-EXPR" "HT-SHA-512-EXPR" "HT-SHA3-256-EXPR" "HT-SHA3-512-EXPR" "HT-SHA-3-256-EXPR" "HT-SHA-3-512-EXPR"
            "HT2-SHA-256-UNIQ" "HT2-SHA-384-UNIQ" "HT2-SHA-512-UNIQ" "HT2-SHA3-256-UNIQ" "HT2-SHA3-512-UNIQ" "HT2-SHA-3-256-UNIQ" "HT2-SHA-3-512-UNIQ"
            "HT-SHA-256-UNIQ" "HT-SHA-384-UNIQ" "HT-SHA-512-UNIQ" "HT-SHA3-256-UNIQ" "HT-SHA3-512-UNIQ" "HT-SHA-3-256-UNIQ" "HT-SHA-3-512-UNIQ"
            "HT2-SHA-256-ENDP" "HT2-SHA-384-ENDP" "HT2-SHA-512-ENDP" "HT2-SHA3-256-ENDP" "HT2-SHA3-512-ENDP" "HT2-SHA-3-256-ENDP" "HT2-SHA-3-512-ENDP"
            "HT-SHA-256-ENDP" "HT-SHA-384-ENDP" "HT-SHA-512-ENDP" "HT-SHA3-256-ENDP" "HT-SHA3-512-ENDP" "HT-SHA-3-256-ENDP" "HT-SHA-3-512-ENDP"
            "HT2-SHA-256-NONE" "HT2-SHA-384-NONE" "HT2-SHA-512-NONE" "HT2-SHA3-256-NONE" "HT2-SHA3-512-NONE" "HT2-SHA-3-256-NONE" "HT2-SHA-3-512-NONE"
            "HT-SHA-256-NONE" "HT-SHA-384-NONE" "HT-SHA-512-NONE" "HT-SHA3-256-NONE" "HT-SHA3-512-NONE" "HT-SHA-3-256-NONE" "HT-SHA-3-512-NONE"
        }
    };
}

macro_rules! listed {
    ($($name:literal)*) => {
        /// The name of every mechanism by which a client can be recognised, strongest binding first, in each spelling that is about. Those
        /// with SHA-3 are there without the feature `sha3`, too, and recognise nobody then.
        pub const NAMES: [&str; [$($name),*].len()] = [$($name),*];
    };
}

every_name!(listed);
#[cfg(feature = "rsasl")]
pub(crate) use every_name;

/// Whether it is one of them, in any case of letters.
pub(super) fn is_known(name: &str) -> bool {
    NAMES.iter().any(|known| known.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::NAMES;
    use crate::assertion::{HtMechanism, Pin};

    #[test]
    fn every_mechanism_is_listed_in_each_spelling_and_no_other() {
        let iky = Pin::ALL.into_iter().map(Pin::name);
        let ht = HtMechanism::all().flat_map(|mechanism| [mechanism.name(), mechanism.other_name()]);
        let is_here = |name: &&str| cfg!(feature = "sha3") || !name.contains("SHA3") && !name.contains("SHA-3-");
        let listed: BTreeSet<&str> = NAMES.into_iter().filter(is_here).collect();
        assert_eq!(listed, iky.chain(ht).chain(["EXTERNAL"]).collect());
        assert_eq!(NAMES.iter().collect::<BTreeSet<_>>().len(), NAMES.len(), "each once");
    }
}
