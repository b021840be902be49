//! What else a login could cost: the rivals, each from its usual crate, at the parameters that are recommended for it.

use std::hint::black_box;

use argon2::{Algorithm, Argon2, Params, Version};
use jsonwebtoken::{DecodingKey, EncodingKey, Header, Validation};
use pasetors::claims::{Claims, ClaimsValidationRules};
use pasetors::keys::{AsymmetricKeyPair, Generate, SymmetricKey};
use pasetors::token::UntrustedToken;
use pasetors::version4::V4;
use pasetors::{Local, Public, local, public};
use serde_json::{Value, json};

use crate::scene::{ALICE, Channel};
use crate::{Fault, Run};

#[path = "../../examples/common/scram.rs"]
#[allow(dead_code, unreachable_pub)] // shared with the examples
mod scram;

const PASSWORD: &str = "correct horse battery staple";

/// SCRAM-SHA-256-PLUS at 4096 iterations, both ends: the client salts the password, the server compares with what it stored.
pub fn scram() -> Result<Run, Fault> {
    let facts = Channel::new(7).facts()?;
    let stored = scram::StoredPassword::new(ALICE, PASSWORD, [6; 16]);
    Ok(Box::new(move || {
        let exchange = || -> Result<Option<String>, Fault> {
            let mut server = scram::Server::start(&stored, &facts)?;
            let (mut client, first) = scram::Client::start(ALICE, PASSWORD, &facts)?;
            let proof = client.step(&server.step(&first)?)?;
            client.step(&server.step(&proof)?)?;
            client.end()?;
            Ok(server.who())
        };
        assert!(black_box(exchange()).expect("it goes through").is_some());
    }))
}

/// Argon2id as OWASP has it: 19 MiB, two passes, one lane. It is the server's part of a login with a password.
pub fn argon2id() -> Result<Run, Fault> {
    let params = Params::new(19 * 1024, 2, 1, Some(32)).map_err(|error| error.to_string())?;
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    Ok(Box::new(move || {
        let mut out = [0; 32];
        argon2.hash_password_into(PASSWORD.as_bytes(), &[6; 16], &mut out).expect("it hashes");
        black_box(out);
    }))
}

/// A JSON Web Token with HS256, verified.
pub fn jwt() -> Result<Run, Fault> {
    let claims = json!({ "sub": ALICE, "aud": "imap.example.com", "exp": 4_000_000_000u64 });
    let token = jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(&[6; 32]))?;
    let (key, mut validation) = (DecodingKey::from_secret(&[6; 32]), Validation::default());
    validation.set_audience(&["imap.example.com"]);
    Ok(Box::new(move || {
        let claims = jsonwebtoken::decode::<Value>(black_box(&token), &key, &validation).expect("it is valid").claims;
        assert!(claims["sub"] == ALICE);
    }))
}

fn claims() -> Result<Claims, Fault> {
    let mut claims = Claims::new().map_err(|error| format!("{error:?}"))?;
    claims.subject(ALICE).map_err(|error| format!("{error:?}"))?;
    claims.audience("imap.example.com").map_err(|error| format!("{error:?}"))?;
    Ok(claims)
}

fn rules() -> ClaimsValidationRules {
    let mut rules = ClaimsValidationRules::new();
    rules.validate_audience_with("imap.example.com");
    rules
}

/// A PASETO v4.local, opened.
pub fn paseto_local() -> Result<Run, Fault> {
    let key = SymmetricKey::<V4>::from(&[6; 32]).map_err(|error| format!("{error:?}"))?;
    let (token, rules) = (local::encrypt(&key, &claims()?, None, None).map_err(|error| format!("{error:?}"))?, rules());
    Ok(Box::new(move || {
        let token = UntrustedToken::<Local, V4>::try_from(black_box(&token)).expect("it is a token");
        black_box(local::decrypt(&key, &token, &rules, None, None).expect("it is valid"));
    }))
}

/// A PASETO v4.public, whose signature is verified.
pub fn paseto_public() -> Result<Run, Fault> {
    let pair = AsymmetricKeyPair::<V4>::generate().map_err(|error| format!("{error:?}"))?;
    let token = public::sign(&pair.secret, &claims()?, None, None).map_err(|error| format!("{error:?}"))?;
    let rules = rules();
    Ok(Box::new(move || {
        let token = UntrustedToken::<Public, V4>::try_from(black_box(&token)).expect("it is a token");
        black_box(public::verify(&pair.public, &token, &rules, None, None).expect("it is valid"));
    }))
}
