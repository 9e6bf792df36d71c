"""Signature algorithms accepted for tokens."""

# RFC 7518, 8037 and 9864. No symmetric algorithm: an attacker could use the public key as the HMAC secret.
ASYMMETRIC = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
